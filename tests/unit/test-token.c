/*
 * Access tokens: what is issued, and what is refused.
 *
 * The tokens that are refused are signed here, by OpenSSL and the right key where nothing else is
 * said: it is the one thing that a case names that makes them bad.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <json-c/json_object.h>
#include <openssl/ec.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>

#include "base/config.h"
#include "http/json.h"
#include "identity/token.h"

#define USER	"01890a5d-ac96-774b-bcce-b302099a8057"
#define SESSION "01890a5d-ac96-774b-bcce-b302099a8058"
#define NOW	INT64_C(1800000000)

enum { LEEWAY = 10, TOKEN_SECONDS = 3600 };

static const char secret[] = "a secret of at least thirty-two bytes";
static const char other_secret[] = "another secret, also of thirty-two bytes";
static const char hs256[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";

static const struct fynq_grant grant = {
	.user = FYNQ_STR_INIT(USER),
	.session = FYNQ_STR_INIT(SESSION),
	.email = FYNQ_STR_INIT("zoë@example.org"),
	.app_metadata = FYNQ_STR_INIT("{\"provider\":\"email\",\"role\":\"teacher\"}"),
	.signed_in = NOW - 100,
};

static struct fynq_arena *arena;

static enum fynq_err
verify(struct fynq_str token, struct fynq_caller *caller_r)
{
	return fynq_token_verify(arena, token, NOW, caller_r);
}

/* header.payload with a HMAC of it, all from raw bytes. */
static struct fynq_str
sign_with(const EVP_MD *md, struct fynq_str key, struct fynq_str header, struct fynq_str payload)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1 << 24);
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int n;
	struct fynq_str token;

	fynq_base64url(&b, header.p, header.n);
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, payload.p, payload.n);
	HMAC(md, key.p, (int)key.n, (unsigned char *)b.p, b.n, mac, &n);
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, mac, n);
	token = fynq_arena_copy(arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return token;
}

static struct fynq_str
sign(const char *header, struct fynq_str payload)
{
	return sign_with(EVP_sha256(), fynq_str_of(secret), fynq_str_of(header), payload);
}

#define SUB    "\"sub\":\"" USER "\","
#define CLAIMS SUB "\"iss\":\"fynq\",\"aud\":\"authenticated\",\"iat\":1800000000,"

/* Good claims, and more of them: each ends in a comma. */
#define WITH(more) "{" CLAIMS more "\"exp\":1800003600}"

static enum fynq_err
verify_claims(const char *claims, struct fynq_caller *caller_r)
{
	return verify(sign(hs256, fynq_str_of(claims)), caller_r);
}

static const char *
text_member(struct json_object *json, const char *name)
{
	return json_object_get_string(json_object_object_get(json, name));
}

static void
test_issued(void **state)
{
	struct json_object *json, *amr;
	struct fynq_str token, why;
	struct fynq_caller caller;

	(void)state;
	assert_int_equal(fynq_token_issue(arena, &grant, NOW, &token), FYNQ_OK);
	assert_int_equal(verify(token, &caller), FYNQ_OK);
	assert_string_equal(caller.id.p, USER);
	assert_string_equal(caller.session.p, SESSION);
	assert_int_equal(caller.role, FYNQ_TEACHER);

	assert_true(fynq_json_parse(arena, caller.claims, &json, &why));
	assert_string_equal(text_member(json, "iss"), "fynq");
	assert_string_equal(text_member(json, "aud"), "authenticated");
	assert_string_equal(text_member(json, "sub"), USER);
	assert_string_equal(text_member(json, "session_id"), SESSION);
	assert_string_equal(text_member(json, "email"), "zoë@example.org");
	assert_string_equal(text_member(json, "phone"), "");
	assert_string_equal(text_member(json, "role"), "authenticated");
	assert_string_equal(text_member(json, "aal"), "aal1");
	assert_int_equal(json_object_get_int64(json_object_object_get(json, "iat")), NOW);
	assert_int_equal(
	    json_object_get_int64(json_object_object_get(json, "exp")), NOW + TOKEN_SECONDS);
	assert_string_equal(
	    text_member(json_object_object_get(json, "app_metadata"), "provider"), "email");
	assert_int_equal(
	    json_object_object_length(json_object_object_get(json, "user_metadata")), 0);
	assert_false(json_object_get_boolean(json_object_object_get(json, "is_anonymous")));
	amr = json_object_array_get_idx(json_object_object_get(json, "amr"), 0);
	assert_string_equal(text_member(amr, "method"), "password");
	assert_int_equal(
	    json_object_get_int64(json_object_object_get(amr, "timestamp")), grant.signed_in);
}

