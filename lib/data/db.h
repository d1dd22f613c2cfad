/*
 * PostgreSQL: transactions in one round trip, as the caller's role.
 *
 * A responder logs in as a role without rights of its own. Each transaction becomes anon,
 * authenticated or service_role, with the caller's claims for the policies; BEGIN, that change,
 * the statements and COMMIT are sent together (libpq's pipeline mode) and cost one round trip. No
 * statement's arguments can depend on an earlier one's result: let SQL do that.
 *
 *	static const struct fynq_stmt get_chat = {
 *		"get_chat", FYNQ_AS_USER, FYNQ_REPEATABLE,
 *		"select json_build_object('id', id) from chats where id = $1::uuid"
 *	};
 *	struct fynq_rows rows;
 *	FYNQ_TRY(fynq_db_run(rq, &get_chat, FYNQ_ARGS(fynq_uuid_str(&in->id)), &rows));
 */
#ifndef FYNQ_DATA_DB_H
#define FYNQ_DATA_DB_H

#include "http/request.h"

/* The role a statement runs as; changed within a transaction where statements differ. */
enum fynq_as { FYNQ_AS_SERVICE, FYNQ_AS_USER, FYNQ_AS_ANON };

/*
 * FYNQ_REPEATABLE: running it twice does what running it once does (a read, an upsert by an id
 * that fynq chose). Only a transaction of such statements is run again when the connection breaks
 * after it was sent, as its COMMIT may have happened.
 */
enum fynq_repeat { FYNQ_ONCE, FYNQ_REPEATABLE };

struct fynq_stmt {
	const char *name; /* of the prepared statement; unique in a responder */
	enum fynq_as as;
	enum fynq_repeat repeat;
	const char *sql; /* its parameters cast to their types: $1::uuid */
};

/* The result of a statement; valid until the request ends or its arena is released. */
struct fynq_rows {
	const struct pg_result *result;
	int n; /* rows */
};

/* A column of a row as text; absent for SQL's null. Valid as long as the rows. */
struct fynq_str fynq_rows_str(const struct fynq_rows *rows, int row, int column);

/* True where a column of type boolean is. */
bool fynq_rows_true(const struct fynq_rows *rows, int row, int column);

/* A statement with its arguments, text or absent for null, and where its rows go (or NULL). */
struct fynq_step {
	const struct fynq_stmt *stmt;
	const struct fynq_str *args;
	size_t n_args;
	struct fynq_rows *rows_r;
};

enum { FYNQ_ARGS_MAX = 24, FYNQ_STEPS_MAX = 10 };

/* An argument list: an array of fynq_str and its length. */
#define FYNQ_ARGS(...)                            \
	(const struct fynq_str[]){ __VA_ARGS__ }, \
	    sizeof((const struct fynq_str[]){ __VA_ARGS__ }) / sizeof(struct fynq_str)
#define FYNQ_NO_ARGS NULL, 0

/* Arguments from numbers and truth values; valid as long as the request. */
struct fynq_str fynq_arg_int(struct fynq_req *rq, int64_t n);
struct fynq_str fynq_arg_bool(bool value);

/* A timestamptz as RFC 3339 in UTC, whatever the session's time zone. */
#define FYNQ_SQL_TIME(column) \
	"to_char(" column " at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

/* Make the pool; connections are opened when first wanted. Once, before any thread starts. */
void fynq_db_init(void);

/*
 * Run the steps as one transaction. A serialization failure or deadlock is tried again, three
 * times in all; a connection found dead before anything was sent is replaced. Fails with
 *
 *	CONFLICT          unique or exclusion violation
 *	INVALID           a check or not-null constraint, or a value out of its type's range
 *	NOT_FOUND         a foreign key without its row
 *	FORBIDDEN         refused by a policy or for want of a right
 *	DB_TIMEOUT        no connection, no lock or no answer within FYNQ_DB_TIMEOUT_MS
 *	DB_UNAVAILABLE    no server, or it went away
 *	INTERNAL          anything else; the log has the SQLSTATE
 *
 * recorded by fynq_fail() with a detail that shows no internals.
 */
enum fynq_err fynq_db_tx(
    struct fynq_req *rq, const struct fynq_step *steps, size_t n) FYNQ_MUST_CHECK;

/* One statement, one transaction. */
enum fynq_err fynq_db_run(struct fynq_req *rq, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args, struct fynq_rows *rows_r) FYNQ_MUST_CHECK;

/*
 * One statement that the request does not depend on: what has gone wrong with the request so far
 * stays as it is, and where this goes wrong, too, the log says under event what was not done.
 */
void fynq_db_aside(struct fynq_req *rq, const char *event, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args);

/*
 * Run a statement whose one row is (body json) or (body json, etag text) and answer with it.
 * NOT_FOUND where it gives no row.
 */
enum fynq_err fynq_db_reply(struct fynq_req *rq, int status, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args) FYNQ_MUST_CHECK;

/* True when the server answers a query within the timeout; for /readyz. */
bool fynq_db_ready(struct fynq_req *rq);

/* Close every idle connection; at the process's end. */
void fynq_db_close(void);

#endif
