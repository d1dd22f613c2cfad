#include "base/config.h"
#include "identity/claims.h"
#include "identity/identity.h"
#include "identity/supabase.h"

/* The path, with the page that the mail's link shall lead to, where it is set. */
static const char *
with_site(struct fynq_arena *a, const char *path)
{
	struct fynq_buf b = FYNQ_BUF_INIT(4096);
	const char *text;

	fynq_buf_add(&b, fynq_str_of(path));
	if (fynq_config.site_url[0] != '\0')
		fynq_buf_add_param(&b, "?redirect_to", fynq_str_of(fynq_config.site_url));
	text = fynq_arena_strdup(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return text;
}

/*
 * They find out whether the address has an account, and say nothing. Mails of other kinds are
 * theirs to send without being asked, or not to send. What they refuse to do now for having done it
 * a moment ago is tried again, as anything that fails.
 */
enum fynq_err
fynq_supabase_send_mail(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email)
{
	bool signup = kind == FYNQ_MAIL_SIGNUP;
	struct fynq_str type = signup ? FYNQ_STR("signup") : (struct fynq_str){ 0 };
	const struct fynq_gotrue ask = {
		.method = "POST",
		.path = with_site(rq->arena, signup ? "/resend" : "/recover"),
		.body = FYNQ_GOTRUE_OBJECT(
		    rq->arena, { "type", type, false }, { "email", email, false }),
	};
	struct fynq_gotrue_answer answer;
	enum fynq_err e;

	if (!signup && kind != FYNQ_MAIL_RECOVERY)
		return FYNQ_OK;
	e = fynq_gotrue_ask(rq, &ask, &answer);
	if (e == FYNQ_OK || e == FYNQ_E_INVALID) /* No address of an account. */
		return FYNQ_OK;
	return fynq_gotrue_fail(rq, FYNQ_E_AUTH_UNAVAILABLE, &answer);
}

static struct fynq_gotrue
verification(struct fynq_arena *a, enum fynq_mail_kind kind, struct fynq_str token)
{
	return (struct fynq_gotrue){
		.method = "POST",
		.path = "/verify",
		.body = FYNQ_GOTRUE_OBJECT(a,
		    { "type", fynq_str_of(fynq_token_kinds[kind]), false },
		    { "token_hash", token, false }),
		.client = true,
		.refusal = FYNQ_E_BAD_MAIL_TOKEN,
	};
}

enum fynq_err
fynq_supabase_verify(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str token,
    struct fynq_session *session_r)
{
	const struct fynq_gotrue ask = verification(rq->arena, kind, token);

	return fynq_supabase_session(rq, &ask, session_r);
}

/* End sessions of the token's user. False where it is not known that they have ended. */
static bool
end_sessions(struct fynq_req *rq, enum fynq_scope scope, struct fynq_str token)
{
	struct fynq_gotrue_answer answer;

	return fynq_supabase_logout(rq, scope, token, &answer) == FYNQ_OK;
}

/*
 * Set the password of the token's user. Today's versions end the other sessions with it, in one
 * transaction; older ones have to be told. A password that is theirs already is as good as set, but
 * ends no session in any version: then whoever else is signed in must be seen to be out.
 */
static enum fynq_err
put_password(
    struct fynq_req *rq, struct fynq_str token, struct fynq_str current, struct fynq_str password)
{
	const struct fynq_gotrue ask = {
		.method = "PUT",
		.path = "/user",
		.body = FYNQ_GOTRUE_OBJECT(rq->arena, { "password", password, false },
		    { "current_password", current, false }),
		.token = token,
		.client = true,
	};
	struct fynq_gotrue_answer answer;
	enum fynq_err e = fynq_gotrue_ask(rq, &ask, &answer);
	bool ended;

	if (e != FYNQ_OK && !fynq_gotrue_is(&answer, "same_password"))
		return fynq_gotrue_fail(rq, e, &answer);
	ended = end_sessions(rq, FYNQ_SCOPE_OTHERS, token);
	return e == FYNQ_OK || ended ? FYNQ_OK : fynq_fail(rq, FYNQ_E_AUTH_UNAVAILABLE, NULL);
}

/*
 * Three calls. A process that dies, or an answer that is lost, after
 *
 *	the first   leaves the old password and a token that is used up: the user asks for another
 *	the second  leaves the new password, and today's versions have ended the other sessions: the
 *		    user signs in with it; older versions leave those sessions
 *	the third   leaves nothing to do but to sign in
 *
 * A password that they refuse costs the token, too: their rules should be no stricter than ours.
 */
enum fynq_err
fynq_supabase_reset(struct fynq_req *rq, struct fynq_str token, struct fynq_str password,
    struct fynq_session *session_r)
{
	const struct fynq_gotrue ask = verification(rq->arena, FYNQ_MAIL_RECOVERY, token);
	struct fynq_gotrue_answer answer;
	struct fynq_str access_token;
	enum fynq_err e;

	FYNQ_TRY(fynq_supabase_ask(rq, &ask, &answer));
	access_token = fynq_claims_text(answer.json, "access_token");
	if (access_token.n == 0)
		return fynq_supabase_nonsense(rq, &ask);
	e = put_password(rq, access_token, (struct fynq_str){ 0 }, password);
	if (e != FYNQ_OK) {
		(void)end_sessions(rq, FYNQ_SCOPE_LOCAL, access_token);
		return e;
	}
	return fynq_supabase_read_session(rq, &ask, &answer, session_r);
}

/* Has the caller signed in? The token's address may have become another account's since. */
static bool
is_caller(const struct fynq_req *rq, struct json_object *session)
{
	struct json_object *user = NULL;

	json_object_object_get_ex(session, "user", &user);
	return fynq_str_eq(fynq_claims_text(user, "id"), rq->caller.id);
}

/* There is no call to check a password but to sign in; the session of that ends at once. */
static enum fynq_err
check_password(struct fynq_req *rq, struct fynq_str password)
{
	struct fynq_str email = fynq_claims_find(rq->arena, rq->caller.claims, "email"), token;
	const struct fynq_gotrue ask = fynq_supabase_by_password(rq->arena, email, password);
	struct fynq_gotrue_answer answer;

	if (email.n == 0) /* An account of another service, without a password. */
		return fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
	FYNQ_TRY(fynq_supabase_ask(rq, &ask, &answer));
	token = fynq_claims_text(answer.json, "access_token");
	if (token.n == 0)
		return fynq_supabase_nonsense(rq, &ask);
	(void)end_sessions(rq, FYNQ_SCOPE_LOCAL, token);
	return is_caller(rq, answer.json) ? FYNQ_OK : fynq_fail(rq, FYNQ_E_BAD_CREDENTIALS, NULL);
}

/* A process that dies in between leaves the old password, and at worst a session too many. */
enum fynq_err
fynq_supabase_change_password(
    struct fynq_req *rq, struct fynq_str current, struct fynq_str password)
{
	FYNQ_TRY(check_password(rq, current));
	return put_password(rq, fynq_bearer_token(rq), current, password);
}
