/*
 * Access tokens: JSON Web Tokens (RFC 7519) with the claims of Supabase Auth.
 *
 * The key decides the algorithm, never the token (RFC 8725 section 3.1). A token whose kid names a
 * key of identity/keys.h is good with that key and its algorithm alone: RS256, ES256 or EdDSA.
 * HS256 is good with FYNQ_JWT_SECRET alone, where that is set. A token is valid until it expires,
 * its key is gone, or its session has ended (standing.h).
 */
#ifndef FYNQ_IDENTITY_TOKEN_H
#define FYNQ_IDENTITY_TOKEN_H

#include "base/arena.h"
#include "http/request.h"

/* The longest token that is looked at or issued, in bytes. */
enum { FYNQ_ACCESS_TOKEN_MAX = 8192 };

/* What a token says of its account and session. */
struct fynq_grant {
	struct fynq_str user, session; /* UUIDs */
	struct fynq_str email;
	struct fynq_str app_metadata; /* a JSON object: provider, providers, role */
	int64_t signed_in;	      /* when the password was given; seconds since 1970 */
};

/* Read the keys. Once, before any thread starts. False, with a line for it, where there is none. */
bool fynq_token_init(struct fynq_buf *problems_r);

/*
 * A token that is valid for FYNQ_JWT_SECONDS from now on (seconds since 1970), in the arena.
 * INTERNAL, with the cause in the log, where app_metadata is no JSON object or makes the token
 * longer than 8 KB, or where neither a key nor a secret is left to sign with.
 */
enum fynq_err fynq_token_issue(struct fynq_arena *a, const struct fynq_grant *grant, int64_t now,
    struct fynq_str *token_r) FYNQ_MUST_CHECK;

/*
 * Check a token: its form, signature, iss, aud, sub, iat, nbf and exp, the times with
 * FYNQ_JWT_LEEWAY_SECONDS. A token found good is remembered until it expires or a key is taken
 * away, and not verified again. The caller's strings lie in the arena. TOKEN_EXPIRED where all is
 * well but exp (RFC 7519 section 4.1.4), AUTH_UNAVAILABLE where there are no keys to verify it with
 * and none come, UNAUTHORIZED for anything else.
 */
enum fynq_err fynq_token_verify(struct fynq_arena *a, struct fynq_str token, int64_t now,
    struct fynq_caller *caller_r) FYNQ_MUST_CHECK;

#endif