/* What cannot be a token is not issued, and the secret signs what OpenSSL takes for signed. */
static void
test_issue_refused(void **state)
{
	static const char *const bad[] = { "", "[]", "null", "{\"role\":", "{},\"sub\":\"x\"" };
	struct fynq_grant one = grant;
	struct fynq_str token;
	char *large = fynq_arena_alloc(arena, 8192);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		one.app_metadata = fynq_str_of(bad[i]);
		assert_int_equal(fynq_token_issue(arena, &one, NOW, &token), FYNQ_E_INTERNAL);
	}
	snprintf(large, 8192, "{\"role\":\"%06000d\"}", 0);
	one.app_metadata = fynq_str_of(large);
	assert_int_equal(fynq_token_issue(arena, &one, NOW, &token), FYNQ_E_INTERNAL);
	snprintf(large, 8192, "{\"role\":\"%04000d\"}", 0);
	one.app_metadata = fynq_str_of(large);
	assert_int_equal(fynq_token_issue(arena, &one, NOW, &token), FYNQ_OK);
}

/* What the claims say is for test-claims.c; these are not claims at all, though well signed. */
static void
test_payloads(void **state)
{
	static const char *const bad[] = {
		WITH(SUB),
		WITH("\"su\\u0062\":\"" USER "\","),
		WITH("\"app_metadata\":{\"role\":\"student\",\"role\":\"admin\"},"),
		WITH("\"name\":\"a\\u0000b\","),
		WITH("\"name\":\"\\ud800\","),
		WITH("\"name\":\"\xc3\x28\","),
		WITH("\"name\":\"a\x01\","),
		WITH("\"n\":NaN,"),
		WITH("\"n\":99999999999999999999,"),
		WITH("\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]],"),
		WITH("") "x",
		WITH("") WITH(""),
		"[" WITH("") "]",
		"{" CLAIMS,
		"\"x\"",
		"",
	};
	struct fynq_caller caller;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (verify_claims(bad[i], &caller) != FYNQ_E_UNAUTHORIZED)
			fail_msg("%s was taken", bad[i]);
	assert_int_equal(verify_claims(" " WITH("") "\n", &caller), FYNQ_OK);
	assert_string_equal(caller.id.p, USER);
	assert_null(caller.session.p);
	assert_int_equal(caller.role, FYNQ_USER);
	assert_true(fynq_str_eq(caller.claims, fynq_str_of(" " WITH("") "\n")));
}

static void
test_headers(void **state)
{
	static const char *const bad[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\",\"typ\":\"JWT\"}",
		"{\"alg\":\"\"}",
		"{\"alg\":null}",
		"{\"alg\":[\"HS256\"]}",
		"{\"typ\":\"JWT\"}",
		"{}",
		"{\"alg\":\"hs256\"}",
		"{\"alg\":\"HS256 \"}",
		"{\"alg\":\"HS256\\u0000\"}",
		"{\"alg\":\"HS384\"}",
		"{\"alg\":\"HS512\"}",
		"{\"alg\":\"RS256\"}",
		"{\"alg\":\"ES256\"}",
		"{\"alg\":\"none\",\"alg\":\"HS256\"}",
		"{\"alg\":\"HS256\",\"alg\":\"HS256\"}",
		"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
		"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
		"{\"alg\":\"HS256\",\"typ\":\"JWE\"}",
		"{\"alg\":\"HS256\"",
		"[\"HS256\"]",
		"HS256",
		"",
	};
	struct fynq_str claims = fynq_str_of(WITH("")), token, head;
	struct fynq_caller caller;
	char *large = fynq_arena_alloc(arena, 1024);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		token = sign(bad[i], claims);
		if (verify(token, &caller) != FYNQ_E_UNAUTHORIZED)
			fail_msg("%s was taken", bad[i]);
		/* And without any signature. */
		head = (struct fynq_str){ token.p,
			(size_t)((char *)memrchr(token.p, '.', token.n) - token.p) };
		assert_int_equal(verify(head, &caller), FYNQ_E_UNAUTHORIZED);
		head.n++;
		assert_int_equal(verify(head, &caller), FYNQ_E_UNAUTHORIZED);
	}
	assert_int_equal(verify(sign("{\"alg\":\"HS256\"}", claims), &caller), FYNQ_OK);
	assert_int_equal(
	    verify(sign("{\"kid\":\"7\",\"alg\":\"HS256\"}", claims), &caller), FYNQ_OK);
	snprintf(large, 1024, "{\"alg\":\"HS256\",\"kid\":\"%0500d\"}", 0);
	assert_int_equal(verify(sign(large, claims), &caller), FYNQ_E_UNAUTHORIZED);
}

