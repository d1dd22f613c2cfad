#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/fault.h"
#include "base/log.h"
#include "data/pool.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t given;
	struct fynq_conn *free;
	int64_t taken; /* connections in use */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

void
fynq_pool_init(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool.given, &attr);
	pthread_condattr_destroy(&attr);
}

/* libpq's message may name hosts and users but never the password; it is still one line. */
static void
log_failure(PGconn *pg)
{
	struct fynq_str message = fynq_str_of(PQerrorMessage(pg)), line;

	fynq_str_cut(message, '\n', &line, &message);
	fynq_log(FYNQ_LOG_ERROR, "database", "cannot connect: %.*s", FYNQ_STR_ARG(line));
}

static void
ignore_notice(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

static PGconn *
connect_server(void)
{
	const char *keywords[] = { "dbname", "connect_timeout", "fallback_application_name",
		"client_encoding", NULL };
	const char *values[] = { fynq_config.database_url, "5", "fynq", "UTF8", NULL };
	PGconn *pg = fynq_fault_now() ? NULL : PQconnectdbParams(keywords, values, 1);

	if (PQstatus(pg) != CONNECTION_OK || PQenterPipelineMode(pg) != 1 ||
	    PQsetnonblocking(pg, 1) != 0) {
		log_failure(pg);
		PQfinish(pg);
		return NULL;
	}
	PQsetNoticeReceiver(pg, ignore_notice, NULL);
	return pg;
}

/*
 * Unasked, a server only says that it ends the session, by an error before the end of file or by
 * that alone, or that a setting has changed: a connection that has something to say is replaced.
 */
static bool
alive(struct fynq_conn *conn)
{
	struct pollfd p = { .fd = PQsocket(conn->pg), .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static void
close_conn(struct fynq_conn *conn)
{
	PQfinish(conn->pg);
	free(conn);
}

/* With the lock held: a free connection, or room for a new one. False once the deadline passed. */
static bool
wait_for_room(struct fynq_conn **conn_r, int64_t deadline_us)
{
	struct timespec until = { .tv_sec = deadline_us / 1000000,
		.tv_nsec = deadline_us % 1000000 * 1000 };

	while (pool.free == NULL && pool.taken >= fynq_config.db_connections)
		if (pthread_cond_timedwait(&pool.given, &pool.lock, &until) != 0)
			return false;
	*conn_r = pool.free;
	if (pool.free != NULL)
		pool.free = pool.free->next;
	pool.taken++;
	return true;
}

enum fynq_err
fynq_pool_take(struct fynq_conn **conn_r, int64_t deadline_us)
{
	struct fynq_conn *conn = NULL;
	bool room;

	pthread_mutex_lock(&pool.lock);
	room = wait_for_room(&conn, deadline_us);
	pthread_mutex_unlock(&pool.lock);
	if (!room) {
		fynq_log(FYNQ_LOG_WARN, "database", "every connection is in use");
		return FYNQ_E_DB_TIMEOUT;
	}
	if (conn != NULL && alive(conn)) {
		*conn_r = conn;
		return FYNQ_OK;
	}
	if (conn == NULL)
		conn = fynq_alloc(sizeof(*conn));
	PQfinish(conn->pg);
	*conn = (struct fynq_conn){ .pg = connect_server() };
	if (conn->pg == NULL) {
		fynq_pool_give(conn, false);
		return FYNQ_E_DB_UNAVAILABLE;
	}
	*conn_r = conn;
	return FYNQ_OK;
}

void
fynq_pool_give(struct fynq_conn *conn, bool keep)
{
	if (!keep)
		close_conn(conn);
	pthread_mutex_lock(&pool.lock);
	if (keep) {
		conn->next = pool.free;
		pool.free = conn;
	}
	pool.taken--;
	pthread_cond_signal(&pool.given);
	pthread_mutex_unlock(&pool.lock);
}

void
fynq_pool_close(void)
{
	struct fynq_conn *conn;

	pthread_mutex_lock(&pool.lock);
	while ((conn = pool.free) != NULL) {
		pool.free = conn->next;
		close_conn(conn);
	}
	pthread_mutex_unlock(&pool.lock);
}
