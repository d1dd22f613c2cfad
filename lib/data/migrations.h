/*
 * A folder of migrations, in dbmate's format.
 *
 * A migration is a file named <digits>_<words>.sql; the digits are its version. It holds the line
 * `-- migrate:up`, what brings the database forward, the line `-- migrate:down`, and what takes it
 * back. Other files in the folder are left alone.
 */
#ifndef FYNQ_DATA_MIGRATIONS_H
#define FYNQ_DATA_MIGRATIONS_H

#include "base/buf.h"
#include "base/ids.h"

enum {
	FYNQ_MIGRATION_VERSION_SIZE = 33, /* of a version, with its NUL */
	FYNQ_MIGRATION_FILE_MAX = 1 << 20,
	FYNQ_MIGRATIONS_MAX = 10000
};

struct fynq_migration {
	char version[FYNQ_MIGRATION_VERSION_SIZE];
	char *name;		       /* of the file, without its folder */
	char *text;		       /* the whole file, NUL-terminated */
	struct fynq_str up, down;      /* parts of text; down is absent where the file has none */
	int up_line, down_line;	       /* the file's line on which the part begins */
	char sha256[FYNQ_SHA256_SIZE]; /* of the whole file */
};

/* Ordered by version. fynq_migrations_free() it. */
struct fynq_migrations {
	struct fynq_migration *item;
	size_t n;
};

/*
 * Read the folder. False, with a line for the first fault in problems_r, where the folder or a
 * file cannot be read, a file is too large, not UTF-8 or not a migration, or two files have one
 * version.
 */
bool fynq_migrations_read(
    const char *dir, struct fynq_migrations *migrations_r, struct fynq_buf *problems_r);

/* The one with this version; NULL for none. */
const struct fynq_migration *fynq_migrations_find(
    const struct fynq_migrations *migrations, const char *version);

void fynq_migrations_free(struct fynq_migrations *migrations);

#endif