static void
test_other_keys(void **state)
{
	struct fynq_str claims = fynq_str_of(WITH("")), header = fynq_str_of(hs256);
	struct fynq_str ours = fynq_str_of(secret), token;
	struct fynq_caller caller;

	(void)state;
	token = sign_with(EVP_sha256(), fynq_str_of(other_secret), header, claims);
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	token = sign_with(EVP_sha256(), FYNQ_STR(""), header, claims);
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	token = sign_with(EVP_sha512(), ours, FYNQ_STR("{\"alg\":\"HS512\"}"), claims);
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	token = sign_with(EVP_sha512(), ours, header, claims);
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	/* An expired token with a wrong signature is not said to have expired. */
	token = sign_with(EVP_sha256(), fynq_str_of(other_secret), header,
	    fynq_str_of("{" CLAIMS "\"exp\":1700000000}"));
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
}

/* Every byte of a token counts: none can be changed, left out or added. */
static void
test_every_byte(void **state)
{
	static const char *const around[] = { " ", ".", "=", "A", "\n" };
	struct fynq_str token = sign(hs256, fynq_str_of(WITH("\"name\":\"every byte\",")));
	struct fynq_caller caller;
	char *copy = fynq_arena_strdup(arena, token);

	(void)state;
	for (size_t i = 0; i < token.n; i++) {
		for (char *with = (char[]){ "AQgw4_-.+/= \x01\xff" };; with++) {
			if (*with == token.p[i])
				continue;
			copy[i] = *with; /* The last is a NUL. */
			assert_int_equal(verify((struct fynq_str){ copy, token.n }, &caller),
			    FYNQ_E_UNAUTHORIZED);
			if (*with == '\0')
				break;
		}
		copy[i] = token.p[i];
		assert_int_equal(
		    verify((struct fynq_str){ token.p, i }, &caller), FYNQ_E_UNAUTHORIZED);
	}
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		assert_int_equal(verify(fynq_arena_printf(arena, "%s%s", around[i], copy), &caller),
		    FYNQ_E_UNAUTHORIZED);
		assert_int_equal(verify(fynq_arena_printf(arena, "%s%s", copy, around[i]), &caller),
		    FYNQ_E_UNAUTHORIZED);
	}
	assert_int_equal(verify((struct fynq_str){ 0 }, &caller), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(FYNQ_STR(".."), &caller), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(token, &caller), FYNQ_OK);
}

/* A good token of n bytes. */
static struct fynq_str
token_of_size(size_t n)
{
	for (size_t fill = n / 2; fill < n; fill++) {
		struct fynq_str claims = fynq_arena_printf(
		    arena, "{" CLAIMS "\"exp\":1800003600,\"name\":\"%0*d\"}", (int)fill, 0);
		struct fynq_str token = sign(hs256, claims);

		if (token.n >= n)
			return token;
	}
	return (struct fynq_str){ 0 };
}

static void
test_sizes(void **state)
{
	struct fynq_caller caller;
	struct fynq_str token;
	struct fynq_mark mark = fynq_arena_mark(arena);

	(void)state;
	token = token_of_size(8190);
	assert_in_range(token.n, 8190, FYNQ_ACCESS_TOKEN_MAX);
	assert_int_equal(verify(token, &caller), FYNQ_OK);
	fynq_arena_release(arena, mark);
	token = token_of_size(FYNQ_ACCESS_TOKEN_MAX + 1);
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	token = (struct fynq_str){ fynq_arena_alloc(arena, 10 << 20), 10 << 20 };
	memset((char *)token.p, 'A', token.n);
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	/* Deep enough to exhaust a stack, in a token that nobody signed. */
	token = fynq_arena_printf(arena, "%.*s", 8000, token.p);
	memset((char *)token.p, '[', 5900);
	token = sign_with(EVP_sha256(), fynq_str_of(other_secret), fynq_str_of(hs256),
	    (struct fynq_str){ token.p, 5900 });
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	fynq_arena_release(arena, mark);
}

