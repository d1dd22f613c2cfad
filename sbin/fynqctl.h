/*
 * fynqctl, the admin's tool: a table of commands, each in a file of its own.
 */
#ifndef FYNQ_SBIN_FYNQCTL_H
#define FYNQ_SBIN_FYNQCTL_H

#include <sysexits.h>

#include "http/request.h"

/* Exit statuses beside EX_OK, EX_USAGE and EX_CONFIG. */
enum { CTL_FAILED = 1, CTL_DOWN = 3 };

struct command {
	const char *name;
	const char *args;     /* as shown by help, a line for each way; NULL where it takes none */
	bool needs_config;    /* refuse to run while a setting is bad */
	const char *sentence; /* and lines about its options, that only help COMMAND shows */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit status */
};

/* Each file's commands; a row whose name is NULL ends the table. */
extern const struct command pool_commands[], migrate_commands[], config_commands[], user_commands[],
    keys_commands[], mail_commands[], upkeep_commands[], storage_commands[];

/* What is wrong with the settings, a line each; empty where they are good. */
extern struct fynq_buf ctl_problems;

/*
 * A verb, the word behind a command, as verify is in `fynqctl storage verify`, which is done with a
 * request of its own, as the service does things. A row whose name is NULL ends a command's table.
 */
struct verb {
	const char *name;
	unsigned takes; /* words and options: the file's own bits */
	enum fynq_err (*run)(struct fynq_req *rq, void *call); /* call: what they said */
};

/* The verb so called, where name is one; else NULL. */
const struct verb *ctl_verb_find(const struct verb *verbs, const char *name);

/*
 * Do it. What went wrong is said on standard error, after the command's name, and so are lines of
 * the log from warn on. EX_OK or CTL_FAILED; the latter also where standard output cannot be
 * written.
 */
int ctl_verb_run(const char *command, const struct verb *verb, void *call);

/* Say on standard error what ctl_problems has; EX_CONFIG. */
int ctl_bad_settings(void);

/* Say on standard error how the command is called; EX_USAGE. */
int ctl_usage(const char *command);

/* A line on standard error: "fynqctl: ...". */
void ctl_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for text of several lines, such as a child's complaint. */
void ctl_say_lines(const char *about, struct fynq_str text);

#endif
