/*
 * The claims of an access token (RFC 7519 section 4.1, and those of Supabase Auth).
 */
#ifndef FYNQ_IDENTITY_CLAIMS_H
#define FYNQ_IDENTITY_CLAIMS_H

#include "http/request.h"

/* What fynq reads from the claims; the rest is for the database's policies. */
struct fynq_claims {
	struct fynq_uuid user, session; /* the session may be absent */
	enum fynq_who role;
	int64_t exp; /* seconds since 1970 */
};

/* What a role allows; one that is unknown or absent is a student's. */
enum fynq_who fynq_claims_role(struct fynq_str role);

/* The string that a member holds; absent where it is missing or no string. Lives in the object. */
struct fynq_str fynq_claims_text(struct json_object *json, const char *name);

/* The same in the text of a JSON object; absent also where it is none. Lives in the arena. */
struct fynq_str fynq_claims_find(struct fynq_arena *a, struct fynq_str text, const char *name);

/*
 * Check the claims of a token, whose signature is good, at a time in seconds since 1970: iss, aud,
 * sub, iat, nbf and exp with FYNQ_JWT_LEEWAY_SECONDS; an exp after the year 9999 is none. The role
 * is app_metadata.role; user_metadata is the user's own to edit. TOKEN_EXPIRED where all is well
 * but exp, UNAUTHORIZED for anything else.
 */
enum fynq_err fynq_claims_check(
    struct json_object *json, int64_t now, struct fynq_claims *claims_r) FYNQ_MUST_CHECK;

/* True when exp lies so far back that no clock within the leeway takes the token for valid. */
bool fynq_claims_expired(int64_t exp, int64_t now);

#endif
