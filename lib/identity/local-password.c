/*
 * New passwords: by the token of a mail, or by the old one.
 *
 * A hash takes tens of milliseconds, so it is made outside of transactions; what was read before is
 * compared once more inside. The account's row is locked by a statement of its own: a sign-in with
 * the old password that is under way is seen then, and its session ends with the others.
 */
#include "http/client.h"
#include "identity/local.h"
#include "identity/outbox.h"
#include "identity/password.h"

#define RECOVERY FYNQ_STR("recovery_token")

/*
 * $1 the token's hash, $2 its type, $3 the minutes, $4 the session, $5 agent, $6 address, $7
 * refresh token, $8 the password's hash. The new session is not among those that this statement
 * deletes.
 */
static const struct fynq_stmt reset_password = { "reset_password", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with t as ("
	" delete from auth.one_time_tokens where token_hash = $1::text and token_type = $2::text"
	" and created_at > now() - make_interval(mins => $3::int) returning user_id"
	"), v as ("
	" select u.id, coalesce(u.banned_until > now(), false) as banned"
	" from auth.users u join t on t.user_id = u.id where u.deleted_at is null"
	"), u as ("
	" update auth.users x set encrypted_password = $8::text,"
	"  email_confirmed_at = coalesce(x.email_confirmed_at, now()),"
	"  last_sign_in_at = now(), updated_at = now()"
	" from v where x.id = v.id and not v.banned returning x.*"
	"), ended as ("
	" delete from auth.sessions where user_id = (select id from u)"
	"), void as ("
	" delete from auth.one_time_tokens"
	" where user_id = (select id from u) and token_hash <> $1"
	"), s as ("
	" insert into auth.sessions (id, user_id, user_agent, ip)"
	" select $4::uuid, u.id, $5::text, $6::inet from u returning *"
	"), r as ("
	" insert into auth.refresh_tokens (token, user_id, session_id)"
	" select $7::text, s.user_id, s.id from s"
	") select" FYNQ_LOCAL_SESSION ", v.banned,"
	" (select fynq.add_mail('password-changed', u.email) from u)"
	" from v left join u on true left join s on true"
	" left join public.profiles p on p.id = v.id" };

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

static char *
new_hash(struct fynq_req *rq, struct fynq_str password)
{
	char *hash = fynq_arena_alloc(rq->arena, FYNQ_PASSWORD_HASH_SIZE);

	return fynq_password_hash(password, hash) ? hash : NULL;
}

enum fynq_err
fynq_local_reset(struct fynq_req *rq, struct fynq_str token, struct fynq_str password,
    struct fynq_session *session_r)
{
	const struct fynq_local_refresh *refresh = fynq_local_refresh_new(rq->arena);
	struct fynq_uuid session = fynq_uuid_new();
	char hash[FYNQ_SHA256_SIZE];
	struct fynq_rows rows;
	const char *new;

	if (!fynq_local_is_token(token))
		return fynq_fail(rq, FYNQ_E_BAD_MAIL_TOKEN, NULL);
	if ((new = new_hash(rq, password)) == NULL)
		return fynq_fail(rq, FYNQ_E_INVALID, NULL);
	fynq_sha256(token, hash);
	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &fynq_local_lock_by_token, FYNQ_ARGS(fynq_str_of(hash), RECOVERY), NULL },
		{ &reset_password,
		    FYNQ_ARGS(fynq_str_of(hash), RECOVERY, fynq_local_mail_minutes(rq),
			fynq_uuid_str(&session), fynq_client_agent(rq), fynq_client_address(rq),
			fynq_str_of(refresh->hash), fynq_str_of(new)),
		    &rows },
	    },
	    2));
	FYNQ_TRY(fynq_local_give_by_token(rq, &rows, refresh, session_r));
	fynq_outbox_wake();
	return FYNQ_OK;
}

enum fynq_err
fynq_local_change_password(struct fynq_req *rq, struct fynq_str current, struct fynq_str password)
{
	struct fynq_str old = { 0 };
	struct fynq_rows rows;
	const char *new;

	FYNQ_TRY(fynq_db_run(rq, &find_password, FYNQ_ARGS(rq->caller.id), &rows));
	if (rows.n > 0)
		old = fynq_rows_str(&rows, 0, 0);
	if (!fynq_password_check(current, old))
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	if ((new = new_hash(rq, password)) == NULL)
		return fynq_fail(rq, FYNQ_E_INVALID, NULL);
	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &lock_user, FYNQ_ARGS(rq->caller.id), NULL },
		{ &change_password,
		    FYNQ_ARGS(rq->caller.id, old, fynq_str_of(new), rq->caller.session), &rows },
	    },
	    2));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	fynq_outbox_wake();
	return FYNQ_OK;
}
