/*
 * Access tokens by keys: which one verifies a token, and what does not.
 *
 * Signatures are made here, by OpenSSL and the right key where nothing else is said.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/config.h"
#include "identity/token.h"

#define USER "01890a5d-ac96-774b-bcce-b302099a8057"
#define NOW  INT64_C(1800000000)
#define CLAIMS                                                                                 \
	"{\"sub\":\"" USER "\",\"iss\":\"fynq\",\"aud\":\"authenticated\",\"iat\":1800000000," \
	"\"exp\":1800003600}"

static const char secret[] = "a secret of at least thirty-two bytes";

/* The keys, each in a file of this name. */
static struct {
	const char *kid, *alg;
	EVP_PKEY *pkey;
} keys[] = { { .kid = "rs", .alg = "RS256" }, { .kid = "es", .alg = "ES256" },
	{ .kid = "ed", .alg = "EdDSA" } };
enum { RS, ES, ED, KEYS };

static struct fynq_arena *arena;
static char folder[] = "/tmp/fynq-test-keys-XXXXXX";

static enum fynq_err
verify(struct fynq_str token)
{
	struct fynq_caller caller;

	return fynq_token_verify(arena, token, NOW, &caller);
}

static struct fynq_str
signed_part(const char *header)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1 << 16);
	struct fynq_str text;

	fynq_base64url(&b, header, strlen(header));
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, CLAIMS, strlen(CLAIMS));
	text = fynq_arena_copy(arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return text;
}

static struct fynq_str
with_signature(struct fynq_str text, const unsigned char *signature, size_t n)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1 << 16);
	struct fynq_str token;

	fynq_buf_add(&b, text);
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, signature, n);
	token = fynq_arena_copy(arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return token;
}

/* r and s of a signature as OpenSSL makes it. */
static void
take_apart(const unsigned char *der, size_t n, unsigned char *raw)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);

	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32), 32);
	ECDSA_SIG_free(sig);
}

/* A signature by that hash (NULL: the algorithm's own), as JWS has it unless der is set. */
static size_t
sign(EVP_PKEY *pkey, const EVP_MD *md, bool der, struct fynq_str text, unsigned char *sig_r)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[1024];
	size_t n = sizeof(sig);

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, pkey), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n), 1);
	EVP_MD_CTX_free(ctx);
	memcpy(sig_r, sig, n);
	if (der || !EVP_PKEY_is_a(pkey, "EC"))
		return n;
	take_apart(sig, n, sig_r);
	return 64;
}

static const EVP_MD *
hash_of(const EVP_PKEY *pkey)
{
	return EVP_PKEY_is_a(pkey, "ED25519") ? NULL : EVP_sha256();
}

/* A token with that header, by that key. */
static struct fynq_str
token_by(EVP_PKEY *pkey, const char *header)
{
	struct fynq_str text = signed_part(header);
	unsigned char sig[1024];

	return with_signature(text, sig, sign(pkey, hash_of(pkey), false, text, sig));
}

static const char *
header_of(size_t at, const char *more)
{
	return fynq_arena_printf(
	    arena, "{\"alg\":\"%s\",\"kid\":\"%s\"%s}", keys[at].alg, keys[at].kid, more)
	    .p;
}

static struct fynq_str
hmac_token(struct fynq_str key, const char *header)
{
	struct fynq_str text = signed_part(header);
	unsigned char mac[32];
	unsigned int n;

	HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, mac, &n);
	return with_signature(text, mac, n);
}

static void
test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		assert_case(
		    verify(token_by(keys[i].pkey, header_of(i, ""))) == FYNQ_OK, keys[i].alg);
		assert_int_equal(
		    verify(token_by(keys[i].pkey, header_of(i, ",\"typ\":\"JWT\""))), FYNQ_OK);
	}
}

/* The key decides: every other pairing of key, kid and alg. */
static void
test_pairings(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS * KEYS * KEYS; i++) {
		size_t key = i % KEYS, kid = i / KEYS % KEYS, alg = i / KEYS / KEYS;
		const char *header = fynq_arena_printf(
		    arena, "{\"alg\":\"%s\",\"kid\":\"%s\"}", keys[alg].alg, keys[kid].kid)
					 .p;
		bool good = key == kid && kid == alg;

		assert_case(verify(token_by(keys[key].pkey, header)) ==
				(good ? FYNQ_OK : FYNQ_E_UNAUTHORIZED),
		    header);
	}
}

