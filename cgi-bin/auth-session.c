/*
 * Accounts and sessions: make one, sign in, go on, end it.
 */
#include "auth.h"

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
	int age = fynq_date_age(birth_date.text);

	if (age < 0) {
		fynq_fault(rq, FYNQ_STR("birth_date"), "too_large", "It must not be ahead.");
		return FYNQ_E_INVALID;
	}
	if (age < fynq_config.min_age)
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
	return fynq_reply_empty(rq, 204);
}

enum fynq_err
get_sessions(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
delete_session(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}

enum fynq_err
get_keys(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
}
