/*
 * fynqctl, the admin's tool: a table of commands, each in a file of its own.
 */
#ifndef FYNQ_SBIN_FYNQCTL_H
#define FYNQ_SBIN_FYNQCTL_H

#include <sysexits.h>

#include "base/buf.h"

/* Exit statuses beside EX_OK, EX_USAGE and EX_CONFIG. */
enum { CTL_FAILED = 1, CTL_DOWN = 3 };

struct command {
	const char *name;
	const char *args;  /* as shown by help, a line for each way; NULL where it takes none */
	bool needs_config; /* refuse to run while a setting is bad */
	const char *sentence;
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit status */
};

/* Each file's commands; a row whose name is NULL ends the table. */
extern const struct command pool_commands[], migrate_commands[], config_commands[], user_commands[],
    keys_commands[], mail_commands[], upkeep_commands[], storage_commands[];

/* What is wrong with the settings, a line each; empty where they are good. */
extern struct fynq_buf ctl_problems;

/* Say on standard error how the command is called; EX_USAGE. */
int ctl_usage(const char *command);

/* A line on standard error: "fynqctl: ...". */
void ctl_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for text of several lines, such as a child's complaint. */
void ctl_say_lines(const char *about, struct fynq_str text);

#endif
