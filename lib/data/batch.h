/*
 * A batch: statements sent together on one connection and answered together (libpq's pipeline
 * mode), so that a transaction costs one round trip.
 *
 * Add the statements, run the batch once, look at the results. Statements are prepared the first
 * time that a connection meets them.
 */
#ifndef FYNQ_DATA_BATCH_H
#define FYNQ_DATA_BATCH_H

#include "data/db.h"
#include "data/pool.h"

/* begin, commit, a change of role before each step, the steps; each once more to prepare it. */
enum { FYNQ_BATCH_MAX = 2 * (2 + 2 * FYNQ_STEPS_MAX) };

struct fynq_batch {
	struct fynq_conn *conn;
	struct fynq_arena *arena; /* for arguments and results */
	int n;
	struct fynq_batch_item {
		const struct fynq_stmt *stmt;
		bool prepares; /* parses the statement; otherwise executes it */
		PGresult *result;
	} items[FYNQ_BATCH_MAX];

	bool failed; /* a statement failed; sqlstate and constraint say how */
	bool broken; /* no answer in time, or the connection is gone */
	char sqlstate[6];
	struct fynq_str constraint, message;
};

/*
 * Queue a statement. It may be on its way from here on, but nothing is executed for good before the
 * sync that fynq_batch_run() adds. False where libpq refuses, which
 * means that the connection is broken.
 */
bool fynq_batch_add(
    struct fynq_batch *b, const struct fynq_stmt *stmt, const struct fynq_str *args, size_t n_args);

/*
 * Send what was queued and read every result until deadline_us. True where every statement
 * succeeded; otherwise failed or broken is set.
 */
bool fynq_batch_run(struct fynq_batch *b, int64_t deadline_us);

/* The result of the i-th statement that was executed, in the order of fynq_batch_add(). */
PGresult *fynq_batch_result(const struct fynq_batch *b, int i);

#endif
