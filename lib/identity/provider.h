/*
 * Accounts: what the endpoints ask of whoever keeps them.
 *
 * A provider is one struct of functions, picked by FYNQ_AUTH: fynq itself (provider-local.c), in
 * the auth schema of the database, or Supabase Auth (provider-supabase.c), over HTTP. Nothing
 * above knows which. Each function fails as listed, recorded by fynq_fail(), and with
 * AUTH_UNAVAILABLE or the errors of fynq_db_run() where whoever keeps the accounts does not answer;
 * what it gives lives until the request ends. All block.
 */
#ifndef FYNQ_IDENTITY_PROVIDER_H
#define FYNQ_IDENTITY_PROVIDER_H

#include "http/request.h"

/* A new account. Its fields have been checked; birth_date is YYYY-MM-DD. */
struct fynq_registration {
	struct fynq_str email, password, birth_date;
	struct fynq_str display_name, locale; /* absent where not given */
};

/*
 * What a client holds from then on. An account that must be confirmed by mail first has no
 * session: then access_token is absent and user is all there is.
 */
struct fynq_session {
	struct fynq_str access_token, refresh_token;
	int64_t expires_in;   /* how long the access token is valid, in seconds */
	int64_t expires_at;   /* until when, in seconds since 1970 */
	struct fynq_str user; /* a JSON object: id, email, role, display_name, locale, created_at */
};

/* Which sessions of the caller end: this one, every one, every other one. */
enum fynq_scope { FYNQ_SCOPE_LOCAL, FYNQ_SCOPE_GLOBAL, FYNQ_SCOPE_OTHERS };

/* "local", "global", "others", NULL. */
extern const char *const fynq_scope_names[];

/*
 * The mails. EXISTS goes out in place of SIGNUP to the owner of an address that someone wants to
 * register again; CHANGED tells of a new password. Both have no token.
 */
enum fynq_mail_kind {
	FYNQ_MAIL_SIGNUP,
	FYNQ_MAIL_RECOVERY,
	FYNQ_MAIL_EXISTS,
	FYNQ_MAIL_CHANGED,
	FYNQ_MAIL_KINDS
};

/* "signup", "recovery", "exists", "password-changed": as the outbox and the templates have them. */
extern const char *const fynq_mail_names[FYNQ_MAIL_KINDS];

/* "signup", "recovery", NULL: the kinds that have a token. */
extern const char *const fynq_token_kinds[];

/* An account as an admin sees it, or makes it. */
struct fynq_account {
	struct fynq_str email, password, role; /* role: student, teacher or admin */
};

/* What CONFLICT says, whoever keeps the accounts. */
#define FYNQ_EMAIL_TAKEN "The email address is registered already."

struct fynq_provider {
	/*
	 * Make an account, and sign in unless it must be confirmed by mail first. CONFLICT where
	 * the address has an account and needs no confirmation: there is no other answer to give
	 * then, so here, and here alone, one can learn whether an address is registered. With
	 * confirmation the answer is the same for either.
	 */
	enum fynq_err (*register_user)(struct fynq_req *rq, const struct fynq_registration *given,
	    struct fynq_session *session_r);

	/*
	 * Sign in. BAD_CREDENTIALS, the same and after the same time, for an unknown address, for a
	 * wrong password, and for an address that is not confirmed: else who registers one with a
	 * password of their own would learn by signing in whether it had an account before.
	 * DISABLED only where the password is right.
	 */
	enum fynq_err (*login)(struct fynq_req *rq, struct fynq_str email, struct fynq_str password,
	    struct fynq_session *session_r);

	/*
	 * Trade a refresh token for new tokens; it is used up. Presented again within ten seconds,
	 * as by a client whose answer was lost, it gives others; after that its session ends, for
	 * one of two holders must be a thief (RFC 9700 section 4.14.2). BAD_REFRESH_TOKEN,
	 * DISABLED.
	 */
	enum fynq_err (*refresh)(
	    struct fynq_req *rq, struct fynq_str token, struct fynq_session *session_r);

	/* End sessions of the caller; how long its access tokens are still good, standing.h says.
	 */
	enum fynq_err (*logout)(struct fynq_req *rq, enum fynq_scope scope);

	/*
	 * Send the mail of that kind to the address, if it has an account that can use it; it is
	 * FYNQ_OK where it has none, and nothing is sent. Called by the outbox (outbox.h), never
	 * while a client waits: what it does and how long it takes depends on the account.
	 * AUTH_UNAVAILABLE where it may work later.
	 */
	enum fynq_err (*send_mail)(
	    struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email);

	/* Use up the token of a mail and sign in. BAD_MAIL_TOKEN, DISABLED. */
	enum fynq_err (*verify)(struct fynq_req *rq, enum fynq_mail_kind kind,
	    struct fynq_str token, struct fynq_session *session_r);

	/*
	 * Use up the token of a recovery mail, set a new password, end every session there was and
	 * sign in. BAD_MAIL_TOKEN, DISABLED.
	 */
	enum fynq_err (*reset)(struct fynq_req *rq, struct fynq_str token, struct fynq_str password,
	    struct fynq_session *session_r);

	/* Change the caller's password; every other session ends. BAD_CREDENTIALS. */
	enum fynq_err (*change_password)(
	    struct fynq_req *rq, struct fynq_str current, struct fynq_str password);

	/*
	 * Where a browser goes to sign in through another service, such as "google", with PKCE (RFC
	 * 7636, S256); callback is our own URL to come back to. NOT_FOUND where there is no such
	 * service here.
	 */
	enum fynq_err (*authorize_url)(struct fynq_req *rq, struct fynq_str service,
	    struct fynq_str callback, struct fynq_str challenge, struct fynq_str *url_r);

	/* Trade the code that came back for a session. BAD_CODE, DISABLED. */
	enum fynq_err (*exchange)(struct fynq_req *rq, struct fynq_str code,
	    struct fynq_str verifier, struct fynq_session *session_r);

	/*
	 * For admins, and fynqctl. The account's address counts as confirmed. CONFLICT where the
	 * address has an account; of the others NOT_FOUND where there is no such account. A new
	 * role, disabling and a new password end the account's sessions.
	 */
	enum fynq_err (*create_user)(
	    struct fynq_req *rq, const struct fynq_account *account, struct fynq_uuid *id_r);
	enum fynq_err (*set_role)(struct fynq_req *rq, struct fynq_str id, struct fynq_str role);
	enum fynq_err (*set_disabled)(struct fynq_req *rq, struct fynq_str id, bool disabled);
	enum fynq_err (*set_password)(
	    struct fynq_req *rq, struct fynq_str id, struct fynq_str password);

	/*
	 * Delete the account and with it, by the database's foreign keys, every row of its user.
	 * One that is not there is deleted already.
	 */
	enum fynq_err (*delete_user)(struct fynq_req *rq, struct fynq_str id);
};

extern const struct fynq_provider fynq_provider_local, fynq_provider_supabase;

/* The provider of the settings. */
const struct fynq_provider *fynq_provider(void);

#endif
