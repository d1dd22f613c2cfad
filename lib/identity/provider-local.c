#include "base/clock.h"
#include "base/config.h"
#include "http/client.h"
#include "identity/local.h"
#include "identity/audit.h"
#include "identity/password.h"
#include "identity/standing.h"
#include "identity/token.h"

enum { SECRET_BYTES = 32 };

/* The profile is made by a trigger, from what the user said. */
static const struct fynq_stmt add_user = { "add_user", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"insert into auth.users (id, email, encrypted_password, email_confirmed_at,"
	" raw_app_meta_data, raw_user_meta_data)"
	" values ($1::uuid, lower($2::text), $3::text, now(),"
	" '{\"provider\": \"email\", \"providers\": [\"email\"]}',"
	" jsonb_strip_nulls(jsonb_build_object('display_name', $4::text, 'locale', $5::text,"
	" 'birth_date', $6::text)))" };

static const struct fynq_stmt find_user = { "find_user", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select id, encrypted_password, coalesce(banned_until > now(), false),"
	" email_confirmed_at is not null"
	" from auth.users where lower(email) = lower($1::text) and deleted_at is null" };

/* The hash is compared once more: the password may have been changed while it was checked. */
static const struct fynq_stmt open_session = { "open_session", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with u as ("
	" update auth.users set last_sign_in_at = now(), updated_at = now()"
	" where id = $1::uuid and encrypted_password = $2::text and deleted_at is null"
	" and coalesce(banned_until <= now(), true)"
	" returning *"
	"), s as ("
	" insert into auth.sessions (id, user_id, user_agent, ip)"
	" select $3::uuid, u.id, $4::text, $5::inet from u returning *"
	"), t as ("
	" insert into auth.refresh_tokens (token, user_id, session_id)"
	" select $6::text, s.user_id, s.id from s"
	") select" FYNQ_LOCAL_SESSION
	" from u join s on s.user_id = u.id left join public.profiles p on p.id = u.id" };

/*
 * Requests with tokens of one session go one after the other. This is a statement of its own
 * because the next one must begin, and look, when the lock is held.
 */
static const struct fynq_stmt lock_session = { "lock_session", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select from auth.sessions where id ="
	" (select session_id from auth.refresh_tokens where token = $1::text) for update" };

/*
 * What becomes of the token decides what happens:
 *
 *	used	  it is valid: it and its siblings are revoked, and it gets a child
 *	again	  it was revoked a moment ago: it gets another child
 *	reused	  it was revoked before that: the session ends, and so do its tokens
 *	over	  the session has outlived itself: it ends
 *	disabled  nothing happens
 */
static const struct fynq_stmt rotate_token = {
	"rotate_token", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with old as ("
	" select t.token, t.user_id, t.session_id, case"
	"  when s.not_after <= now() or coalesce(s.refreshed_at, s.created_at)"
	"   <= now() - make_interval(days => $3::int) then 'over'"
	"  when t.revoked and t.updated_at <= now() - interval '10 seconds' then 'reused'"
	"  when u.banned_until > now() then 'disabled'"
	"  when t.revoked then 'again'"
	"  else 'used' end as fate"
	" from auth.refresh_tokens t join auth.sessions s on s.id = t.session_id"
	" join auth.users u on u.id = t.user_id and u.deleted_at is null"
	" where t.token = $1::text"
	"), ended as ("
	" delete from auth.sessions where id ="
	" (select session_id from old where fate in ('over', 'reused'))"
	"), revoked as ("
	" update auth.refresh_tokens set revoked = true, updated_at = now()"
	" where session_id = (select session_id from old where fate = 'used') and not revoked"
	"), child as ("
	" insert into auth.refresh_tokens (token, user_id, session_id, parent)"
	" select $2::text, user_id, session_id, token from old where fate in ('used', 'again')"
	"), refreshed as ("
	" update auth.sessions set refreshed_at = now(), updated_at = now() where id ="
	" (select session_id from old where fate in ('used', 'again'))"
	") select" FYNQ_LOCAL_SESSION ", old.fate"
	" from old join auth.users u on u.id = old.user_id"
	" join auth.sessions s on s.id = old.session_id left join public.profiles p on p.id = u.id"
};
enum { FATE = FYNQ_LOCAL_N_COLUMNS };

static const struct fynq_stmt end_sessions = { "end_sessions", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from auth.sessions where user_id = $1::uuid and case $3::text"
	" when 'global' then true when 'local' then id = $2::uuid"
	" else id is distinct from $2::uuid end" };

struct fynq_local_refresh *
fynq_local_refresh_new(struct fynq_arena *a)
{
	struct fynq_local_refresh *refresh = fynq_arena_alloc(a, sizeof(*refresh));

	fynq_token_new(refresh->token);
	fynq_sha256(fynq_str_of(refresh->token), refresh->hash);
	return refresh;
}

enum fynq_err
fynq_local_give_session(struct fynq_req *rq, const struct fynq_rows *rows,
    const struct fynq_local_refresh *refresh, struct fynq_session *session_r)
{
	int64_t now = fynq_clock_now_us() / 1000000;
	struct fynq_grant grant = {
		.user = fynq_rows_str(rows, 0, FYNQ_LOCAL_USER_ID),
		.session = fynq_rows_str(rows, 0, FYNQ_LOCAL_SESSION_ID),
		.email = fynq_rows_str(rows, 0, FYNQ_LOCAL_EMAIL),
		.app_metadata = fynq_rows_str(rows, 0, FYNQ_LOCAL_APP_METADATA),
	};
	enum fynq_err e;

	(void)fynq_str_int(fynq_rows_str(rows, 0, FYNQ_LOCAL_SIGNED_IN), &grant.signed_in);
	*session_r = (struct fynq_session){
		.refresh_token = fynq_str_of(refresh->token),
		.expires_in = fynq_config.jwt_seconds,
		.expires_at = now + fynq_config.jwt_seconds,
		.user = fynq_rows_str(rows, 0, FYNQ_LOCAL_USER),
	};
	e = fynq_token_issue(rq->arena, &grant, now, &session_r->access_token);
	return e == FYNQ_OK ? FYNQ_OK : fynq_fail(rq, e, NULL);
}

static enum fynq_err
register_user(
    struct fynq_req *rq, const struct fynq_registration *given, struct fynq_session *session_r)
{
	struct fynq_uuid user = fynq_uuid_new(), session = fynq_uuid_new();
	const struct fynq_local_refresh *refresh = fynq_local_refresh_new(rq->arena);
	struct fynq_rows rows;
	struct fynq_str hash;
	enum fynq_err e;

	if (fynq_config.confirm_email)
		return fynq_local_register_unconfirmed(rq, given, session_r);
	FYNQ_TRY(fynq_local_hash(rq, given->password, &hash));
	e = fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &add_user,
		    FYNQ_ARGS(fynq_uuid_str(&user), given->email, hash, given->display_name,
			given->locale, given->birth_date),
		    NULL },
		{ &open_session,
		    FYNQ_ARGS(fynq_uuid_str(&user), hash, fynq_uuid_str(&session),
			fynq_client_agent(rq), fynq_client_address(rq), fynq_str_of(refresh->hash)),
		    &rows },
	    },
	    2);
	if (e == FYNQ_E_CONFLICT)
		return fynq_fail(rq, e, FYNQ_EMAIL_TAKEN);
	FYNQ_TRY(e);
	return fynq_local_give_session(rq, &rows, refresh, session_r);
}

