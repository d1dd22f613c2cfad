#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/fault.h"
#include "data/batch.h"

static bool
is_prepared(const struct fynq_batch *b, const struct fynq_stmt *stmt)
{
	for (size_t i = 0; i < b->conn->n_prepared; i++)
		if (b->conn->prepared[i] == stmt)
			return true;
	for (int i = 0; i < b->n; i++)
		if (b->items[i].prepares && b->items[i].stmt == stmt)
			return true;
	return false;
}

/* For what this batch prepares too, which counts only once it is answered. */
static bool
has_room(const struct fynq_batch *b)
{
	size_t n = b->conn->n_prepared;

	for (int i = 0; i < b->n; i++)
		n += b->items[i].prepares;
	return n < FYNQ_PREPARED_MAX;
}

static void
add_item(struct fynq_batch *b, const struct fynq_stmt *stmt, bool prepares)
{
	b->items[b->n++] = (struct fynq_batch_item){ .stmt = stmt, .prepares = prepares };
}

bool
fynq_batch_add(
    struct fynq_batch *b, const struct fynq_stmt *stmt, const struct fynq_str *args, size_t n_args)
{
	PGconn *pg = b->conn->pg;
	const char *values[FYNQ_ARGS_MAX];
	int n = (int)n_args;
	bool prepared;

	if (n_args > FYNQ_ARGS_MAX || b->n + 2 > FYNQ_BATCH_MAX || fynq_fault_now())
		return false;
	for (size_t i = 0; i < n_args; i++)
		values[i] = args[i].p != NULL ? fynq_arena_strdup(b->arena, args[i]) : NULL;
	prepared = is_prepared(b, stmt);
	if (!prepared && fynq_config.db_prepare && has_room(b)) {
		add_item(b, stmt, true);
		if (PQsendPrepare(pg, stmt->name, stmt->sql, 0, NULL) != 1)
			return false;
		prepared = true;
	}
	add_item(b, stmt, false);
	if (prepared)
		return PQsendQueryPrepared(pg, stmt->name, n, values, NULL, NULL, 0) == 1;
	return PQsendQueryParams(pg, stmt->sql, n, NULL, values, NULL, NULL, 0) == 1;
}

/* Wait until libpq has a whole result. False once the deadline passed or the server went away. */
static bool
wait_result(PGconn *pg, int64_t deadline_us)
{
	struct pollfd p = { .fd = PQsocket(pg) };
	int unsent;

	for (;;) {
		int64_t left_us = deadline_us - fynq_clock_mono_us();

		if ((unsent = PQflush(pg)) < 0)
			return false;
		if (!PQisBusy(pg))
			return true;
		p.events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0));
		if (left_us <= 0 || poll(&p, 1, (int)(left_us / 1000) + 1) < 0)
			return false;
		if (p.revents != 0 && PQconsumeInput(pg) != 1)
			return false;
	}
}

/* The first error is the one that counts: later ones only say that the batch was aborted. */
static void
note_error(struct fynq_batch *b, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (b->failed)
		return;
	b->failed = true;
	snprintf(b->sqlstate, sizeof(b->sqlstate), "%s", state != NULL ? state : "08006");
	b->constraint = fynq_arena_copy(
	    b->arena, fynq_str_of(PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME)));
	b->message = fynq_arena_copy(
	    b->arena, fynq_str_of(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)));
}

static void
put_result(void *result)
{
	PQclear(result);
}

/* The result of one item and the NULL that ends it. False where the connection is gone. */
static bool
read_item(struct fynq_batch *b, struct fynq_batch_item *item, int64_t deadline_us)
{
	struct fynq_conn *conn = b->conn;

	if (!wait_result(conn->pg, deadline_us) || (item->result = PQgetResult(conn->pg)) == NULL)
		return false;
	fynq_arena_defer(b->arena, put_result, item->result);
	switch (PQresultStatus(item->result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		if (item->prepares)
			conn->prepared[conn->n_prepared++] = item->stmt;
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		note_error(b, item->result);
	}
	if (PQstatus(conn->pg) != CONNECTION_OK)
		return false;
	PQclear(PQgetResult(conn->pg));
	return true;
}

static bool
read_all(struct fynq_batch *b, int64_t deadline_us)
{
	for (int i = 0; i < b->n; i++)
		if (!read_item(b, &b->items[i], deadline_us))
			return false;
	if (!wait_result(b->conn->pg, deadline_us))
		return false;
	PQclear(PQgetResult(b->conn->pg)); /* The sync. */
	return PQstatus(b->conn->pg) == CONNECTION_OK;
}

bool
fynq_batch_run(struct fynq_batch *b, int64_t deadline_us)
{
	if (fynq_fault_now() || PQpipelineSync(b->conn->pg) != 1 || !read_all(b, deadline_us))
		b->broken = true;
	return !b->broken && !b->failed;
}

PGresult *
fynq_batch_result(const struct fynq_batch *b, int i)
{
	for (int k = 0; k < b->n; k++)
		if (!b->items[k].prepares && i-- == 0)
			return b->items[k].result;
	return NULL;
}