static int
use_secret(void **state)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(1024);

	(void)state;
	return fynq_token_init(&problems) ? 0 : -1;
}

/* A known token is looked up, not verified, and still expires on time. */
static void
test_known(void **state)
{
	struct fynq_caller first, again;
	struct fynq_str token, unseen;

	assert_int_equal(fynq_token_issue(arena, &grant, NOW, &token), FYNQ_OK);
	assert_int_equal(fynq_token_issue(arena, &grant, NOW + 1, &unseen), FYNQ_OK);
	assert_int_equal(verify(token, &first), FYNQ_OK);
	assert_int_equal(verify(token, &again), FYNQ_OK);
	assert_true(fynq_str_eq(first.claims, again.claims));
	assert_string_equal(first.id.p, again.id.p);
	assert_string_equal(first.session.p, again.session.p);
	assert_int_equal(first.role, again.role);
	assert_ptr_not_equal(first.claims.p, again.claims.p);

	/* Under another secret only what is known is still good. */
	fynq_config.jwt_secret = other_secret;
	assert_int_equal(use_secret(state), 0);
	assert_int_equal(verify(token, &again), FYNQ_OK);
	assert_int_equal(verify(unseen, &again), FYNQ_E_UNAUTHORIZED);
	fynq_config.jwt_secret = secret;
	assert_int_equal(use_secret(state), 0);

	assert_int_equal(
	    fynq_token_verify(arena, token, NOW + TOKEN_SECONDS + LEEWAY - 1, &again), FYNQ_OK);
	assert_int_equal(fynq_token_verify(arena, token, NOW + TOKEN_SECONDS + LEEWAY, &again),
	    FYNQ_E_TOKEN_EXPIRED);
}

/* More tokens than are kept; each stands for its own user, again and again. */
static void *
test_many_in_thread(void *arg)
{
	struct fynq_arena *own = fynq_arena_new(64 << 20);
	struct fynq_str tokens[2000], ids[2000];
	size_t wrong = 0;

	(void)arg;
	for (size_t i = 0; i < 2000; i++) {
		struct fynq_uuid id = fynq_uuid_new();
		struct fynq_grant one = grant;

		one.user = ids[i] = fynq_arena_copy(own, fynq_uuid_str(&id));
		wrong += fynq_token_issue(own, &one, NOW, &tokens[i]) != FYNQ_OK;
	}
	for (size_t i = 0; i < 6000; i++) {
		struct fynq_mark mark = fynq_arena_mark(own);
		struct fynq_caller caller;

		wrong += fynq_token_verify(own, tokens[i % 2000], NOW, &caller) != FYNQ_OK ||
			 !fynq_str_eq(caller.id, ids[i % 2000]) ||
			 memmem(caller.claims.p, caller.claims.n, caller.id.p, caller.id.n) == NULL;
		fynq_arena_release(own, mark);
	}
	fynq_arena_free(&own);
	return (void *)wrong;
}

static void
test_many(void **state)
{
	pthread_t threads[4];
	void *wrong;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, test_many_in_thread, NULL), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
}

/* A key in a file of its own; unlink() and free() the path. */
static char *
write_key(EVP_PKEY *pkey, const EVP_CIPHER *cipher, bool public)
{
	char *path = strdup("/tmp/fynq-test-key-XXXXXX");
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	assert_non_null(file);
	if (public)
		assert_int_equal(PEM_write_PUBKEY(file, pkey), 1);
	else
		assert_int_equal(
		    PEM_write_PrivateKey(file, pkey, cipher, (const unsigned char *)"pass",
			cipher != NULL ? 4 : 0, NULL, NULL),
		    1);
	fclose(file);
	return path;
}

/* Use the key in the file, then drop the file. */
static bool
use_key(char *path)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(1024);
	bool usable;

	fynq_config.jwt_keys_dir = path;
	usable = fynq_token_init(&problems);
	if (usable)
		assert_int_equal(problems.n, 0);
	else
		assert_non_null(memmem(
		    problems.p, problems.n, "FYNQ_JWT_KEYS_DIR: ", strlen("FYNQ_JWT_KEYS_DIR: ")));
	fynq_buf_release(&problems);
	unlink(path);
	free(path);
	fynq_config.jwt_keys_dir = "";
	return usable;
}