static enum fynq_err
login(struct fynq_req *rq, struct fynq_str email, struct fynq_str password,
    struct fynq_session *session_r)
{
	struct fynq_uuid session = fynq_uuid_new();
	const struct fynq_local_refresh *refresh = fynq_local_refresh_new(rq->arena);
	struct fynq_str user = { 0 }, hash = { 0 };
	bool banned = false, confirmed = false;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &find_user, FYNQ_ARGS(email), &rows));
	if (rows.n > 0) {
		user = fynq_rows_str(&rows, 0, 0);
		hash = fynq_rows_str(&rows, 0, 1);
		banned = fynq_rows_true(&rows, 0, 2);
		confirmed = fynq_rows_true(&rows, 0, 3);
	}
	if (!fynq_password_check(password, hash))
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	if (banned)
		return fynq_fail(rq, FYNQ_E_DISABLED, NULL);
	if (fynq_config.confirm_email && !confirmed)
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	FYNQ_TRY(fynq_db_run(rq, &open_session,
	    FYNQ_ARGS(user, hash, fynq_uuid_str(&session), fynq_client_agent(rq),
		fynq_client_address(rq), fynq_str_of(refresh->hash)),
	    &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	return fynq_local_give_session(rq, &rows, refresh, session_r);
}

bool
fynq_local_is_token(struct fynq_str token)
{
	unsigned char bytes[SECRET_BYTES];
	size_t n;

	return fynq_base64url_decode(token, bytes, sizeof(bytes), &n) && n == sizeof(bytes);
}

static enum fynq_err
refresh_session(struct fynq_req *rq, struct fynq_str token, struct fynq_session *session_r)
{
	const struct fynq_local_refresh *refresh = fynq_local_refresh_new(rq->arena);
	struct fynq_str days = fynq_arg_int(rq, fynq_config.session_days);
	char hash[FYNQ_SHA256_SIZE];
	struct fynq_rows rows;
	struct fynq_str fate;

	if (!fynq_local_is_token(token))
		return fynq_fail(rq, FYNQ_E_BAD_REFRESH_TOKEN, NULL);
	fynq_sha256(token, hash);
	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &lock_session, FYNQ_ARGS(fynq_str_of(hash)), NULL },
		{ &rotate_token, FYNQ_ARGS(fynq_str_of(hash), fynq_str_of(refresh->hash), days),
		    &rows },
	    },
	    2));
	fate = rows.n > 0 ? fynq_rows_str(&rows, 0, FATE) : FYNQ_STR("unknown");
	if (fynq_str_eq(fate, FYNQ_STR("used")) || fynq_str_eq(fate, FYNQ_STR("again")))
		return fynq_local_give_session(rq, &rows, refresh, session_r);
	if (fynq_str_eq(fate, FYNQ_STR("disabled")))
		return fynq_fail(rq, FYNQ_E_DISABLED, NULL);
	if (fynq_str_eq(fate, FYNQ_STR("reused"))) {
		struct fynq_str user = fynq_rows_str(&rows, 0, FYNQ_LOCAL_USER_ID);

		fynq_standing_forget(user);
		fynq_audit(rq, FYNQ_EVENT_TOKEN_REUSED, user, (struct fynq_str){ 0 });
	}
	return fynq_fail(rq, FYNQ_E_BAD_REFRESH_TOKEN, NULL);
}

