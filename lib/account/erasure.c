#include "account/erasure.h"
#include "base/log.h"
#include "data/db.h"
#include "identity/audit.h"
#include "identity/provider.h"
#include "identity/standing.h"
#include "storage/store.h"

/* Of one run. What is left is due a minute later. */
enum { RUN_MAX = 100 };

/* $1 user. */
static const struct fynq_stmt begin_erasure = { "begin_erasure", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.erase_begin($1::uuid)" };

static const struct fynq_stmt find_erasure = { "find_erasure", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select from fynq.erasures where user_id = $1::uuid" };

static const struct fynq_stmt erase_rows = { "erase_rows", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.erase_rows($1::uuid)" };

static const struct fynq_stmt end_erasure = { "end_erasure", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from fynq.erasures where user_id = $1::uuid" };

/* The first failure is tried again at once, then it waits a minute longer each time, to an hour. */
static const struct fynq_stmt put_erasure_off = { "put_erasure_off", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE,
	"update fynq.erasures set due_at = now() + make_interval(mins => least(tries, 60))"
	" where user_id = $1::uuid" };

/*
 * The next one, for this process alone: others pass over its row while it is locked, and after that
 * until it is due again. They go by their ids, so that a run tries each of them once. $1 the last
 * one's id, $2 whether also what is not due.
 */
static const struct fynq_stmt take_erasure = { "take_erasure", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"update fynq.erasures e set tries = e.tries + 1, due_at = now() + interval '10 minutes'"
	" where e.user_id = (select d.user_id from fynq.erasures d"
	"  where (d.due_at <= now() or $2::boolean) and d.user_id > $1::uuid"
	"  order by d.user_id limit 1 for update skip locked)"
	" returning e.user_id" };

enum fynq_err
fynq_erasure_add(struct fynq_req *rq, struct fynq_str user)
{
	FYNQ_TRY(fynq_db_run(rq, &begin_erasure, FYNQ_ARGS(user), NULL));
	fynq_standing_forget(user);
	fynq_audit(rq, FYNQ_EVENT_DELETION_ASKED, user, (struct fynq_str){ 0 });
	return FYNQ_OK;
}

enum fynq_err
fynq_erasure_none(struct fynq_req *rq, struct fynq_str user)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &find_erasure, FYNQ_ARGS(user), &rows));
	return rows.n == 0 ? FYNQ_OK
			   : fynq_fail(rq, FYNQ_E_CONFLICT, "The account is being erased.");
}

/*
 * In this order, each step safe to repeat:
 *
 *	files	 While the account's rows stand, as far as they do, they say whose files these are.
 *		 A process that dies here leaves rows without objects, of an account that is out.
 *	rows	 What no foreign key takes along, some of it by the account's address: so before the
 *		 account. A process that dies here leaves the account, and nothing that it could do.
 *	account	 And with it every row that refers to it. What runs for the user meanwhile can store
 *		 nothing any more: its rows would refer to nobody.
 *	files	 Once more: a request that was under way may have put an object before it learned
 *		 that there is no account to put a row for.
 *	record	 The audit keeps that it happened, with the id alone. A process that dies before
 *		 this COMMIT has erased all; whoever comes next finds nothing to erase, and says so
 *		 a second time.
 */
static enum fynq_err
erase(struct fynq_req *rq, struct fynq_str user)
{
	const struct fynq_step last[] = {
		{ &erase_rows, &user, 1, NULL },
		{ &end_erasure, &user, 1, NULL },
	};

	FYNQ_TRY(fynq_store()->remove_user(rq, user));
	FYNQ_TRY(fynq_db_run(rq, &erase_rows, FYNQ_ARGS(user), NULL));
	FYNQ_TRY(fynq_provider()->delete_user(rq, user));
	FYNQ_TRY(fynq_store()->remove_user(rq, user));
	fynq_audit(rq, FYNQ_EVENT_DELETED, user, (struct fynq_str){ 0 });
	return fynq_db_tx(rq, last, 2);
}

enum fynq_err
fynq_erasure_do(struct fynq_req *rq, struct fynq_str user)
{
	enum fynq_err e = erase(rq, user);
	struct fynq_problem problem = rq->problem;

	if (e == FYNQ_OK)
		return FYNQ_OK;
	fynq_log(FYNQ_LOG_ERROR, "erasure", "%.*s is not erased yet: %s", FYNQ_STR_ARG(user),
	    fynq_err_info(e)->code);
	if (fynq_db_run(rq, &put_erasure_off, FYNQ_ARGS(user), NULL) != FYNQ_OK)
		fynq_log(FYNQ_LOG_WARN, "erasure", "it is due when its lease has run out");
	rq->problem = problem;
	return e;
}

int
fynq_erasure_run(struct fynq_req *rq, bool now)
{
	struct fynq_uuid user;
	struct fynq_str behind = FYNQ_STR("00000000-0000-0000-0000-000000000000");
	int failed = 0;

	for (int i = 0; i < RUN_MAX; i++) {
		struct fynq_mark mark = fynq_arena_mark(rq->arena);
		struct fynq_rows rows;

		if (fynq_db_run(rq, &take_erasure, FYNQ_ARGS(behind, fynq_arg_bool(now)), &rows) !=
		    FYNQ_OK)
			return failed + 1;
		if (rows.n == 0 || !fynq_uuid_parse(fynq_rows_str(&rows, 0, 0), &user))
			return failed;
		fynq_arena_release(rq->arena, mark);
		behind = fynq_uuid_str(&user);
		rq->problem = (struct fynq_problem){ 0 };
		failed += fynq_erasure_do(rq, behind) != FYNQ_OK;
		fynq_arena_release(rq->arena, mark);
	}
	return failed;
}