static void
test_es256(void **state)
{
	EVP_PKEY *one = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	struct fynq_str token, foreign, forged, pem;
	struct fynq_caller caller;
	BIO *public = BIO_new(BIO_s_mem());
	char *bytes, *copy;

	(void)state;
	assert_true(use_key(write_key(other, NULL, false)));
	assert_int_equal(fynq_token_issue(arena, &grant, NOW, &foreign), FYNQ_OK);
	assert_true(use_key(write_key(one, NULL, false)));
	assert_int_equal(fynq_token_issue(arena, &grant, NOW, &token), FYNQ_OK);
	assert_int_equal(verify(foreign, &caller), FYNQ_E_UNAUTHORIZED);
	copy = fynq_arena_strdup(arena, token);
	for (size_t i = 0; i < token.n; i += 7) {
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		assert_int_equal(
		    verify((struct fynq_str){ copy, token.n }, &caller), FYNQ_E_UNAUTHORIZED);
		copy[i] = token.p[i];
	}
	assert_int_equal(verify(token, &caller), FYNQ_OK);
	assert_string_equal(caller.id.p, USER);

	/* The public key is no secret: what it "signs" as HMAC is worth nothing. */
	assert_int_equal(PEM_write_bio_PUBKEY(public, one), 1);
	pem.n = (size_t)BIO_get_mem_data(public, &bytes);
	pem.p = bytes;
	forged = sign_with(EVP_sha256(), pem, fynq_str_of(hs256), fynq_str_of(WITH("")));
	assert_int_equal(verify(forged, &caller), FYNQ_E_UNAUTHORIZED);
	forged = sign_with(
	    EVP_sha256(), pem, FYNQ_STR("{\"alg\":\"ES256\"}"), fynq_str_of(WITH("")));
	assert_int_equal(verify(forged, &caller), FYNQ_E_UNAUTHORIZED);
	/* Nor does the secret of the settings count where there is a key. */
	assert_int_equal(verify_claims(WITH("\"n\":1,"), &caller), FYNQ_E_UNAUTHORIZED);

	BIO_free(public);
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}

static void
test_bad_keys(void **state)
{
	EVP_PKEY *good = EVP_EC_gen("P-256"), *curve = EVP_EC_gen("P-384");
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	struct fynq_buf problems = FYNQ_BUF_INIT(1024);

	(void)state;
	assert_false(use_key(strdup("/nonexistent/key.pem")));
	assert_false(use_key(write_key(curve, NULL, false)));
	assert_false(use_key(write_key(rsa, NULL, false)));
	assert_false(use_key(write_key(ed, NULL, false)));
	assert_false(use_key(write_key(good, NULL, true)));
	assert_false(use_key(write_key(good, EVP_aes_128_cbc(), false)));
	assert_true(use_key(write_key(good, NULL, false)));

	fynq_config.jwt_secret = "";
	assert_false(fynq_token_init(&problems));
	assert_non_null(memmem(problems.p, problems.n, "FYNQ_JWT_SECRET", 15));
	fynq_config.jwt_secret = secret;
	fynq_buf_release(&problems);
	EVP_PKEY_free(good);
	EVP_PKEY_free(curve);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ed);
}

static int
set_up(void **state)
{
	fynq_config.jwt_secret = secret;
	fynq_config.jwt_keys_dir = "";
	fynq_config.jwt_issuer = "fynq";
	fynq_config.jwt_audience = "authenticated";
	fynq_config.jwt_seconds = TOKEN_SECONDS;
	fynq_config.jwt_leeway_seconds = LEEWAY;
	arena = fynq_arena_new(FYNQ_ARENA_MAX);
	return use_secret(state);
}

static int
tear_down(void **state)
{
	(void)state;
	fynq_arena_free(&arena);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_issued),
		cmocka_unit_test(test_issue_refused),
		cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_many),
		cmocka_unit_test_teardown(test_es256, use_secret),
		cmocka_unit_test_teardown(test_bad_keys, use_secret),
	};

	return cmocka_run_group_tests_name("token", tests, set_up, tear_down);
}
