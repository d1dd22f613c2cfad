/*
 * Accounts: what the auth responder asks of whoever keeps them.
 *
 * A provider is one struct of functions, picked by the settings. The local one keeps accounts in
 * the auth schema of the database. Each function fails as listed, recorded by fynq_fail(); what it
 * gives lives until the request ends.
 */
#ifndef FYNQ_IDENTITY_PROVIDER_H
#define FYNQ_IDENTITY_PROVIDER_H

#include "http/request.h"

/* A new account. Its fields have been checked; birth_date is YYYY-MM-DD. */
struct fynq_registration {
	struct fynq_str email, password, birth_date;
	struct fynq_str display_name, locale; /* absent where not given */
};

/* What a client holds from then on. */
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

struct fynq_provider {
	/*
	 * Make an account and sign in. CONFLICT where the address has one: without confirmation by
	 * mail there is no other answer to give, so here, and here alone, one can learn whether an
	 * address is registered.
	 */
	enum fynq_err (*register_user)(struct fynq_req *rq, const struct fynq_registration *given,
	    struct fynq_session *session_r);

	/*
	 * Sign in. BAD_CREDENTIALS, the same and after the same time, for an unknown address and
	 * for a wrong password; DISABLED only where the password is right.
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

	/*
	 * End sessions of the caller: their refresh tokens are worthless at once, while access
	 * tokens stay valid until they expire.
	 */
	enum fynq_err (*logout)(struct fynq_req *rq, enum fynq_scope scope);
};

extern const struct fynq_provider fynq_provider_local;

/* The provider of the settings. */
const struct fynq_provider *fynq_provider(void);

#endif
