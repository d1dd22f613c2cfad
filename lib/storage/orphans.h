/*
 * Objects that no row names, and what else uploads leave behind whose process died: found, and
 * removed.
 *
 * It never races an upload. The row of fynq.uploads stands before the object does, and the
 * transaction that adds the object's row to public.files takes it away, or fails where it is gone.
 * So an orphan is removed in this order:
 *
 *	1. its row of fynq.uploads, where that is old, in a transaction of its own
 *	2. once that is committed: is there still neither a row of public.files nor of fynq.uploads?
 *	3. the object
 *
 * After 2 there never will be a row: nobody can add one any more, and an id is used once. Where the
 * upload's transaction came before 1, 2 finds its row. What waits for a lock in 1 waits for just
 * that transaction. An upload that was so slow as to lose its row is refused, and says so.
 *
 * A process that dies after 1 leaves an orphan, which the next one finds.
 */
#ifndef FYNQ_STORAGE_ORPHANS_H
#define FYNQ_STORAGE_ORPHANS_H

#include "storage/rows.h"

/* What is younger is left alone, in seconds: it may be on its way. */
enum { FYNQ_ORPHAN_AGE = 3600, FYNQ_LEFTOVER_AGE = 86400 };

struct fynq_orphans {
	int64_t objects;   /* that the store has */
	int64_t orphans;   /* of these, those that no row names */
	int64_t removed;   /* of these */
	int64_t failed;	   /* of these, those that could not be removed */
	int64_t uploads;   /* begun more than a day ago and never ended */
	int64_t leftovers; /* files that puts left behind */
};

/*
 * Find what is left behind, tell watch of each orphan, and remove it all unless dry. Where more
 * than ten and more than half of all objects are orphans this is hardly what crashes left, but
 * another store's database: CONFLICT, and none is removed, unless forced. STORAGE_UNAVAILABLE, and
 * as fynq_db_run() fails; then *o_r has what was done until then, and it may be run again.
 */
enum fynq_err fynq_orphans_run(struct fynq_req *rq, bool dry, bool force,
    const struct fynq_watch *watch, struct fynq_orphans *o_r) FYNQ_MUST_CHECK;

#endif