static void
test_headers(void **state)
{
	static const char *const refused[] = { ",\"jku\":\"https://evil.example/jwks.json\"",
		",\"x5u\":\"https://evil.example/cert\"", ",\"x5c\":[\"MII\"]",
		",\"jwk\":{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		",\"crit\":[\"b64\"],\"b64\":false", ",\"b64\":true", ",\"crit\":[]",
		",\"jku\":null", ",\"kid\":\"es\"", ",\"typ\":\"JWE\"" };
	static const char *const kids[] = { "", "ES", "es ", "es.pem", "./es", "../keys/es",
		"es\\u0000", "/etc/passwd", "unknown" };

	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		EVP_PKEY *pkey = keys[i].pkey;

		for (size_t k = 0; k < LENGTH(refused); k++)
			assert_case(
			    verify(token_by(pkey, header_of(i, refused[k]))) == FYNQ_E_UNAUTHORIZED,
			    refused[k]);
		for (size_t k = 0; k < LENGTH(kids); k++)
			assert_case(verify(token_by(pkey,
					fynq_arena_printf(arena, "{\"alg\":\"%s\",\"kid\":\"%s\"}",
					    keys[i].alg, kids[k])
					    .p)) == FYNQ_E_UNAUTHORIZED,
			    kids[k]);
		/* Without a kid, and with one that is no text. */
		assert_int_equal(verify(token_by(pkey,
				     fynq_arena_printf(arena, "{\"alg\":\"%s\"}", keys[i].alg).p)),
		    FYNQ_E_UNAUTHORIZED);
		assert_int_equal(verify(token_by(pkey,
				     fynq_arena_printf(arena, "{\"alg\":\"%s\",\"kid\":[\"%s\"]}",
					 keys[i].alg, keys[i].kid)
					 .p)),
		    FYNQ_E_UNAUTHORIZED);
	}
}

/* The public key is no secret: what it "signs" as HMAC is worth nothing. */
static void
test_confusion(void **state)
{
	static const char *const headers[] = { "{\"alg\":\"HS256\"}",
		"{\"alg\":\"HS256\",\"kid\":\"%s\"}", "{\"alg\":\"RS256\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"kid\":\"%s\"}", "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}",
		"{\"alg\":\"none\",\"kid\":\"%s\"}" };

	(void)state;
	for (size_t i = 0; i < KEYS * LENGTH(headers); i++) {
		char header[128], *format = strdup(headers[i / KEYS]), *bytes;
		char *hole = strstr(format, "%s");
		BIO *public = BIO_new(BIO_s_mem());
		struct fynq_str pem;

		if (hole != NULL)
			*hole = '\0';
		snprintf(header, sizeof(header), "%s%s%s", format,
		    hole != NULL ? keys[i % KEYS].kid : "", hole != NULL ? hole + 2 : "");
		assert_int_equal(PEM_write_bio_PUBKEY(public, keys[i % KEYS].pkey), 1);
		pem.n = (size_t)BIO_get_mem_data(public, &bytes);
		pem.p = bytes;
		assert_case(verify(hmac_token(pem, header)) == FYNQ_E_UNAUTHORIZED, header);
		BIO_free(public);
		free(format);
	}
}

/* The secret is good beside keys, but never for a kid that names one. */
static void
test_secret_beside(void **state)
{
	struct fynq_str ours = fynq_str_of(secret);

	(void)state;
	assert_int_equal(verify(hmac_token(ours, "{\"alg\":\"HS256\"}")), FYNQ_OK);
	assert_int_equal(verify(hmac_token(ours, "{\"alg\":\"HS256\",\"kid\":\"old\"}")), FYNQ_OK);
	assert_int_equal(
	    verify(hmac_token(ours, "{\"alg\":\"HS256\",\"kid\":\"es\"}")), FYNQ_E_UNAUTHORIZED);
}

/* Add the group's order to S, little-endian: without a check of its range it would be good too. */
static void
add_order(unsigned char *s)
{
	static const unsigned char order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,
		0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
	unsigned int carry = 0;

	for (size_t i = 0; i < sizeof(order); i++) {
		carry += s[i] + (unsigned int)order[i];
		s[i] = (unsigned char)carry;
		carry >>= 8;
	}
}

