#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "identity/alg.h"

enum { P256_SIZE = 32, DER_MAX = 80, GENERATED_RSA_BITS = 3072 };

const char *const fynq_alg_names[] = {
	[FYNQ_HS256] = "HS256",
	[FYNQ_RS256] = "RS256",
	[FYNQ_ES256] = "ES256",
	[FYNQ_EDDSA] = "EdDSA",
	[FYNQ_ALGS] = NULL,
};

/* The order of P-256 (SP 800-186 section 3.2.1.3). */
static const unsigned char p256_order[P256_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e,
	0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };

bool
fynq_alg_parse(struct fynq_str name, enum fynq_alg *alg_r)
{
	for (int i = 0; i < FYNQ_ALGS; i++)
		if (fynq_str_eq(name, fynq_str_of(fynq_alg_names[i]))) {
			*alg_r = (enum fynq_alg)i;
			return true;
		}
	return false;
}

/* With an exponent of 1 anything would be its own signature. */
static bool
is_sound_rsa(const EVP_PKEY *pkey)
{
	int bits = EVP_PKEY_get_bits(pkey);
	BIGNUM *e = NULL;
	bool sound = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 && BN_is_odd(e) &&
		     !BN_is_one(e) && BN_num_bits(e) <= 32 && bits >= FYNQ_RSA_BITS_MIN &&
		     bits <= FYNQ_RSA_BITS_MAX;

	BN_free(e);
	return sound;
}

static bool
is_p256(const EVP_PKEY *pkey)
{
	char curve[32] = "";

	return EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) == 1 &&
	       strcmp(curve, "prime256v1") == 0;
}

bool
fynq_alg_of(const EVP_PKEY *pkey, enum fynq_alg *alg_r)
{
	bool known = true;

	if (EVP_PKEY_is_a(pkey, "RSA") && is_sound_rsa(pkey))
		*alg_r = FYNQ_RS256;
	else if (EVP_PKEY_is_a(pkey, "EC") && is_p256(pkey))
		*alg_r = FYNQ_ES256;
	else if (EVP_PKEY_is_a(pkey, "ED25519"))
		*alg_r = FYNQ_EDDSA;
	else
		known = false;
	ERR_clear_error();
	return known;
}

EVP_PKEY *
fynq_alg_generate(enum fynq_alg alg)
{
	EVP_PKEY *pkey = NULL;

	if (alg == FYNQ_RS256)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)GENERATED_RSA_BITS);
	else if (alg == FYNQ_ES256)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	else if (alg == FYNQ_EDDSA)
		pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ERR_clear_error();
	return pkey;
}

/* Ed25519 hashes by itself. RSA's padding is PKCS #1 v1.5 unless it is told otherwise. */
static const EVP_MD *
hash_of(enum fynq_alg alg)
{
	return alg == FYNQ_EDDSA ? NULL : EVP_sha256();
}

static bool
in_range(const unsigned char *number)
{
	static const unsigned char zero[P256_SIZE];

	return memcmp(number, zero, P256_SIZE) != 0 && memcmp(number, p256_order, P256_SIZE) < 0;
}

/* r and s in the form that OpenSSL takes (RFC 3279 section 2.2.3); its length, 0 where it fails. */
static size_t
to_der(const unsigned char *raw, unsigned char der_r[static DER_MAX])
{
	BIGNUM *r = BN_bin2bn(raw, P256_SIZE, NULL),
	       *s = BN_bin2bn(raw + P256_SIZE, P256_SIZE, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();
	int n = 0;

	if (r != NULL && s != NULL && sig != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
		n = i2d_ECDSA_SIG(sig, &der_r);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

static bool
from_der(const unsigned char *der, size_t n, unsigned char *raw_r)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
	bool done = sig != NULL &&
		    BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw_r, P256_SIZE) == P256_SIZE &&
		    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw_r + P256_SIZE, P256_SIZE) == P256_SIZE;

	ECDSA_SIG_free(sig);
	return done;
}

bool
fynq_alg_verify(enum fynq_alg alg, EVP_PKEY *pkey, struct fynq_str text, struct fynq_str signature)
{
	const unsigned char *sig = (const unsigned char *)signature.p;
	unsigned char der[DER_MAX];
	size_t n = signature.n;
	EVP_MD_CTX *ctx;
	bool fits;

	if (alg == FYNQ_ES256) {
		if (n != 2 * P256_SIZE || !in_range(sig) || !in_range(sig + P256_SIZE))
			return false;
		n = to_der(sig, der);
		sig = der;
	} else if (alg == FYNQ_HS256 || n != (size_t)EVP_PKEY_get_size(pkey)) {
		return false;
	}
	ctx = EVP_MD_CTX_new();
	fits = ctx != NULL && n > 0 &&
	       EVP_DigestVerifyInit(ctx, NULL, hash_of(alg), NULL, pkey) == 1 &&
	       EVP_DigestVerify(ctx, sig, n, (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return fits;
}

bool
fynq_alg_sign(enum fynq_alg alg, EVP_PKEY *pkey, struct fynq_str text,
    unsigned char signature_r[static FYNQ_SIGNATURE_MAX], size_t *n_r)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char der[DER_MAX];
	unsigned char *out = alg == FYNQ_ES256 ? der : signature_r;
	size_t n = alg == FYNQ_ES256 ? sizeof(der) : FYNQ_SIGNATURE_MAX;
	bool done = ctx != NULL && alg != FYNQ_HS256 &&
		    EVP_DigestSignInit(ctx, NULL, hash_of(alg), NULL, pkey) == 1 &&
		    EVP_DigestSign(ctx, out, &n, (const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(ctx);
	if (done && alg == FYNQ_ES256) {
		done = from_der(der, n, signature_r);
		n = 2 * P256_SIZE;
	}
	ERR_clear_error();
	*n_r = n;
	return done;
}
