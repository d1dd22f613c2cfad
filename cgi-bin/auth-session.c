/*
 * Accounts and sessions: make one, sign in, go on, end it.
 */
#include "auth.h"

#include "identity/keys.h"

/* The longest reply in bytes: an access token of 8 KB, a refresh token and a user. */
enum { SESSION_MAX = 32768 };

enum fynq_err
reply_session(struct fynq_req *rq, int status, const struct fynq_session *session)
{
	struct fynq_buf b = FYNQ_BUF_INIT(SESSION_MAX);
	struct fynq_str body;

	fynq_buf_add_char(&b, '{');
	if (session->access_token.p != NULL) {
		fynq_buf_add(&b, FYNQ_STR("\"access_token\":"));
		fynq_buf_add_json(&b, session->access_token);
		fynq_buf_printf(&b,
		    ",\"token_type\":\"bearer\",\"expires_in\":%lld,\"expires_at\":%lld",
		    (long long)session->expires_in, (long long)session->expires_at);
		fynq_buf_add(&b, FYNQ_STR(",\"refresh_token\":"));
		fynq_buf_add_json(&b, session->refresh_token);
		fynq_buf_add_char(&b, ',');
	}
	fynq_buf_add(&b, FYNQ_STR("\"user\":"));
	fynq_buf_add(&b, session->user);
	fynq_buf_add_char(&b, '}');
	body = fynq_arena_copy(rq->arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	fynq_reply_header(rq, "Cache-Control", FYNQ_STR("no-store"));
	return fynq_reply_json(rq, status, body);
}

static enum fynq_err
check_age(struct fynq_req *rq, struct fynq_date birth_date)
{
	if (fynq_date_age(birth_date.text) < fynq_config.min_age)
		return fynq_fail(rq, FYNQ_E_UNDER_AGE, "The service is for users of %lld and over.",
		    (long long)fynq_config.min_age);
	return FYNQ_OK;
}

enum fynq_err
post_register(struct fynq_req *rq, const void *in_)
{
	const struct register_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(check_age(rq, in->birth_date));
	FYNQ_TRY(fynq_rules_check(rq, "password", in->password, in->email, in->display_name));
	FYNQ_TRY(count_try(rq, FYNQ_ATTEMPT_REGISTER, in->email));
	FYNQ_TRY(fynq_provider()->register_user(rq,
	    &(const struct fynq_registration){
		in->email, in->password, in->birth_date.text, in->display_name, in->locale },
	    &session));
	fynq_audit_email(rq, FYNQ_EVENT_REGISTERED, in->email,
	    session.access_token.n > 0 ? (struct fynq_str){ 0 } : FYNQ_STR("unconfirmed"));
	return reply_session(rq, 201, &session);
}

/* The table bounds the password in characters, bcrypt in bytes: a longer one is nobody's. */
enum fynq_err
post_login(struct fynq_req *rq, const void *in_)
{
	const struct login_in *in = in_;
	struct fynq_session session;
	enum fynq_err e;

	if (in->password.n > FYNQ_PASSWORD_MAX) {
		fynq_fault(rq, FYNQ_STR("password"), "too_long",
		    "It must have at most %d bytes in UTF-8.", FYNQ_PASSWORD_MAX);
		return FYNQ_E_INVALID;
	}
	FYNQ_TRY(count_try(rq, FYNQ_ATTEMPT_PASSWORD, in->email));
	e = fynq_provider()->login(rq, in->email, in->password, &session);
	if (e == FYNQ_E_BAD_CREDENTIALS)
		e = fynq_fail(rq, e, "Or the address is not confirmed yet: its owner has a mail.");
	if (e != FYNQ_OK)
		return try_failed(rq, e, in->email);
	fynq_attempt_good(rq, FYNQ_ATTEMPT_PASSWORD, in->email);
	fynq_audit_email(rq, FYNQ_EVENT_SIGNED_IN, in->email, FYNQ_STR("password"));
	return reply_session(rq, 200, &session);
}

enum fynq_err
post_refresh(struct fynq_req *rq, const void *in_)
{
	const struct refresh_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(fynq_provider()->refresh(rq, in->refresh_token, &session));
	return reply_session(rq, 200, &session);
}

enum fynq_err
post_logout(struct fynq_req *rq, const void *in_)
{
	const struct logout_in *in = in_;
	enum fynq_scope scope = FYNQ_SCOPE_LOCAL;

	for (int i = 0; fynq_scope_names[i] != NULL; i++)
		if (fynq_str_eq(in->scope, fynq_str_of(fynq_scope_names[i])))
			scope = (enum fynq_scope)i;
	FYNQ_TRY(fynq_provider()->logout(rq, scope));
	fynq_audit(rq, FYNQ_EVENT_SIGNED_OUT, rq->caller.id, fynq_str_of(fynq_scope_names[scope]));
	fynq_standing_forget(rq->caller.id);
	return fynq_reply_empty(rq, 204);
}

#define SIGNED_IN FYNQ_SQL_TIME("s.created_at")
#define REFRESHED FYNQ_SQL_TIME("s.refreshed_at")

/* $1 the account, $2 the session that asks. */
static const struct fynq_stmt list_sessions = { "list_sessions", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select json_build_object('items', coalesce(json_agg(json_build_object("
	" 'id', s.id, 'current', coalesce(s.id = $2::uuid, false), 'user_agent', s.user_agent,"
	" 'ip', s.ip, 'created_at', " SIGNED_IN ", 'refreshed_at', " REFRESHED ")"
	" order by s.created_at desc, s.id desc), '[]')) from fynq.sessions($1::uuid) s" };

/* $1 the account, $2 the session. */
static const struct fynq_stmt end_session = { "end_session", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select fynq.end_session($1::uuid, $2::uuid)" };

enum fynq_err
get_sessions(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_db_reply(rq, 200, &list_sessions, FYNQ_ARGS(rq->caller.id, rq->caller.session));
}

enum fynq_err
delete_session(struct fynq_req *rq, const void *in_)
{
	const struct session_in *in = in_;
	struct fynq_rows ended;

	FYNQ_TRY(fynq_db_run(
	    rq, &end_session, FYNQ_ARGS(rq->caller.id, fynq_uuid_str(&in->id)), &ended));
	if (!fynq_rows_true(&ended, 0, 0))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	fynq_standing_forget(rq->caller.id);
	fynq_audit(rq, FYNQ_EVENT_SESSION_ENDED, rq->caller.id, (struct fynq_str){ 0 });
	return fynq_reply_empty(rq, 204);
}

/* Whoever keeps the keys for as long as this says knows each before it signs. */
enum fynq_err
get_keys(struct fynq_req *rq, const void *in)
{
	struct fynq_str keys;
	enum fynq_err e;

	(void)in;
	e = fynq_keys_publish(rq->arena, fynq_clock_now_us() / 1000000, &keys);
	if (e != FYNQ_OK)
		return fynq_fail(rq, e, NULL);
	fynq_reply_header(rq, "Cache-Control",
	    fynq_arena_printf(rq->arena, "public, max-age=%d", FYNQ_KEYS_MAX_AGE));
	return fynq_reply_json(rq, 200, keys);
}