static void
test_signatures(void **state)
{
	static const unsigned char order[32] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
		0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
	struct fynq_str text = signed_part(header_of(ES, ""));
	unsigned char sig[1025] = { 0 }, bent[64];
	size_t n;

	(void)state;
	assert_int_equal(sign(keys[ES].pkey, EVP_sha256(), false, text, sig), 64);
	assert_int_equal(verify(with_signature(text, sig, 64)), FYNQ_OK);
	for (size_t at = 0; at <= 32; at += 32) {
		memcpy(bent, sig, 64);
		memset(bent + at, 0, 32);
		assert_int_equal(verify(with_signature(text, bent, 64)), FYNQ_E_UNAUTHORIZED);
		memcpy(bent + at, order, 32);
		assert_int_equal(verify(with_signature(text, bent, 64)), FYNQ_E_UNAUTHORIZED);
		memset(bent + at, 0xff, 32);
		assert_int_equal(verify(with_signature(text, bent, 64)), FYNQ_E_UNAUTHORIZED);
		memcpy(bent + at, sig + 32 - at, 32);
		assert_int_equal(verify(with_signature(text, bent, 64)), FYNQ_E_UNAUTHORIZED);
	}
	memset(bent, 0, sizeof(bent));
	assert_int_equal(verify(with_signature(text, bent, 64)), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(with_signature(text, sig, 63)), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(with_signature(text, sig, 65)), FYNQ_E_UNAUTHORIZED);
	n = sign(keys[ES].pkey, EVP_sha256(), true, text, sig);
	assert_int_equal(verify(with_signature(text, sig, n)), FYNQ_E_UNAUTHORIZED);
	n = sign(keys[ES].pkey, EVP_sha512(), false, text, sig);
	assert_int_equal(verify(with_signature(text, sig, n)), FYNQ_E_UNAUTHORIZED);

	text = signed_part(header_of(ED, ""));
	assert_int_equal(sign(keys[ED].pkey, NULL, false, text, sig), 64);
	assert_int_equal(verify(with_signature(text, sig, 63)), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(with_signature(text, sig, 65)), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(with_signature(text, sig, 64)), FYNQ_OK);
	add_order(sig + 32);
	assert_int_equal(verify(with_signature(text, sig, 64)), FYNQ_E_UNAUTHORIZED);
}

static void
test_rsa_signatures(void **state)
{
	struct fynq_str text = signed_part(header_of(RS, ""));
	unsigned char sig[1025] = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *padding;
	size_t n;

	(void)state;
	n = sign(keys[RS].pkey, EVP_sha256(), false, text, sig);
	assert_int_equal(verify(with_signature(text, sig, n)), FYNQ_OK);
	assert_int_equal(verify(with_signature(text, sig, n - 1)), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(with_signature(text, sig, n + 1)), FYNQ_E_UNAUTHORIZED);
	n = sign(keys[RS].pkey, EVP_sha512(), false, text, sig);
	assert_int_equal(verify(with_signature(text, sig, n)), FYNQ_E_UNAUTHORIZED);
	n = sign(keys[RS].pkey, EVP_sha1(), false, text, sig);
	assert_int_equal(verify(with_signature(text, sig, n)), FYNQ_E_UNAUTHORIZED);
	n = sizeof(sig);
	assert_int_equal(EVP_DigestSignInit(ctx, &padding, EVP_sha256(), NULL, keys[RS].pkey), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n), 1);
	assert_int_equal(verify(with_signature(text, sig, n)), FYNQ_E_UNAUTHORIZED);
	EVP_MD_CTX_free(ctx);
}

/* No character of a token can be another one. */
static void
test_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		struct fynq_str token = token_by(keys[i].pkey, header_of(i, ""));
		char *copy = fynq_arena_strdup(arena, token);

		for (size_t at = 0; at < token.n; at++) {
			struct fynq_mark mark = fynq_arena_mark(arena);

			copy[at] = copy[at] == 'A' ? 'B' : 'A';
			assert_int_equal(
			    verify((struct fynq_str){ copy, token.n }), FYNQ_E_UNAUTHORIZED);
			copy[at] = token.p[at];
			fynq_arena_release(arena, mark);
		}
		assert_int_equal(verify(token), FYNQ_OK);
	}
}

static void
store(size_t at, EVP_PKEY *pkey)
{
	char path[128];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "%s/%s.pem", folder, keys[at].kid);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	file = fdopen(fd, "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(
	    futimens(fd, (const struct timespec[]){ { .tv_sec = NOW - 5000 + (time_t)at },
			     { .tv_sec = NOW - 5000 + (time_t)at } }),
	    0);
	fclose(file);
	keys[at].pkey = pkey;
}

static int
set_up(void **state)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(1024);

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	store(RS, EVP_RSA_gen(2048));
	store(ES, EVP_EC_gen("P-256"));
	store(ED, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
	fynq_config.auth = "local";
	fynq_config.jwt_secret = secret;
	fynq_config.jwt_keys_dir = folder;
	fynq_config.jwt_issuer = "fynq";
	fynq_config.jwt_audience = "authenticated";
	fynq_config.jwt_seconds = 3600;
	fynq_config.jwt_leeway_seconds = 10;
	arena = fynq_arena_new(64 << 20);
	return fynq_token_init(&problems) ? 0 : -1;
}

static int
tear_down(void **state)
{
	char path[128];

	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		snprintf(path, sizeof(path), "%s/%s.pem", folder, keys[i].kid);
		unlink(path);
		EVP_PKEY_free(keys[i].pkey);
	}
	rmdir(folder);
	fynq_arena_free(&arena);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_pairings),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_confusion),
		cmocka_unit_test(test_secret_beside),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_rsa_signatures),
		cmocka_unit_test(test_every_byte),
	};

	return cmocka_run_group_tests_name("token-keys", tests, set_up, tear_down);
}
