#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/disk.h"
#include "data/migrations.h"

/* The version that a file's name begins with; false where the name is not a migration's. */
static bool
read_version(const char *name, char version_r[FYNQ_MIGRATION_VERSION_SIZE])
{
	size_t digits = strspn(name, "0123456789"), n = strlen(name);

	if (digits == 0 || digits >= FYNQ_MIGRATION_VERSION_SIZE || n < digits + 4 ||
	    strcmp(name + n - 4, ".sql") != 0)
		return false;
	memcpy(version_r, name, digits);
	version_r[digits] = '\0';
	return true;
}

/* The whole of a file; NULL with errno set. */
static char *
read_text(int dir_fd, const char *name, size_t *n_r)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = NULL;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		text = fynq_disk_read_fd(fd, FYNQ_MIGRATION_FILE_MAX, n_r);
	else
		errno = EINVAL;
	close(fd);
	return text;
}

/* Is the line `-- migrate:<word>`, perhaps with options behind it? */
static bool
is_marker(struct fynq_str line, struct fynq_str word, struct fynq_str *options_r)
{
	struct fynq_str rest;

	if (!fynq_str_starts(line, FYNQ_STR("--")))
		return false;
	rest = fynq_str_trim((struct fynq_str){ line.p + 2, line.n - 2 });
	if (!fynq_str_starts(rest, word) ||
	    (rest.n > word.n && !isspace((unsigned char)rest.p[word.n])))
		return false;
	*options_r = (struct fynq_str){ rest.p + word.n, rest.n - word.n };
	while (options_r->n > 0 && isspace((unsigned char)options_r->p[options_r->n - 1]))
		options_r->n--;
	return true;
}

/* Neither empty nor a comment. */
static bool
says_something(struct fynq_str line)
{
	line = fynq_str_trim(line);
	return line.n > 0 && line.p[0] != '\r' && !fynq_str_starts(line, FYNQ_STR("--"));
}

/* Find the two parts; NULL, or what is wrong. */
static const char *
split(struct fynq_migration *m, size_t n)
{
	struct fynq_str line, options, tail = { m->text, n }, *part = NULL;

	for (int number = 1; tail.p != NULL; number++) {
		bool up, marker;

		fynq_str_cut(tail, '\n', &line, &tail);
		up = is_marker(line, FYNQ_STR("migrate:up"), &options);
		marker = up || is_marker(line, FYNQ_STR("migrate:down"), &options);
		if (!marker) {
			if (part == NULL && says_something(line))
				return "there is SQL before the line -- migrate:up";
			if (part != NULL)
				part->n = (size_t)(line.p + line.n - part->p);
			continue;
		}
		if (options.n > 0)
			return "options behind -- migrate: are not supported: every migration "
			       "runs in a transaction";
		if ((up ? m->up.p : m->down.p) != NULL || (!up && m->up.p == NULL))
			return "it must have one line -- migrate:up, then one -- migrate:down";
		part = up ? &m->up : &m->down;
		*(up ? &m->up_line : &m->down_line) = number + 1;
		*part = (struct fynq_str){ line.p + line.n, 0 };
		if (tail.p != NULL)
			part->p = tail.p;
	}
	return m->up.p == NULL ? "it has no line -- migrate:up" : NULL;
}

static bool
read_one(int dir_fd, struct fynq_migration *m, struct fynq_buf *problems)
{
	const char *fault;
	size_t n = 0;

	if ((m->text = read_text(dir_fd, m->name, &n)) == NULL) {
		fynq_buf_printf(problems, "%s: cannot read it: %s\n", m->name, strerror(errno));
		return false;
	}
	fault = fynq_str_utf8((struct fynq_str){ m->text, n }) ? split(m, n) : "it is not UTF-8";
	if (fault != NULL) {
		fynq_buf_printf(problems, "%s: %s\n", m->name, fault);
		return false;
	}
	fynq_sha256((struct fynq_str){ m->text, n }, m->sha256);
	return true;
}

/* By number, as versions may differ in length; then by name, so that the order is always one. */
static int
compare(const void *pa, const void *pb)
{
	const struct fynq_migration *a = pa, *b = pb;
	size_t na = strlen(a->version), nb = strlen(b->version);

	if (na != nb)
		return na < nb ? -1 : 1;
	return strcmp(a->version, b->version);
}

static bool
list(DIR *dir, struct fynq_migrations *all, struct fynq_buf *problems)
{
	char version[FYNQ_MIGRATION_VERSION_SIZE];
	struct dirent *entry;
	size_t cap = 0;

	while ((entry = readdir(dir)) != NULL) {
		if (!read_version(entry->d_name, version))
			continue;
		if (all->n == FYNQ_MIGRATIONS_MAX) {
			fynq_buf_printf(problems, "more than %d migrations\n", FYNQ_MIGRATIONS_MAX);
			return false;
		}
		if (all->n == cap) {
			cap = cap == 0 ? 64 : cap * 2;
			all->item = fynq_realloc(all->item, cap * sizeof(*all->item));
		}
		all->item[all->n] = (struct fynq_migration){ .name = strdup(entry->d_name) };
		memcpy(all->item[all->n++].version, version, sizeof(version));
	}
	if (all->n > 0)
		qsort(all->item, all->n, sizeof(*all->item), compare);
	return true;
}

bool
fynq_migrations_read(const char *dir, struct fynq_migrations *all, struct fynq_buf *problems)
{
	DIR *d = opendir(dir);
	bool ok;

	*all = (struct fynq_migrations){ 0 };
	if (d == NULL) {
		fynq_buf_printf(problems, "%s: %s\n", dir, strerror(errno));
		return false;
	}
	ok = list(d, all, problems);
	for (size_t i = 0; ok && i < all->n; i++) {
		ok = read_one(dirfd(d), &all->item[i], problems);
		if (ok && i > 0 && compare(&all->item[i - 1], &all->item[i]) == 0) {
			fynq_buf_printf(problems, "%s and %s have the same version\n",
			    all->item[i - 1].name, all->item[i].name);
			ok = false;
		}
	}
	closedir(d);
	return ok;
}

const struct fynq_migration *
fynq_migrations_find(const struct fynq_migrations *all, const char *version)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->item[i].version, version) == 0)
			return &all->item[i];
	return NULL;
}

void
fynq_migrations_free(struct fynq_migrations *all)
{
	for (size_t i = 0; i < all->n; i++) {
		free(all->item[i].name);
		free(all->item[i].text);
	}
	free(all->item);
	*all = (struct fynq_migrations){ 0 };
}