static enum fynq_err
logout(struct fynq_req *rq, enum fynq_scope scope)
{
	return fynq_db_run(rq, &end_sessions,
	    FYNQ_ARGS(rq->caller.id, rq->caller.session, fynq_str_of(fynq_scope_names[scope])),
	    NULL);
}

static enum fynq_err
authorize_url(struct fynq_req *rq, struct fynq_str service, struct fynq_str callback,
    struct fynq_str challenge, struct fynq_str *url_r)
{
	(void)service, (void)callback, (void)challenge, (void)url_r;
	return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
}

static enum fynq_err
exchange(struct fynq_req *rq, struct fynq_str code, struct fynq_str verifier,
    struct fynq_session *session_r)
{
	(void)code, (void)verifier, (void)session_r;
	return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
}

const struct fynq_provider fynq_provider_local = {
	.register_user = register_user,
	.login = login,
	.refresh = refresh_session,
	.logout = logout,
	.send_mail = fynq_local_send_mail,
	.verify = fynq_local_verify,
	.reset = fynq_local_reset,
	.change_password = fynq_local_change_password,
	.authorize_url = authorize_url,
	.exchange = exchange,
	.create_user = fynq_local_create_user,
	.set_role = fynq_local_set_role,
	.set_disabled = fynq_local_set_disabled,
	.set_password = fynq_local_set_password,
	.delete_user = fynq_local_delete_user,
};
