/*
 * Rows of public.files whose objects are not what they should be: found; and those whose objects
 * are lost for good, removed.
 *
 * Each object is asked for by itself, as a store's list may be behind. What is missed counts only
 * where its row still stands afterwards: a row that is deleted goes before its object.
 */
#ifndef FYNQ_STORAGE_VERIFY_H
#define FYNQ_STORAGE_VERIFY_H

#include "storage/rows.h"

struct fynq_verified {
	int64_t rows;	 /* that were looked at */
	int64_t damaged; /* whose object is missing, or of another size or hash */
	int64_t failed;	 /* whose object could not be looked at */
	int64_t removed; /* lost ones whose row was removed */
};

/*
 * Look at the object of every row: that it is there with its size and, unless quick, its SHA-256.
 * Watch is told of each that is not. STORAGE_UNAVAILABLE where the store is away, and as
 * fynq_db_run() fails; *v_r has how far it came.
 */
enum fynq_err fynq_verify_run(struct fynq_req *rq, bool quick, const struct fynq_watch *watch,
    struct fynq_verified *v_r) FYNQ_MUST_CHECK;

/* Rows younger than this, in seconds, are not looked at for being lost. */
enum { FYNQ_LOST_AGE = 3600 };

/*
 * Find the rows, of an hour ago or earlier, that have no object; and where they are to be removed,
 * remove them: their users then see that there is no such file. Where more than ten and more than
 * one in a hundred are lost, or all, this is rather a folder that is not mounted or another bucket:
 * CONFLICT, and none is removed, unless forced. Else it fails as above.
 */
enum fynq_err fynq_lost_run(struct fynq_req *rq, bool remove, bool force,
    const struct fynq_watch *watch, struct fynq_verified *v_r) FYNQ_MUST_CHECK;

#endif
