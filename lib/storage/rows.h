/*
 * All rows of public.files, one after the other, for those who look after what is stored.
 */
#ifndef FYNQ_STORAGE_ROWS_H
#define FYNQ_STORAGE_ROWS_H

#include "storage/keys.h"

/* A row as far as it tells of its object; valid while it is visited. */
struct fynq_file_row {
	struct fynq_key_parts key;
	int64_t bytes;
	struct fynq_str media_type, sha256;
};

/*
 * Who is told how it goes on. Each is called by the thread that does the work.
 *
 * found: a line about one object: its key, and what is the matter with it. stepped: one more row or
 * object was looked at.
 */
struct fynq_watch {
	void (*found)(void *arg, struct fynq_str key, const char *what);
	void (*stepped)(void *arg);
	void *arg;
};

/*
 * Consecutive objects that a store could not tell of until it counts as away: each may have taken
 * the whole deadline of a request to it.
 */
enum { FYNQ_STORE_AWAY = 5 };

/* How many rows there are. */
enum fynq_err fynq_rows_count(struct fynq_req *rq, int64_t *n_r) FYNQ_MUST_CHECK;

/*
 * Call visit with every row that was added so many seconds ago or earlier, in the order of the ids,
 * until it fails, and fail so. The rows come in pages, so that memory does not grow; one that is
 * added or deleted meanwhile may be visited or not. What visit takes from the request's arena, and
 * what it recorded as a problem without failing by it, is given up when it returns.
 */
typedef enum fynq_err fynq_row_visit(
    void *arg, struct fynq_req *rq, const struct fynq_file_row *row);
enum fynq_err fynq_rows_each(
    struct fynq_req *rq, int64_t age, fynq_row_visit *visit, void *arg) FYNQ_MUST_CHECK;

/*
 * Whether the row should have its object: it is there, and its user's account is not being erased.
 * A row goes before its object; so where this is true after the object was missed, the object is
 * lost.
 */
enum fynq_err fynq_row_stands(
    struct fynq_req *rq, const struct fynq_key_parts *key, bool *stands_r) FYNQ_MUST_CHECK;

#endif
