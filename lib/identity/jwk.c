#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "base/ids.h"
#include "identity/claims.h"
#include "identity/jwk.h"

enum { COORDINATE_SIZE = 32, RSA_SIZE_MAX = FYNQ_RSA_BITS_MAX / 8, EXPONENT_SIZE_MAX = 4 };

/* A member in base64url, of at most size bytes; their number, 0 where there are none. */
static size_t
bytes_of(struct json_object *jwk, const char *name, unsigned char *bytes_r, size_t size)
{
	struct fynq_str text = fynq_claims_text(jwk, name);
	size_t n = 0;

	return text.p != NULL && fynq_base64url_decode(text, bytes_r, size, &n) ? n : 0;
}

static bool
is_text(struct json_object *jwk, const char *name, const char *text)
{
	return fynq_str_eq(fynq_claims_text(jwk, name), fynq_str_of(text));
}

static EVP_PKEY *
make_key(const char *type, OSSL_PARAM_BLD *build)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL), *check = NULL;
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	/* Such as that a point is on its curve. */
	if (pkey != NULL && ((check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL)) == NULL ||
				EVP_PKEY_public_check_quick(check) != 1)) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	EVP_PKEY_CTX_free(check);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static EVP_PKEY *
read_ec(struct json_object *jwk)
{
	/* An uncompressed point (SEC 1 section 2.3.3). */
	unsigned char point[1 + 2 * COORDINATE_SIZE] = { 4 };
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (build != NULL && is_text(jwk, "crv", "P-256") &&
	    bytes_of(jwk, "x", point + 1, COORDINATE_SIZE) == COORDINATE_SIZE &&
	    bytes_of(jwk, "y", point + 1 + COORDINATE_SIZE, COORDINATE_SIZE) == COORDINATE_SIZE &&
	    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(
		build, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
		pkey = make_key("EC", build);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *
read_rsa(struct json_object *jwk)
{
	unsigned char modulus[RSA_SIZE_MAX], exponent[EXPONENT_SIZE_MAX];
	int n_size = (int)bytes_of(jwk, "n", modulus, sizeof(modulus));
	int e_size = (int)bytes_of(jwk, "e", exponent, sizeof(exponent));
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_bin2bn(modulus, n_size, NULL), *e = BN_bin2bn(exponent, e_size, NULL);
	EVP_PKEY *pkey = NULL;

	if (build != NULL && n != NULL && e != NULL && n_size > 0 && e_size > 0 && BN_is_odd(n) &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		pkey = make_key("RSA", build);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(build);
	return pkey;
}

static EVP_PKEY *
read_okp(struct json_object *jwk)
{
	unsigned char x[COORDINATE_SIZE];

	if (!is_text(jwk, "crv", "Ed25519") || bytes_of(jwk, "x", x, sizeof(x)) != sizeof(x))
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
}

static EVP_PKEY *
read_public(struct json_object *jwk)
{
	if (is_text(jwk, "kty", "EC"))
		return read_ec(jwk);
	if (is_text(jwk, "kty", "RSA"))
		return read_rsa(jwk);
	return is_text(jwk, "kty", "OKP") ? read_okp(jwk) : NULL;
}

/* Of a member that need not be there: it is not, or has that text. */
static bool
may_be(struct json_object *jwk, const char *name, const char *text)
{
	return !json_object_object_get_ex(jwk, name, NULL) || is_text(jwk, name, text);
}

bool
fynq_jwk_read(struct json_object *jwk, struct fynq_key *key_r)
{
	struct fynq_str kid = fynq_claims_text(jwk, "kid");
	struct fynq_key key = { .until = FYNQ_KEY_STAYS };
	bool usable;

	if (kid.n == 0 || kid.n > FYNQ_KID_MAX || !may_be(jwk, "use", "sig"))
		return false;
	memcpy(key.kid, kid.p, kid.n);
	key.pkey = read_public(jwk);
	usable = key.pkey != NULL && fynq_alg_of(key.pkey, &key.alg) &&
		 may_be(jwk, "alg", fynq_alg_names[key.alg]);
	ERR_clear_error();
	if (usable)
		*key_r = key;
	else
		EVP_PKEY_free(key.pkey);
	return usable;
}

struct fynq_keyset *
fynq_jwks_read(struct json_object *jwks)
{
	struct json_object *keys = NULL;
	struct fynq_keyset *set;

	if (!json_object_object_get_ex(jwks, "keys", &keys) ||
	    !json_object_is_type(keys, json_type_array) ||
	    json_object_array_length(keys) > FYNQ_KEYS_MAX)
		return NULL;
	set = fynq_keyset_new();
	for (size_t i = 0; i < json_object_array_length(keys); i++) {
		struct json_object *jwk = json_object_array_get_idx(keys, i);
		struct fynq_key key;

		if (json_object_is_type(jwk, json_type_object) && fynq_jwk_read(jwk, &key))
			(void)fynq_keyset_add(set, key);
	}
	return set;
}

static void
add_bytes(struct fynq_buf *b, const char *name, const unsigned char *bytes, size_t n)
{
	fynq_buf_printf(b, ",\"%s\":\"", name);
	fynq_base64url(b, bytes, n);
	fynq_buf_add_char(b, '"');
}

static void
add_number(struct fynq_buf *b, const char *name, const EVP_PKEY *pkey, const char *param)
{
	unsigned char bytes[RSA_SIZE_MAX];
	BIGNUM *number = NULL;

	if (EVP_PKEY_get_bn_param(pkey, param, &number) == 1 &&
	    BN_num_bytes(number) <= RSA_SIZE_MAX)
		add_bytes(b, name, bytes, (size_t)BN_bn2bin(number, bytes));
	BN_free(number);
}

static void
add_coordinate(struct fynq_buf *b, const char *name, const EVP_PKEY *pkey, const char *param)
{
	unsigned char bytes[COORDINATE_SIZE];
	BIGNUM *number = NULL;

	if (EVP_PKEY_get_bn_param(pkey, param, &number) == 1 &&
	    BN_bn2binpad(number, bytes, COORDINATE_SIZE) == COORDINATE_SIZE)
		add_bytes(b, name, bytes, COORDINATE_SIZE);
	BN_free(number);
}

/* Member by member: what is not named here does not go out. */
static void
write_jwk(struct fynq_buf *b, const struct fynq_key *key)
{
	unsigned char x[COORDINATE_SIZE];
	size_t n = sizeof(x);

	fynq_buf_add(b, FYNQ_STR("{\"kid\":"));
	fynq_buf_add_json(b, fynq_str_of(key->kid));
	fynq_buf_printf(b, ",\"use\":\"sig\",\"alg\":\"%s\"", fynq_alg_names[key->alg]);
	if (key->alg == FYNQ_RS256) {
		fynq_buf_add(b, FYNQ_STR(",\"kty\":\"RSA\""));
		add_number(b, "n", key->pkey, OSSL_PKEY_PARAM_RSA_N);
		add_number(b, "e", key->pkey, OSSL_PKEY_PARAM_RSA_E);
	} else if (key->alg == FYNQ_ES256) {
		fynq_buf_add(b, FYNQ_STR(",\"kty\":\"EC\",\"crv\":\"P-256\""));
		add_coordinate(b, "x", key->pkey, OSSL_PKEY_PARAM_EC_PUB_X);
		add_coordinate(b, "y", key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y);
	} else if (EVP_PKEY_get_raw_public_key(key->pkey, x, &n) == 1) {
		fynq_buf_add(b, FYNQ_STR(",\"kty\":\"OKP\",\"crv\":\"Ed25519\""));
		add_bytes(b, "x", x, n);
	}
	fynq_buf_add_char(b, '}');
}

void
fynq_jwks_write(struct fynq_buf *b, const struct fynq_keyset *set, int64_t now)
{
	bool first = true;

	fynq_buf_add_char(b, '[');
	for (size_t i = 0; set != NULL && i < set->n; i++) {
		if (now >= set->keys[i].until)
			continue;
		if (!first)
			fynq_buf_add_char(b, ',');
		first = false;
		write_jwk(b, &set->keys[i]);
	}
	fynq_buf_add_char(b, ']');
	ERR_clear_error();
}
