/*
 * New passwords: by the token of a mail, or by the old one.
 *
 * A hash takes tens of milliseconds, so it is made outside of transactions; what was read before is
 * compared once more inside. The account's row is locked by a statement of its own: a sign-in with
 * the old password that is under way is seen then, and its session ends with the others.
 */
#include "identity/local.h"
#include "identity/outbox.h"
#include "identity/password.h"

/* $8 the password's hash. The new session is not among those that this statement deletes. */
static const struct fynq_stmt reset_password = { "reset_password", FYNQ_AS_SERVICE, FYNQ_ONCE,
	FYNQ_LOCAL_BY_TOKEN("encrypted_password = $8::text,",
	    "ended as ("
	    " delete from auth.sessions where user_id = (select id from u)"
	    "), void as ("
	    " delete from auth.one_time_tokens"
	    " where user_id = (select id from u) and token_hash <> $1"
	    "),",
	    ", (select fynq.add_mail('password-changed', u.email) from u)") };

static const struct fynq_stmt find_password = { "find_password", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select encrypted_password from auth.users where id = $1::uuid and deleted_at is null" };

static const struct fynq_stmt lock_user = { "lock_user", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select from auth.users where id = $1::uuid for no key update" };

/* $1 the user, $2 the old hash, $3 the new one, $4 the session that stays. */
static const struct fynq_stmt change_password = { "change_password", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with u as ("
	" update auth.users set encrypted_password = $3::text, updated_at = now()"
	" where id = $1::uuid and encrypted_password = $2::text and deleted_at is null"
	" returning id, email"
	"), ended as ("
	" delete from auth.sessions where user_id = (select id from u)"
	" and id is distinct from $4::uuid"
	"), void as ("
	" delete from auth.one_time_tokens where user_id = (select id from u)"
	") select u.id, fynq.add_mail('password-changed', u.email) from u" };

enum fynq_err
fynq_local_hash(struct fynq_req *rq, struct fynq_str password, struct fynq_str *hash_r)
{
	char *hash = fynq_arena_alloc(rq->arena, FYNQ_PASSWORD_HASH_SIZE);

	if (!fynq_password_hash(password, hash))
		return fynq_fail(rq, FYNQ_E_INVALID, NULL);
	*hash_r = fynq_str_of(hash);
	return FYNQ_OK;
}

enum fynq_err
fynq_local_reset(struct fynq_req *rq, struct fynq_str token, struct fynq_str password,
    struct fynq_session *session_r)
{
	struct fynq_str hash;

	if (!fynq_local_is_token(token))
		return fynq_fail(rq, FYNQ_E_BAD_MAIL_TOKEN, NULL);
	FYNQ_TRY(fynq_local_hash(rq, password, &hash));
	FYNQ_TRY(
	    fynq_local_use_token(rq, &reset_password, FYNQ_MAIL_RECOVERY, token, hash, session_r));
	fynq_outbox_wake();
	return FYNQ_OK;
}

enum fynq_err
fynq_local_change_password(struct fynq_req *rq, struct fynq_str current, struct fynq_str password)
{
	struct fynq_str old = { 0 }, new;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &find_password, FYNQ_ARGS(rq->caller.id), &rows));
	if (rows.n > 0)
		old = fynq_rows_str(&rows, 0, 0);
	if (!fynq_password_check(current, old))
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	FYNQ_TRY(fynq_local_hash(rq, password, &new));
	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &lock_user, FYNQ_ARGS(rq->caller.id), NULL },
		{ &change_password, FYNQ_ARGS(rq->caller.id, old, new, rq->caller.session), &rows },
	    },
	    2));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	fynq_outbox_wake();
	return FYNQ_OK;
}
