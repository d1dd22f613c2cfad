#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "fynqctl.h"

static const struct command *const tables[] = {
	pool_commands,
	migrate_commands,
	config_commands,
	user_commands,
	keys_commands,
	mail_commands,
	upkeep_commands,
};
struct fynq_buf ctl_problems = FYNQ_BUF_INIT(65536);

enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static const struct command *
find(const char *name)
{
	for (size_t t = 0; t < TABLES; t++)
		for (const struct command *c = tables[t]; c->name != NULL; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

void
ctl_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("fynqctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

void
ctl_say_lines(const char *about, struct fynq_str text)
{
	struct fynq_str line;

	while (text.n > 0) {
		fynq_str_cut(text, '\n', &line, &text);
		if (line.n > 0)
			ctl_say("%s: %.*s", about, FYNQ_STR_ARG(line));
	}
}

int
ctl_usage(const char *command)
{
	const struct command *c = find(command);

	ctl_say("usage: fynqctl %s%s%s", c->name, c->args != NULL ? " " : "",
	    c->args != NULL ? c->args : "");
	return EX_USAGE;
}

static void
help(void)
{
	printf("usage: fynqctl COMMAND [ARGUMENT...]\n\n");
	for (size_t t = 0; t < TABLES; t++) {
		for (const struct command *c = tables[t]; c->name != NULL; c++) {
			const char *args = c->args != NULL ? c->args : "";
			int room = 30 - (int)strlen(c->name);

			printf("  %s %-*s %s\n", c->name, room, args, c->sentence);
		}
	}
	printf(
	    "\nThe settings come from the environment and from the file that FYNQ_CONFIG names;\n"
	    "`fynqctl config example` shows them all. Exit status: 0; 1 where something\n"
	    "failed; 3 where status found something down; 64 and 78 for a wrong call or "
	    "setting.\n");
}

int
main(int argc, char **argv)
{
	const struct command *c;
	int status;

	if (argc < 2) {
		ctl_say("a command is missing; see `fynqctl help`");
		return EX_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
		help();
		return EX_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("fynqctl %s\n", FYNQ_VERSION);
		return EX_OK;
	}
	if ((c = find(argv[1])) == NULL) {
		ctl_say("there is no command %s; see `fynqctl help`", argv[1]);
		return EX_USAGE;
	}
	if (c->args == NULL && argc > 2)
		return ctl_usage(c->name);

	if (!fynq_config_load(&ctl_problems) && c->needs_config) {
		ctl_say_lines("settings", fynq_buf_str(&ctl_problems));
		status = EX_CONFIG;
	} else {
		status = c->run(argc - 1, argv + 1);
	}
	fynq_buf_release(&ctl_problems);
	return status;
}
