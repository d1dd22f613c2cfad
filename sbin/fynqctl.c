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
	storage_commands,
};
struct fynq_buf ctl_problems = FYNQ_BUF_INIT(65536);

enum { TABLES = sizeof(tables) / sizeof(tables[0]), HELP_COLUMN = 34 };

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
ctl_bad_settings(void)
{
	ctl_say_lines("settings", fynq_buf_str(&ctl_problems));
	return EX_CONFIG;
}

static void
print_usage(FILE *to, const char *prefix, const struct command *c)
{
	struct fynq_str one, rest = fynq_str_of(c->args != NULL ? c->args : "");
	const char *word = "usage:";

	do {
		fynq_str_cut(rest, '\n', &one, &rest);
		fprintf(to, "%s%s fynqctl %s%s%.*s\n", prefix, word, c->name, one.n > 0 ? " " : "",
		    FYNQ_STR_ARG(one));
		word = "      ";
	} while (rest.n > 0);
}

int
ctl_usage(const char *command)
{
	print_usage(stderr, "fynqctl: ", find(command));
	return EX_USAGE;
}

static void
help_of(const struct command *c)
{
	print_usage(stdout, "", c);
	printf("\n%s\n", c->sentence);
}

/* The ways to call it, one below the other; the sentence beside a single one, else below. */
static void
help_row(const struct command *c)
{
	struct fynq_str one, rest = fynq_str_of(c->args != NULL ? c->args : "");
	bool many = memchr(rest.p, '\n', rest.n) != NULL;
	int n;

	do {
		fynq_str_cut(rest, '\n', &one, &rest);
		n = printf("  %s %.*s", c->name, FYNQ_STR_ARG(one));
		if (many)
			n = printf("\n") - 1;
	} while (rest.n > 0);
	printf("%*s%.*s\n", HELP_COLUMN - n, "", (int)strcspn(c->sentence, "\n"), c->sentence);
}

static void
help(void)
{
	printf("usage: fynqctl COMMAND [ARGUMENT...]\n\n");
	for (size_t t = 0; t < TABLES; t++)
		for (const struct command *c = tables[t]; c->name != NULL; c++)
			help_row(c);
	printf("\n`fynqctl help COMMAND` says more of one.\n\n"
	       "The settings come from the environment and from the file that FYNQ_CONFIG names;\n"
	       "`fynqctl config example` shows them all. Exit status: 0; 1 where something\n"
	       "failed; 3 where status found something down; 64 and 78 for a wrong call or "
	       "setting.\n");
}

int
main(int argc, char **argv)
{
	const struct command *c;
	const char *name;
	int status;

	if (argc < 2) {
		ctl_say("a command is missing; see `fynqctl help`");
		return EX_USAGE;
	}
	if (argc == 2 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)) {
		help();
		return EX_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("fynqctl %s\n", FYNQ_VERSION);
		return EX_OK;
	}
	name = argv[strcmp(argv[1], "help") == 0 ? 2 : 1];
	if ((c = find(name)) == NULL) {
		ctl_say("there is no command %s; see `fynqctl help`", name);
		return EX_USAGE;
	}
	if (name == argv[2] || strcmp(argv[argc - 1], "--help") == 0) {
		help_of(c);
		return EX_OK;
	}
	if (c->args == NULL && argc > 2)
		return ctl_usage(c->name);

	if (!fynq_config_load(&ctl_problems) && c->needs_config)
		status = ctl_bad_settings();
	else
		status = c->run(argc - 1, argv + 1);
	fynq_buf_release(&ctl_problems);
	return status;
}
