/*
 * The connections of a process to PostgreSQL.
 *
 * At most FYNQ_DB_CONNECTIONS; the one used last is taken first, so that a quiet process keeps few
 * of them busy. A connection is always in pipeline mode and outside a transaction while it lies
 * here.
 */
#ifndef FYNQ_DATA_POOL_H
#define FYNQ_DATA_POOL_H

#include <libpq-fe.h>

#include "base/err.h"
#include "base/str.h"

enum { FYNQ_PREPARED_MAX = 64 };

struct fynq_conn {
	struct fynq_conn *next;
	PGconn *pg;
	const void *prepared[FYNQ_PREPARED_MAX]; /* the statements that this server session knows */
	size_t n_prepared;
};

void fynq_pool_init(void);

/*
 * Take a connection, waiting until deadline_us (fynq_clock_mono_us()) where all are in use, and
 * opening one where none is. One that died while it lay here is replaced. DB_TIMEOUT or
 * DB_UNAVAILABLE; the cause is logged without the connection string.
 */
enum fynq_err fynq_pool_take(struct fynq_conn **conn_r, int64_t deadline_us) FYNQ_MUST_CHECK;

/* Give it back; one whose session is broken or in an unknown state is closed: keep false. */
void fynq_pool_give(struct fynq_conn *conn, bool keep);

/* Close what lies in the pool. */
void fynq_pool_close(void);

#endif
