#include <stdlib.h>

#include <openssl/err.h>

#include "base/config.h"
#include "base/log.h"
#include "http/json.h"
#include "identity/claims.h"
#include "identity/token-cache.h"
#include "identity/token-key.h"
#include "identity/token.h"

/* Bytes of JSON in a header; fynq's own has 27. */
enum { HEADER_MAX = 512 };

static struct fynq_token_key key;

bool
fynq_token_init(struct fynq_buf *problems_r)
{
	return fynq_token_key_load(&key, problems_r);
}

static void
free_jwt(void *jwt)
{
	jwt_free(jwt);
}

/* Claims as Supabase Auth writes them. */
static struct fynq_str
write_claims(struct fynq_arena *a, const struct fynq_grant *grant, int64_t now)
{
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_ACCESS_TOKEN_MAX);
	struct fynq_str text;

	fynq_buf_add(&b, FYNQ_STR("{\"iss\":"));
	fynq_buf_add_json(&b, fynq_str_of(fynq_config.jwt_issuer));
	fynq_buf_add(&b, FYNQ_STR(",\"aud\":"));
	fynq_buf_add_json(&b, fynq_str_of(fynq_config.jwt_audience));
	fynq_buf_add(&b, FYNQ_STR(",\"sub\":"));
	fynq_buf_add_json(&b, grant->user);
	fynq_buf_add(&b, FYNQ_STR(",\"session_id\":"));
	fynq_buf_add_json(&b, grant->session);
	fynq_buf_add(&b, FYNQ_STR(",\"email\":"));
	fynq_buf_add_json(&b, grant->email);
	fynq_buf_add(&b, FYNQ_STR(",\"app_metadata\":"));
	fynq_buf_add(&b, grant->app_metadata);
	fynq_buf_printf(&b, ",\"iat\":%lld,\"exp\":%lld", (long long)now,
	    (long long)(now + fynq_config.jwt_seconds));
	fynq_buf_printf(&b,
	    ",\"aal\":\"aal1\",\"amr\":[{\"method\":\"password\",\"timestamp\":%lld}]",
	    (long long)grant->signed_in);
	fynq_buf_add(&b, FYNQ_STR(",\"role\":\"authenticated\",\"phone\":\"\""
				  ",\"user_metadata\":{},\"is_anonymous\":false}"));
	text = b.full ? (struct fynq_str){ 0 } : fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return text;
}

static enum fynq_err
refuse_grant(const struct fynq_grant *grant)
{
	fynq_log(FYNQ_LOG_ERROR, "token", "cannot issue a token for user %.*s: bad app_metadata",
	    FYNQ_STR_ARG(grant->user));
	return FYNQ_E_INTERNAL;
}

enum fynq_err
fynq_token_issue(
    struct fynq_arena *a, const struct fynq_grant *grant, int64_t now, struct fynq_str *token_r)
{
	struct fynq_str claims = write_claims(a, grant, now);
	jwt_t *jwt = NULL;
	char *token;

	if (claims.p == NULL || !fynq_str_starts(grant->app_metadata, FYNQ_STR("{")) ||
	    jwt_new(&jwt) != 0)
		return refuse_grant(grant);
	fynq_arena_defer(a, free_jwt, jwt);
	if (jwt_add_grants_json(jwt, claims.p) != 0 ||
	    jwt_set_alg(jwt, key.alg, (const unsigned char *)key.sign.p, (int)key.sign.n) != 0 ||
	    (token = jwt_encode_str(jwt)) == NULL)
		return refuse_grant(grant);
	fynq_arena_defer(a, free, token);
	*token_r = fynq_str_of(token);
	return token_r->n <= FYNQ_ACCESS_TOKEN_MAX ? FYNQ_OK : refuse_grant(grant);
}

/* Decode one part of a token; absent where it is empty or not base64url. */
static struct fynq_str
decode_part(struct fynq_arena *a, struct fynq_str part)
{
	size_t size = part.n / 4 * 3 + 3, n;
	char *bytes = fynq_arena_alloc(a, size);

	if (part.n == 0 || !fynq_base64url_decode(part, bytes, size, &n))
		return (struct fynq_str){ 0 };
	return (struct fynq_str){ bytes, n };
}

/*
 * True where the header names the key's own algorithm. "crit" lists extensions that must be
 * understood (RFC 7515 section 4.1.11), and none is.
 */
static bool
header_fits(struct fynq_arena *a, struct fynq_str text)
{
	struct json_object *header;
	struct fynq_str why;

	return text.n > 0 && text.n <= HEADER_MAX && fynq_json_parse(a, text, &header, &why) &&
	       fynq_str_eq(fynq_claims_text(header, "alg"), key.name) &&
	       !json_object_object_get_ex(header, "crit", NULL);
}

static bool
signature_fits(struct fynq_arena *a, struct fynq_str token)
{
	jwt_t *jwt = NULL;
	bool fits = jwt_decode(&jwt, fynq_arena_strdup(a, token),
			(const unsigned char *)key.verify.p, (int)key.verify.n) == 0 &&
		    jwt_get_alg(jwt) == key.alg;

	jwt_free(jwt);
	/* A failed check leaves errors that this thread's next TLS call could take for its own. */
	ERR_clear_error();
	return fits;
}

/*
 * libjwt decodes leniently and parses the payload before it looks at the signature, so it only
 * gets what has passed the strict parsers here.
 */
static enum fynq_err
check_parts(struct fynq_arena *a, struct fynq_str token, struct fynq_str header,
    struct fynq_str payload, struct fynq_str signature, int64_t now, struct fynq_claims *claims_r)
{
	struct json_object *json;
	struct fynq_str why;

	if (decode_part(a, signature).n != key.signature_size || payload.n == 0 ||
	    !header_fits(a, decode_part(a, header)) || !fynq_json_parse(a, payload, &json, &why) ||
	    !signature_fits(a, token))
		return FYNQ_E_UNAUTHORIZED;
	return fynq_claims_check(json, now, claims_r);
}

/* Verify a token that is not known yet; of the arena only the payload stays taken. */
static enum fynq_err
verify(struct fynq_arena *a, struct fynq_str token, int64_t now, struct fynq_claims *claims_r,
    struct fynq_str *text_r)
{
	struct fynq_str header, payload, signature;
	struct fynq_mark mark;
	enum fynq_err e;

	fynq_str_cut(token, '.', &header, &payload);
	fynq_str_cut(payload, '.', &payload, &signature);
	*text_r = decode_part(a, payload);
	mark = fynq_arena_mark(a);
	e = check_parts(a, token, header, *text_r, signature, now, claims_r);
	fynq_arena_release(a, mark);
	return e;
}

enum fynq_err
fynq_token_verify(
    struct fynq_arena *a, struct fynq_str token, int64_t now, struct fynq_caller *caller_r)
{
	struct fynq_claims claims;
	struct fynq_str text;

	if (token.n == 0 || token.n > FYNQ_ACCESS_TOKEN_MAX)
		return FYNQ_E_UNAUTHORIZED;
	if (!fynq_token_cache_get(a, token, &claims, &text)) {
		FYNQ_TRY(verify(a, token, now, &claims, &text));
		fynq_token_cache_put(token, &claims, text);
	} else if (fynq_claims_expired(claims.exp, now)) {
		return FYNQ_E_TOKEN_EXPIRED;
	}
	*caller_r = (struct fynq_caller){
		.id = fynq_arena_copy(a, fynq_uuid_str(&claims.user)),
		.session = fynq_arena_copy(a, fynq_uuid_str(&claims.session)),
		.claims = text,
		.role = claims.role,
	};
	return FYNQ_OK;
}
