/*
 * Moving from one store to another: every row's object is copied, while the service runs.
 *
 * Each copy is whole: its SHA-256 is that of its row, and a store's put leaves no half object. So
 * it may be ended at any moment, and run again: what is there in its size is not copied a second
 * time. Nothing is removed from the store that it comes from.
 */
#ifndef FYNQ_STORAGE_COPY_H
#define FYNQ_STORAGE_COPY_H

#include "storage/rows.h"
#include "storage/store.h"

struct fynq_copied {
	int64_t rows;	 /* that were looked at */
	int64_t copied;	 /* objects */
	int64_t bytes;	 /* of these */
	int64_t skipped; /* were there already */
	int64_t failed;	 /* missing, damaged, or they could not be read or written */
};

/*
 * Copy what is missing from one store to the other. Watch is told of each object that could not be
 * copied. STORAGE_UNAVAILABLE where a store is away, INSUFFICIENT_STORAGE where it is full, and as
 * fynq_db_run() fails; *c_r has how far it came.
 */
enum fynq_err fynq_copy_run(struct fynq_req *rq, const struct fynq_store *from,
    const struct fynq_store *to, const struct fynq_watch *watch,
    struct fynq_copied *c_r) FYNQ_MUST_CHECK;

#endif
