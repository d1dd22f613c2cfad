
#include "base/config.h"
#include "base/hmac.h"
#include "base/log.h"
#include "http/json.h"
#include "identity/claims.h"
#include "identity/keys.h"
#include "identity/token-cache.h"
#include "identity/token.h"

/* Bytes of JSON in a header; fynq's own has 75 at most. */
enum { HEADER_MAX = 512 };

bool
fynq_token_init(struct fynq_buf *problems_r)
{
	return fynq_keys_init(problems_r);
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
refuse_grant(const struct fynq_grant *grant, const char *why)
{
	fynq_log(FYNQ_LOG_ERROR, "token", "cannot issue a token for user %.*s: %s",
	    FYNQ_STR_ARG(grant->user), why);
	return FYNQ_E_INTERNAL;
}

/* What is issued must pass the parser that it comes back to. */
static bool
are_sound(struct fynq_arena *a, const struct fynq_grant *grant, struct fynq_str claims)
{
	struct json_object *json;
	struct fynq_str why;

	return claims.p != NULL && fynq_json_parse(a, grant->app_metadata, &json, &why) &&
	       fynq_json_parse(a, claims, &json, &why);
}

static void
add_header(struct fynq_buf *b, const struct fynq_key *key)
{
	struct fynq_buf header = FYNQ_BUF_INIT(HEADER_MAX);

	fynq_buf_printf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"",
	    fynq_alg_names[key != NULL ? key->alg : FYNQ_HS256]);
	if (key != NULL) {
		fynq_buf_add(&header, FYNQ_STR(",\"kid\":"));
		fynq_buf_add_json(&header, fynq_str_of(key->kid));
	}
	fynq_buf_add_char(&header, '}');
	fynq_base64url(b, header.p, header.n);
	fynq_buf_release(&header);
}

/* A key signs where there is one, else the secret. */
static bool
sign(const struct fynq_key *key, struct fynq_str text, unsigned char *signature_r, size_t *n_r)
{
	struct fynq_str secret = fynq_str_of(fynq_config.jwt_secret);

	if (key != NULL)
		return fynq_alg_sign(key->alg, key->pkey, text, signature_r, n_r);
	*n_r = FYNQ_HMAC_SIZE;
	return secret.n > 0 && fynq_hmac_sign(secret, text, signature_r);
}

enum fynq_err
fynq_token_issue(
    struct fynq_arena *a, const struct fynq_grant *grant, int64_t now, struct fynq_str *token_r)
{
	struct fynq_str claims = write_claims(a, grant, now);
	const struct fynq_key *key = fynq_keys_signer(a, now);
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_ACCESS_TOKEN_MAX);
	unsigned char signature[FYNQ_SIGNATURE_MAX];
	size_t n = 0;
	bool signed_well;

	if (!are_sound(a, grant, claims))
		return refuse_grant(grant, "bad app_metadata");
	add_header(&b, key);
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, claims.p, claims.n);
	signed_well = sign(key, fynq_buf_str(&b), signature, &n);
	if (signed_well) {
		fynq_buf_add_char(&b, '.');
		fynq_base64url(&b, signature, n);
	}
	*token_r = fynq_arena_copy(a, fynq_buf_str(&b));
	signed_well = signed_well && !b.full;
	fynq_buf_release(&b);
	return signed_well ? FYNQ_OK : refuse_grant(grant, "too long, or no key signs");
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

/* What a header says, once it is known to be sound. */
struct header {
	enum fynq_alg alg;
	struct fynq_str kid; /* absent where there is none */
};

/*
 * "crit" lists extensions that must be understood (RFC 7515 section 4.1.11), and none is. The
 * others name or hold a key; a token must not choose what it is verified with (RFC 8725 section
 * 3.10), and no honest issuer of ours writes one of them.
 */
static bool
has_refused_member(struct json_object *header)
{
	static const char *const refused[] = { "crit", "b64", "jku", "jwk", "x5u", "x5c" };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (json_object_object_get_ex(header, refused[i], NULL))
			return true;
	return false;
}

