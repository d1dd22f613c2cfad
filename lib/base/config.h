/*
 * The settings, from one table: config.def.
 *
 * A setting comes from the environment, else from the file that FYNQ_CONFIG names (lines of
 * NAME=value, # comments, values optionally in double or single quotes), else from its default. A
 * secret may instead be read from the file that NAME_FILE names, so that it stands in no
 * environment. A process with a bad, missing or unknown FYNQ_ setting does not start.
 */
#ifndef FYNQ_BASE_CONFIG_H
#define FYNQ_BASE_CONFIG_H

#include "buf.h"

/* Four limits of one user, in the order of the setting; 0 for no limit. */
struct fynq_limits {
	int64_t most[4];
};

struct fynq_config {
#define FYNQ_TYPE_STRING						    const char *
#define FYNQ_TYPE_LIST							    const char *
#define FYNQ_TYPE_INT							    int64_t
#define FYNQ_TYPE_BOOL							    bool
#define FYNQ_TYPE_LIMITS						    struct fynq_limits
#define FYNQ_SETTING(type, member, name, def, least, most, flags, sentence) FYNQ_TYPE_##type member;
#include "config.def"
#undef FYNQ_SETTING
};

/*
 * This process's settings; read-only once fynq_config_load() returned true. Strings that were
 * not given are "".
 */
extern struct fynq_config fynq_config;

/*
 * Read and check all settings. False where one is bad: problems_r then holds one line for each
 * fault, naming the setting and never a secret's value.
 */
bool fynq_config_load(struct fynq_buf *problems_r);

/* The table as an example file in FYNQ_CONFIG's format, and as a page of documentation. */
void fynq_config_example(struct fynq_buf *out);
void fynq_config_markdown(struct fynq_buf *out);

#endif
