/*
 * Accounts and sessions: register, login, refresh, logout.
 */
#include "fynq.h"

#include "identity/password.h"
#include "identity/provider.h"

enum { BODY_MAX = 16384 };

struct register_in {
	struct fynq_str email, password;
	struct fynq_date birth_date;
	struct fynq_str display_name, locale;
};
static const struct fynq_field register_in[] = {
	FYNQ_FIELD(register_in, email, FYNQ_IN_BODY | FYNQ_REQUIRED,
	    "The address that signs in; upper and lower case are the same.",
	    .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(register_in, password, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "At least 8 characters and at most 72 bytes.", .min = FYNQ_PASSWORD_MIN,
	    .max = FYNQ_PASSWORD_MAX, .blank = true),
	FYNQ_FIELD(register_in, birth_date, FYNQ_IN_BODY | FYNQ_REQUIRED,
	    "The day of birth: the service has a minimum age."),
	FYNQ_FIELD(register_in, display_name, FYNQ_IN_BODY, "What to call the user.",
	    .format = FYNQ_F_LINE, .max = 100),
	FYNQ_FIELD(register_in, locale, FYNQ_IN_BODY, "The user's language, as en-GB.",
	    .format = FYNQ_F_LOCALE),
	FYNQ_FIELD_END
};

struct login_in {
	struct fynq_str email, password;
};
static const struct fynq_field login_in[] = {
	FYNQ_FIELD(login_in, email, FYNQ_IN_BODY | FYNQ_REQUIRED, "The address of the account.",
	    .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(login_in, password, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET, "Its password.",
	    .max = FYNQ_PASSWORD_MAX, .blank = true),
	FYNQ_FIELD_END
};

struct refresh_in {
	struct fynq_str refresh_token;
};
static const struct fynq_field refresh_in[] = {
	FYNQ_FIELD(refresh_in, refresh_token, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "The newest refresh token of the session; it works once.", .max = 512),
	FYNQ_FIELD_END
};

struct logout_in {
	struct fynq_str scope;
};
static const struct fynq_field logout_in[] = {
	FYNQ_FIELD(logout_in, scope, FYNQ_IN_BODY,
	    "Which sessions end: local (this one, the default), global (all) or others.",
	    .values = fynq_scope_names),
	FYNQ_FIELD_END
};

static const struct fynq_field user_out[] = { FYNQ_OUT("id", UUID, "The account's id."),
	FYNQ_OUT("email", STRING, "Its address."),
	FYNQ_OUT("role", STRING, "student, teacher or admin."),
	FYNQ_OUT("display_name", STRING, "What to call the user.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("locale", STRING, "The user's language.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("created_at", TIME, "When the account was made."), FYNQ_FIELD_END };

static const struct fynq_field session_out[] = { FYNQ_OUT("access_token", STRING,
						     "For the Authorization header, as Bearer."),
	FYNQ_OUT("token_type", STRING, "bearer."),
	FYNQ_OUT("expires_in", INT, "How long the access token is valid, in seconds."),
	FYNQ_OUT("expires_at", INT, "When it expires, in seconds since 1970."),
	FYNQ_OUT("refresh_token", STRING, "Buys the next session, once."),
	FYNQ_OUT("user", OBJECT, "The account; GET /api/v1/users/me has the whole profile.",
	    .sub = user_out),
	FYNQ_FIELD_END };

static const enum fynq_err register_errors[] = { FYNQ_E_UNDER_AGE, FYNQ_E_CONFLICT, FYNQ_OK };
static const enum fynq_err login_errors[] = { FYNQ_E_BAD_CREDENTIALS, FYNQ_E_DISABLED, FYNQ_OK };
static const enum fynq_err refresh_errors[] = { FYNQ_E_BAD_REFRESH_TOKEN, FYNQ_E_DISABLED,
	FYNQ_OK };

static fynq_handler post_register, post_login, post_refresh, post_logout;

static const struct fynq_route routes[] = {
	{ FYNQ_POST, "/api/v1/auth/register", FYNQ_ANYONE, register_in, .body_max = BODY_MAX,
	    .status = 201, .out = session_out, .errors = register_errors, .handler = post_register,
	    .summary = "Make an account and sign in." },
	{ FYNQ_POST, "/api/v1/auth/login", FYNQ_ANYONE, login_in, .body_max = BODY_MAX,
	    .status = 200, .out = session_out, .errors = login_errors, .handler = post_login,
	    .summary = "Sign in." },
	{ FYNQ_POST, "/api/v1/auth/refresh", FYNQ_ANYONE, refresh_in, .body_max = BODY_MAX,
	    .status = 200, .out = session_out, .errors = refresh_errors, .handler = post_refresh,
	    .summary = "Trade a refresh token for new tokens." },
	{ FYNQ_POST, "/api/v1/auth/logout", FYNQ_USER, logout_in, .body_max = BODY_MAX,
	    .status = 204, .handler = post_logout,
	    .summary = "End sessions; access tokens stay valid until they expire." },
	{ 0 }
};

/* The longest reply in bytes: an access token of 8 KB, a refresh token and a user. */
enum { SESSION_MAX = 32768 };

static enum fynq_err
reply_session(struct fynq_req *rq, int status, const struct fynq_session *session)
{
	struct fynq_buf b = FYNQ_BUF_INIT(SESSION_MAX);
	struct fynq_str body;

	fynq_buf_add(&b, FYNQ_STR("{\"access_token\":"));
	fynq_buf_add_json(&b, session->access_token);
	fynq_buf_printf(&b, ",\"token_type\":\"bearer\",\"expires_in\":%lld,\"expires_at\":%lld",
	    (long long)session->expires_in, (long long)session->expires_at);
	fynq_buf_add(&b, FYNQ_STR(",\"refresh_token\":"));
	fynq_buf_add_json(&b, session->refresh_token);
	fynq_buf_add(&b, FYNQ_STR(",\"user\":"));
	fynq_buf_add(&b, session->user);
	fynq_buf_add_char(&b, '}');
	body = fynq_arena_copy(rq->arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	fynq_reply_header(rq, "Cache-Control", FYNQ_STR("no-store"));
	return fynq_reply_json(rq, status, body);
}

/* The table bounds the password in characters, bcrypt in bytes. */
static enum fynq_err
check_password(struct fynq_req *rq, struct fynq_str password)
{
	if (password.n <= FYNQ_PASSWORD_MAX)
		return FYNQ_OK;
	fynq_fault(rq, FYNQ_STR("password"), "too_long", "It must have at most %d bytes in UTF-8.",
	    FYNQ_PASSWORD_MAX);
	return FYNQ_E_INVALID;
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

static enum fynq_err
post_register(struct fynq_req *rq, const void *in_)
{
	const struct register_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(check_password(rq, in->password));
	FYNQ_TRY(check_age(rq, in->birth_date));
	FYNQ_TRY(fynq_provider()->register_user(rq,
	    &(const struct fynq_registration){
		in->email, in->password, in->birth_date.text, in->display_name, in->locale },
	    &session));
	return reply_session(rq, 201, &session);
}

static enum fynq_err
post_login(struct fynq_req *rq, const void *in_)
{
	const struct login_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(check_password(rq, in->password));
	FYNQ_TRY(fynq_provider()->login(rq, in->email, in->password, &session));
	return reply_session(rq, 200, &session);
}

static enum fynq_err
post_refresh(struct fynq_req *rq, const void *in_)
{
	const struct refresh_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(fynq_provider()->refresh(rq, in->refresh_token, &session));
	return reply_session(rq, 200, &session);
}

static enum fynq_err
post_logout(struct fynq_req *rq, const void *in_)
{
	const struct logout_in *in = in_;
	enum fynq_scope scope = FYNQ_SCOPE_LOCAL;

	for (int i = 0; fynq_scope_names[i] != NULL; i++)
		if (fynq_str_eq(in->scope, fynq_str_of(fynq_scope_names[i])))
			scope = (enum fynq_scope)i;
	FYNQ_TRY(fynq_provider()->logout(rq, scope));
	return fynq_reply_empty(rq, 204);
}

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "auth", routes, NULL);
}
