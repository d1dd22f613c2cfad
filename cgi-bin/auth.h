/*
 * The auth program: its handlers, and what they share.
 */
#ifndef FYNQ_AUTH_H
#define FYNQ_AUTH_H

#include "fynq.h"

#include "identity/password.h"

/* auth-session.c */
fynq_handler post_register, post_login, post_refresh, post_logout, get_sessions, delete_session,
    get_keys;

/* auth-mail.c */
fynq_handler post_verify, post_recover, post_reset, post_resend, put_password;

/* auth-oauth.c */
fynq_handler get_oauth, get_callback, post_exchange;

struct register_in {
	struct fynq_str email, password;
	struct fynq_date birth_date;
	struct fynq_str display_name, locale;
};

struct login_in {
	struct fynq_str email, password;
};

struct refresh_in {
	struct fynq_str refresh_token;
};

struct logout_in {
	struct fynq_str scope;
};

struct session_in {
	struct fynq_uuid id;
};

struct verify_in {
	struct fynq_str type, token;
};

struct recover_in {
	struct fynq_str email;
};

struct reset_in {
	struct fynq_str token, password;
};

struct resend_in {
	struct fynq_str email, type;
};

struct password_in {
	struct fynq_str current, password;
};

struct oauth_in {
	struct fynq_str provider, redirect_to, code_challenge, code_challenge_method, state;
};

struct callback_in {
	struct fynq_str flow, code, error, error_code, error_description;
};

struct exchange_in {
	struct fynq_str code, code_verifier;
};

/*
 * auth-record.c. Count a try as fynq_attempt_count() does; the first refusal since one was counted
 * is recorded as "locked".
 */
enum fynq_err count_try(
    struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str email) FYNQ_MUST_CHECK;

/* The try failed with e: recorded as "sign_in_failed" where it is about the client. Returns e. */
enum fynq_err try_failed(
    struct fynq_req *rq, enum fynq_err e, struct fynq_str email) FYNQ_MUST_CHECK;

/* Whose session it is: the id of its user. */
struct fynq_str session_user(struct fynq_req *rq, const struct fynq_session *session);

/* The address of the caller's account as the token has it; the account's id where it has none. */
struct fynq_str caller_email(struct fynq_req *rq);

/* Answer with a session, or with the user alone where there is none yet. */
enum fynq_err reply_session(struct fynq_req *rq, int status, const struct fynq_session *session);

#endif