static bool
read_header(struct fynq_arena *a, struct fynq_str text, struct header *header_r)
{
	struct json_object *json;
	struct fynq_str why;

	if (text.n == 0 || text.n > HEADER_MAX || !fynq_json_parse(a, text, &json, &why) ||
	    !fynq_alg_parse(fynq_claims_text(json, "alg"), &header_r->alg) ||
	    has_refused_member(json))
		return false;
	if (json_object_object_get_ex(json, "typ", NULL) &&
	    !fynq_str_ieq(fynq_claims_text(json, "typ"), FYNQ_STR("JWT")))
		return false;
	header_r->kid = fynq_claims_text(json, "kid");
	return !json_object_object_get_ex(json, "kid", NULL) ||
	       (header_r->kid.n > 0 && header_r->kid.n <= FYNQ_KID_MAX);
}

/*
 * The key decides. A public key is found by its kid, and its algorithm is the only one that goes
 * with it; what names none of them can only be HS256, by the secret.
 */
static enum fynq_err
check_signature(struct fynq_arena *a, const struct header *header, struct fynq_str text,
    struct fynq_str signature, int64_t now)
{
	struct fynq_str secret = fynq_str_of(fynq_config.jwt_secret);
	const struct fynq_key *key = NULL;
	bool fits;

	if (header->alg == FYNQ_HS256) {
		fits = !fynq_keys_known(header->kid, now) &&
		       fynq_hmac_verify(secret, text, signature);
	} else {
		if (header->kid.p == NULL)
			return FYNQ_E_UNAUTHORIZED;
		FYNQ_TRY(fynq_keys_find(a, header->kid, now, &key));
		fits = key->alg == header->alg &&
		       fynq_alg_verify(key->alg, key->pkey, text, signature);
	}
	return fits ? FYNQ_OK : FYNQ_E_UNAUTHORIZED;
}

/* Every part is read strictly before a signature is looked at: its bytes are what was signed. */
static enum fynq_err
check_parts(struct fynq_arena *a, struct fynq_str header, struct fynq_str payload,
    struct fynq_str signed_text, struct fynq_str signature, int64_t now,
    struct fynq_claims *claims_r)
{
	struct json_object *json;
	struct header head;
	struct fynq_str why;

	if (signature.n == 0 || payload.n == 0 || !read_header(a, header, &head) ||
	    !fynq_json_parse(a, payload, &json, &why))
		return FYNQ_E_UNAUTHORIZED;
	FYNQ_TRY(check_signature(a, &head, signed_text, signature, now));
	return fynq_claims_check(json, now, claims_r);
}

/* Verify a token that is not known yet; of the arena only the payload stays taken. */
static enum fynq_err
verify(struct fynq_arena *a, struct fynq_str token, int64_t now, struct fynq_claims *claims_r,
    struct fynq_str *text_r)
{
	struct fynq_str header, payload, signature, signed_text = token;
	struct fynq_mark mark;
	enum fynq_err e;

	fynq_str_cut(token, '.', &header, &payload);
	fynq_str_cut(payload, '.', &payload, &signature);
	signed_text.n = header.n + 1 + payload.n;
	*text_r = decode_part(a, payload);
	mark = fynq_arena_mark(a);
	e = check_parts(a, decode_part(a, header), *text_r, signed_text, decode_part(a, signature),
	    now, claims_r);
	fynq_arena_release(a, mark);
	return e;
}

enum fynq_err
fynq_token_verify(
    struct fynq_arena *a, struct fynq_str token, int64_t now, struct fynq_caller *caller_r)
{
	uint64_t generation = fynq_keys_generation(now);
	struct fynq_claims claims;
	struct fynq_str text;

	if (token.n == 0 || token.n > FYNQ_ACCESS_TOKEN_MAX)
		return FYNQ_E_UNAUTHORIZED;
	if (!fynq_token_cache_get(a, token, generation, &claims, &text)) {
		FYNQ_TRY(verify(a, token, now, &claims, &text));
		fynq_token_cache_put(token, generation, &claims, text);
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
