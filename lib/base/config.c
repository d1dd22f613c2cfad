#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "config.h"
#include "disk.h"

extern char **environ;

enum { NEEDED = 1, SECRET = 2, BASE = 4 };
enum type { STRING, INT, BOOL, LIST, LIMITS };
enum { FILE_MAX = 65536 };

struct row {
	enum type type;
	size_t offset;
	const char *name, *fallback;
	int64_t least, most;
	int flags;
	const char *sentence;
};

static const struct row rows[] = {
#define FYNQ_SETTING(type, member, name, def, least, most, flags, sentence) \
	{ type, offsetof(struct fynq_config, member), name, def, least, most, flags, sentence },
#include "config.def"
#undef FYNQ_SETTING
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

struct fynq_config fynq_config;

static const struct row *
find_row(const char *name, size_t n)
{
	for (size_t i = 0; i < ROWS; i++)
		if (strlen(rows[i].name) == n && strncmp(rows[i].name, name, n) == 0)
			return &rows[i];
	return NULL;
}

/* A setting's name, or a secret's name with _FILE behind it, or the file's own. */
static bool
known_name(const char *name, size_t n)
{
	const struct row *row;

	if (find_row(name, n) != NULL || (n == 11 && strncmp(name, "FYNQ_CONFIG", n) == 0))
		return true;
	if (n < 5 || strncmp(name + n - 5, "_FILE", 5) != 0)
		return false;
	row = find_row(name, n - 5);
	return row != NULL && (row->flags & SECRET) != 0;
}

static char *
strip(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]); end--)
		;
	*end = '\0';
	if (end - s >= 2 && (*s == '"' || *s == '\'') && end[-1] == *s) {
		end[-1] = '\0';
		s++;
	}
	return s;
}

/*
 * Put the file's lines into the environment, where the environment does not say otherwise: there
 * is then one place to look, and a child process sees what its parent saw.
 */
static void
load_file(const char *path, struct fynq_buf *problems)
{
	char *text = fynq_disk_read(path, FILE_MAX, NULL), *line, *rest = text;

	if (text == NULL) {
		fynq_buf_printf(
		    problems, "FYNQ_CONFIG: cannot read %s: %s\n", path, strerror(errno));
		return;
	}
	for (int number = 1; (line = strsep(&rest, "\n")) != NULL; number++) {
		char *name = strip(line), *equals = strchr(name, '=');

		if (*name == '\0' || *name == '#')
			continue;
		if (equals == NULL) {
			fynq_buf_printf(problems, "%s:%d: not NAME=value\n", path, number);
			continue;
		}
		*equals = '\0';
		setenv(strip(name), strip(equals + 1), 0);
	}
	free(text);
}

static void
check_names(struct fynq_buf *problems)
{
	for (char **e = environ; *e != NULL; e++) {
		size_t n = strcspn(*e, "=");

		if (strncmp(*e, "FYNQ_", 5) == 0 && !known_name(*e, n))
			fynq_buf_printf(problems, "%.*s: there is no such setting\n", (int)n, *e);
	}
}

/* The text of a setting: from the environment, a secret's file, or the table. */
static const char *
find_text(const struct row *row, struct fynq_buf *problems)
{
	const char *text = getenv(row->name), *path;
	char file_name[80], *secret;

	if (text != NULL || (row->flags & SECRET) == 0)
		return text != NULL ? text : row->fallback;
	snprintf(file_name, sizeof(file_name), "%s_FILE", row->name);
	if ((path = getenv(file_name)) == NULL)
		return row->fallback;
	if ((secret = fynq_disk_read(path, FILE_MAX, NULL)) == NULL) {
		fynq_buf_printf(
		    problems, "%s: cannot read %s: %s\n", file_name, path, strerror(errno));
		return row->fallback;
	}
	return strip(secret);
}

