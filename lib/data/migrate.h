/*
 * Migrations of the database: forward, back, and where it stands.
 *
 * Each migration runs in a transaction of its own, which also records it, and which takes an
 * advisory lock: of two runs at once one waits, and then finds the work done. Statements wait at
 * most 30 s for a lock, as all traffic on the table queues behind them.
 *
 * The record is dbmate's, public.schema_migrations; either tool can follow the other. Beside it
 * fynq.migration_checksums holds the SHA-256 of each file as it was applied, so that a migration
 * which was edited later is noticed; one that dbmate applied gets its checksum with the next run.
 */
#ifndef FYNQ_DATA_MIGRATE_H
#define FYNQ_DATA_MIGRATE_H

#include "base/buf.h"

enum fynq_migration_state {
	FYNQ_MIGRATION_PENDING, /* not applied yet */
	FYNQ_MIGRATION_APPLIED,
	FYNQ_MIGRATION_EDITED,	/* applied, and its file is no longer what was applied */
	FYNQ_MIGRATION_MISSING, /* applied, and there is no file */
	FYNQ_MIGRATION_ADOPTED, /* applied by dbmate, and its checksum recorded now */
	FYNQ_MIGRATION_UNDONE
};

/* Called for each migration that a call has something to say about; ms is how long it took. */
typedef void fynq_migrate_tell(const char *name, enum fynq_migration_state state, int64_t ms);

/*
 * url names the database (libpq's URI or keywords) and its owner, dir the folder. All three return
 * false where they could not do the whole of it, with lines in problems_r that name the file, its
 * line and what PostgreSQL said, never the password.
 */

/* Apply all that are pending, oldest first. Refuses while an applied one is edited. */
bool fynq_migrate_up(
    const char *url, const char *dir, fynq_migrate_tell *tell, struct fynq_buf *problems_r);

/* Undo the newest applied one. Refuses where it is edited or its file is missing. */
bool fynq_migrate_down(
    const char *url, const char *dir, fynq_migrate_tell *tell, struct fynq_buf *problems_r);

/* Tell the state of each, oldest first; changes nothing. */
bool fynq_migrate_status(
    const char *url, const char *dir, fynq_migrate_tell *tell, struct fynq_buf *problems_r);

#endif
