/*
 * Accounts and sessions. This file has the routes; auth.h says where their handlers are.
 */
#include "auth.h"

enum { BODY_MAX = 16384, MAIL_TOKEN_MAX = 256, CODE_MAX = 512 };

#define PASSWORD_DOC "Not a common one, with at most 72 bytes; how many characters, the admin says."

static const struct fynq_field register_in[] = {
	FYNQ_FIELD(register_in, email, FYNQ_IN_BODY | FYNQ_REQUIRED,
	    "The address that signs in; upper and lower case are the same.",
	    .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(register_in, password, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET, PASSWORD_DOC,
	    .min = FYNQ_PASSWORD_MIN, .max = FYNQ_PASSWORD_MAX, .blank = true),
	FYNQ_FIELD(register_in, birth_date, FYNQ_IN_BODY | FYNQ_REQUIRED,
	    "The day of birth: the service has a minimum age.", .past = true),
	FYNQ_FIELD(register_in, display_name, FYNQ_IN_BODY, "What to call the user.",
	    .format = FYNQ_F_LINE, .max = 100),
	FYNQ_FIELD(register_in, locale, FYNQ_IN_BODY, "The user's language, as en-GB.",
	    .format = FYNQ_F_LOCALE),
	FYNQ_FIELD_END,
};

static const struct fynq_field login_in[] = {
	FYNQ_FIELD(login_in, email, FYNQ_IN_BODY | FYNQ_REQUIRED, "The address of the account.",
	    .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(login_in, password, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET, "Its password.",
	    .max = FYNQ_PASSWORD_MAX, .blank = true),
	FYNQ_FIELD_END,
};

static const struct fynq_field refresh_in[] = {
	FYNQ_FIELD(refresh_in, refresh_token, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "The newest refresh token of the session; it works once.", .max = 512),
	FYNQ_FIELD_END,
};

static const struct fynq_field logout_in[] = {
	FYNQ_FIELD(logout_in, scope, FYNQ_IN_BODY,
	    "Which sessions end: local (this one, the default), global (all) or others.",
	    .values = fynq_scope_names),
	FYNQ_FIELD_END,
};

static const struct fynq_field session_in[] = {
	FYNQ_FIELD(session_in, id, FYNQ_IN_PATH, "The session."),
	FYNQ_FIELD_END,
};

static const struct fynq_field verify_in[] = {
	FYNQ_FIELD(verify_in, type, FYNQ_IN_BODY | FYNQ_REQUIRED, "The type that the link names.",
	    .values = fynq_token_kinds),
	FYNQ_FIELD(verify_in, token, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "The token of the link; it works once.", .max = MAIL_TOKEN_MAX),
	FYNQ_FIELD_END,
};

static const struct fynq_field recover_in[] = {
	FYNQ_FIELD(recover_in, email, FYNQ_IN_BODY | FYNQ_REQUIRED, "The address of the account.",
	    .format = FYNQ_F_EMAIL),
	FYNQ_FIELD_END,
};

static const struct fynq_field reset_in[] = {
	FYNQ_FIELD(reset_in, token, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "The token of the recovery mail's link; it works once.", .max = MAIL_TOKEN_MAX),
	FYNQ_FIELD(reset_in, password, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET, PASSWORD_DOC,
	    .min = FYNQ_PASSWORD_MIN, .max = FYNQ_PASSWORD_MAX, .blank = true),
	FYNQ_FIELD_END,
};

static const struct fynq_field resend_in[] = {
	FYNQ_FIELD(resend_in, email, FYNQ_IN_BODY | FYNQ_REQUIRED, "The address of the account.",
	    .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(resend_in, type, FYNQ_IN_BODY | FYNQ_REQUIRED, "Which mail.",
	    .values = fynq_token_kinds),
	FYNQ_FIELD_END,
};

static const struct fynq_field password_in[] = {
	FYNQ_FIELD(password_in, current, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "The password that holds now.", .max = FYNQ_PASSWORD_MAX, .blank = true),
	FYNQ_FIELD(password_in, password, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET, PASSWORD_DOC,
	    .min = FYNQ_PASSWORD_MIN, .max = FYNQ_PASSWORD_MAX, .blank = true),
	FYNQ_FIELD_END,
};

/* The one method of PKCE that hides the verifier. */
static const char *const challenge_methods[] = { "S256", "s256", NULL };

static const struct fynq_field oauth_in[] = {
	FYNQ_FIELD(oauth_in, provider, FYNQ_IN_PATH, "The other service, such as google.",
	    .format = FYNQ_F_LINE, .max = 64),
	FYNQ_FIELD(oauth_in, redirect_to, FYNQ_IN_QUERY | FYNQ_REQUIRED,
	    "The page to come back to, one of those that the admin has listed.", .max = 1024),
	FYNQ_FIELD(oauth_in, code_challenge, FYNQ_IN_QUERY | FYNQ_REQUIRED,
	    "The SHA-256 of the verifier in base64url (RFC 7636).", .min = 43, .max = 43),
	FYNQ_FIELD(oauth_in, code_challenge_method, FYNQ_IN_QUERY, "S256, the only one.",
	    .values = challenge_methods),
	FYNQ_FIELD(oauth_in, state, FYNQ_IN_QUERY | FYNQ_REQUIRED,
	    "Comes back with the code: the page knows by it that it asked.", .min = 8, .max = 512),
	FYNQ_FIELD_END,
};

static const struct fynq_field callback_in[] = {
	FYNQ_FIELD(callback_in, flow, FYNQ_IN_QUERY, "What was begun.", .max = 64),
	FYNQ_FIELD(callback_in, code, FYNQ_IN_QUERY, "Buys a session.", .max = CODE_MAX),
	FYNQ_FIELD(
	    callback_in, error, FYNQ_IN_QUERY, "Why there is no code.", .max = 256, .blank = true),
	FYNQ_FIELD(callback_in, error_code, FYNQ_IN_QUERY, "Likewise.", .max = 256, .blank = true),
	FYNQ_FIELD(
	    callback_in, error_description, FYNQ_IN_QUERY, "Likewise.", .max = 4000, .blank = true),
	FYNQ_FIELD_END,
};

static const struct fynq_field exchange_in[] = {
	FYNQ_FIELD(exchange_in, code, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "The code that the page got.", .max = CODE_MAX),
	FYNQ_FIELD(exchange_in, code_verifier, FYNQ_IN_BODY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "What the challenge was made of (RFC 7636).", .min = 43, .max = 128),
	FYNQ_FIELD_END,
};

static const struct fynq_field user_out[] = {
	FYNQ_OUT("id", UUID, "The account's id."),
	FYNQ_OUT("email", STRING, "Its address."),
	FYNQ_OUT("role", STRING, "student, teacher or admin."),
	FYNQ_OUT("display_name", STRING, "What to call the user.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("locale", STRING, "The user's language.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("created_at", TIME, "When the account was made."),
	FYNQ_FIELD_END,
};

static const struct fynq_field session_out[] = {
	FYNQ_OUT("access_token", STRING, "For the Authorization header, as Bearer."),
	FYNQ_OUT("token_type", STRING, "bearer."),
	FYNQ_OUT("expires_in", INT, "How long the access token is valid, in seconds."),
	FYNQ_OUT("expires_at", INT, "When it expires, in seconds since 1970."),
	FYNQ_OUT("refresh_token", STRING, "Buys the next session, once."),
	FYNQ_OUT("user", OBJECT, "The account; GET /api/v1/users/me has the whole profile.",
	    .sub = user_out),
	FYNQ_FIELD_END,
};

/* Without a session where the address must be confirmed first: the user is all there is then. */
static const struct fynq_field registered_out[] = {
	FYNQ_OUT("access_token", STRING, "For the Authorization header, as Bearer.",
	    .flags = FYNQ_OPTIONAL),
	FYNQ_OUT("token_type", STRING, "bearer.", .flags = FYNQ_OPTIONAL),
	FYNQ_OUT("expires_in", INT, "How long the access token is valid, in seconds.",
	    .flags = FYNQ_OPTIONAL),
	FYNQ_OUT(
	    "expires_at", INT, "When it expires, in seconds since 1970.", .flags = FYNQ_OPTIONAL),
	FYNQ_OUT("refresh_token", STRING, "Buys the next session, once.", .flags = FYNQ_OPTIONAL),
	FYNQ_OUT("user", OBJECT, "The account; alone where a mail must be answered first.",
	    .sub = user_out),
	FYNQ_FIELD_END,
};

static const struct fynq_field sessions_item[] = {
	FYNQ_OUT("id", UUID, "The session's id."),
	FYNQ_OUT("current", BOOL, "It is the one that asks."),
	FYNQ_OUT("user_agent", STRING, "What signed in, in its own words.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("ip", STRING, "Where it signed in from.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("created_at", TIME, "When it signed in."),
	FYNQ_OUT("refreshed_at", TIME, "When it last got new tokens.", .flags = FYNQ_NULLABLE),
	FYNQ_FIELD_END,
};

static const struct fynq_field sessions_out[] = {
	FYNQ_OUT("items", ARRAY, "The caller's sessions, the newest first; 100 at most.",
	    .sub = sessions_item),
	FYNQ_FIELD_END,
};

static const struct fynq_field keys_out[] = {
	FYNQ_OUT("keys", ARRAY, "Public keys (RFC 7517); none where tokens are HS256."),
	FYNQ_FIELD_END,
};

static const enum fynq_err register_errors[] = { FYNQ_E_FORBIDDEN, FYNQ_E_UNDER_AGE,
	FYNQ_E_CONFLICT, FYNQ_E_RATE_LIMITED, FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err login_errors[] = { FYNQ_E_BAD_CREDENTIALS, FYNQ_E_DISABLED,
	FYNQ_E_RATE_LIMITED, FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err refresh_errors[] = { FYNQ_E_BAD_REFRESH_TOKEN, FYNQ_E_DISABLED,
	FYNQ_E_RATE_LIMITED, FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err logout_errors[] = { FYNQ_E_RATE_LIMITED, FYNQ_E_AUTH_UNAVAILABLE,
	FYNQ_OK };
static const enum fynq_err remote_errors[] = { FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err session_errors[] = { FYNQ_E_NOT_FOUND, FYNQ_OK };
static const enum fynq_err token_errors[] = { FYNQ_E_BAD_MAIL_TOKEN, FYNQ_E_DISABLED,
	FYNQ_E_RATE_LIMITED, FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err mail_errors[] = { FYNQ_E_RATE_LIMITED, FYNQ_OK };
static const enum fynq_err password_errors[] = { FYNQ_E_BAD_CREDENTIALS, FYNQ_E_RATE_LIMITED,
	FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err oauth_errors[] = { FYNQ_E_NOT_FOUND, FYNQ_OK };
static const enum fynq_err exchange_errors[] = { FYNQ_E_NOT_FOUND, FYNQ_E_BAD_CODE, FYNQ_E_DISABLED,
	FYNQ_E_RATE_LIMITED, FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };

static const struct fynq_route routes[] = {
	{ FYNQ_POST, "/api/v1/auth/register", FYNQ_ANYONE, register_in, .body_max = BODY_MAX,
	    .status = 201, .out = registered_out, .errors = register_errors,
	    .handler = post_register,
	    .summary = "Make an account and sign in, or be sent a mail to confirm it first." },
	{ FYNQ_POST, "/api/v1/auth/login", FYNQ_ANYONE, login_in, .body_max = BODY_MAX,
	    .status = 200, .out = session_out, .errors = login_errors, .handler = post_login,
	    .summary = "Sign in." },
	{ FYNQ_POST, "/api/v1/auth/refresh", FYNQ_ANYONE, refresh_in, .body_max = BODY_MAX,
	    .status = 200, .out = session_out, .errors = refresh_errors, .handler = post_refresh,
	    .summary = "Trade a refresh token for new tokens." },
	{ FYNQ_POST, "/api/v1/auth/logout", FYNQ_USER, logout_in, .body_max = BODY_MAX,
	    .status = 204, .errors = logout_errors, .handler = post_logout,
	    .summary = "End sessions; access tokens of theirs are good for a minute at most." },
	{ FYNQ_GET, "/api/v1/auth/sessions", FYNQ_USER, .status = 200, .out = sessions_out,
	    .handler = get_sessions, .summary = "Where the caller is signed in." },
	{ FYNQ_DELETE, "/api/v1/auth/sessions/{id}", FYNQ_USER, session_in, .status = 204,
	    .errors = session_errors, .handler = delete_session,
	    .summary = "End one of the caller's sessions." },
	{ FYNQ_POST, "/api/v1/auth/verify", FYNQ_ANYONE, verify_in, .body_max = BODY_MAX,
	    .status = 200, .out = session_out, .errors = token_errors, .handler = post_verify,
	    .summary = "Sign in with the token of a mail; it confirms the address." },
	{ FYNQ_POST, "/api/v1/auth/recover", FYNQ_ANYONE, recover_in, .body_max = BODY_MAX,
	    .status = 202, .errors = mail_errors, .handler = post_recover,
	    .summary = "Have a mail sent to set a new password, if the address has an account." },
	{ FYNQ_POST, "/api/v1/auth/reset", FYNQ_ANYONE, reset_in, .body_max = BODY_MAX,
	    .status = 200, .out = session_out, .errors = token_errors, .handler = post_reset,
	    .summary = "Set a new password with the token of a mail; every session ends." },
	{ FYNQ_POST, "/api/v1/auth/resend", FYNQ_ANYONE, resend_in, .body_max = BODY_MAX,
	    .status = 202, .errors = mail_errors, .handler = post_resend,
	    .summary = "Have a mail sent once more, if the address has an account." },
	{ FYNQ_PUT, "/api/v1/auth/password", FYNQ_USER, password_in, .body_max = BODY_MAX,
	    .status = 204, .errors = password_errors, .handler = put_password,
	    .summary = "Change the password; other sessions end." },
	{ FYNQ_GET, "/api/v1/auth/oauth/{provider}", FYNQ_ANYONE, oauth_in, .status = 302,
	    .errors = oauth_errors, .handler = get_oauth,
	    .summary = "Send the browser to another service to sign in, with PKCE." },
	{ FYNQ_GET, "/api/v1/auth/callback", FYNQ_ANYONE, callback_in, .status = 302,
	    .errors = oauth_errors, .handler = get_callback,
	    .summary = "Where the browser comes back to, on its way to the page with a code." },
	{ FYNQ_POST, "/api/v1/auth/exchange", FYNQ_ANYONE, exchange_in, .body_max = BODY_MAX,
	    .status = 200, .out = session_out, .errors = exchange_errors, .handler = post_exchange,
	    .summary = "Trade that code for a session." },
	{ FYNQ_GET, "/api/v1/auth/.well-known/jwks.json", FYNQ_ANYONE, .status = 200,
	    .out = keys_out, .errors = remote_errors, .handler = get_keys,
	    .summary = "The public keys of access tokens." },
	{ 0 }
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "auth", routes, &fynq_upkeep);
}