static bool
parse_bool(const char *text, bool *value_r)
{
	static const char *const words[][2] = {
		{ "off", "on" },
		{ "false", "true" },
		{ "no", "yes" },
		{ "0", "1" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		for (size_t value = 0; value < 2; value++) {
			if (strcmp(text, words[i][value]) == 0) {
				*value_r = value == 1;
				return true;
			}
		}
	}
	return false;
}

/* As 10/300/60000/1000000: exactly the four, each within the row's bounds. */
static bool
parse_limits(const struct row *row, const char *text, struct fynq_limits *limits_r)
{
	struct fynq_limits limits;
	struct fynq_str one, rest = fynq_str_of(text);

	for (size_t i = 0; i < 4; i++) {
		if (fynq_str_cut(rest, '/', &one, &rest) != (i < 3) ||
		    !fynq_str_int(one, &limits.most[i]) || limits.most[i] < row->least ||
		    limits.most[i] > row->most)
			return false;
	}
	*limits_r = limits;
	return true;
}

/* Without any "/" at its end. The environment, which has the others' texts, keeps it likewise. */
static const char *
without_slash(const struct row *row, const char *text)
{
	size_t n = strlen(text);
	char *cut;

	while (n > 1 && text[n - 1] == '/')
		n--;
	if (text[n] == '\0')
		return text;
	cut = fynq_alloc(n + 1);
	memcpy(cut, text, n);
	setenv(row->name, cut, 1);
	free(cut);
	return getenv(row->name);
}

static void
set_row(const struct row *row, struct fynq_buf *problems)
{
	void *member = (char *)&fynq_config + row->offset;
	const char *text = find_text(row, problems);
	int64_t number, length = (int64_t)strlen(text);

	switch (row->type) {
	case STRING:
	case LIST:
		*(const char **)member = (row->flags & BASE) != 0 ? without_slash(row, text) : text;
		if (length == 0 && (row->flags & NEEDED) != 0)
			fynq_buf_printf(problems, "%s: it must be set\n", row->name);
		else if (length > 0 && (length < row->least || length > row->most))
			fynq_buf_printf(problems, "%s: it must be %lld to %lld bytes long\n",
			    row->name, (long long)row->least, (long long)row->most);
		break;
	case INT:
		if (!fynq_str_int(fynq_str_of(text), &number) || number < row->least ||
		    number > row->most)
			fynq_buf_printf(problems, "%s: it must be a number from %lld to %lld\n",
			    row->name, (long long)row->least, (long long)row->most);
		else
			*(int64_t *)member = number;
		break;
	case BOOL:
		if (!parse_bool(text, member))
			fynq_buf_printf(problems, "%s: it must be on or off\n", row->name);
		break;
	case LIMITS:
		if (!parse_limits(row, text, member))
			fynq_buf_printf(problems,
			    "%s: it must be four numbers from %lld to %lld, as in %s\n", row->name,
			    (long long)row->least, (long long)row->most, row->fallback);
		break;
	}
}

bool
fynq_config_load(struct fynq_buf *problems_r)
{
	const char *path = getenv("FYNQ_CONFIG");

	if (path != NULL)
		load_file(path, problems_r);
	check_names(problems_r);
	for (size_t i = 0; i < ROWS; i++)
		set_row(&rows[i], problems_r);
	return problems_r->n == 0 && !problems_r->full;
}

void
fynq_config_example(struct fynq_buf *out)
{
	for (size_t i = 0; i < ROWS; i++)
		fynq_buf_printf(out, "%s# %s\n%s%s=%s\n", i > 0 ? "\n" : "", rows[i].sentence,
		    (rows[i].flags & NEEDED) != 0 ? "" : "# ", rows[i].name, rows[i].fallback);
}

void
fynq_config_markdown(struct fynq_buf *out)
{
	static const char *const types[] = { "text", "number", "on or off", "list", "limits" };

	fynq_buf_add(out, FYNQ_STR("| setting | type | default | bounds | what it does |\n"));
	fynq_buf_add(out, FYNQ_STR("| --- | --- | --- | --- | --- |\n"));
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];

		fynq_buf_printf(out, "| `%s` | %s%s | ", row->name,
		    (row->flags & SECRET) != 0 ? "secret " : "", types[row->type]);
		if (row->fallback[0] != '\0')
			fynq_buf_printf(out, "`%s`", row->fallback);
		else
			fynq_buf_printf(out, "%s", (row->flags & NEEDED) != 0 ? "(needed)" : "");
		fynq_buf_add(out, FYNQ_STR(" | "));
		if (row->type == INT || row->type == LIMITS)
			fynq_buf_printf(
			    out, "%lld to %lld", (long long)row->least, (long long)row->most);
		else if (row->type != BOOL)
			fynq_buf_printf(out, "at most %lld bytes", (long long)row->most);
		fynq_buf_printf(out, " | %s |\n", row->sentence);
	}
}
