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
#include <openssl/hmac.h>
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
		"{\"alg\":\"HS256\",\"typ\":null}",
		"{\"alg\":\"EdDSA\"}",
		"{\"alg\":\"HS256\",\"b64\":true}",
		"{\"alg\":\"HS256\",\"jku\":\"https://evil.example/jwks.json\"}",
		"{\"alg\":\"HS256\",\"x5u\":\"https://evil.example/\"}",
		"{\"alg\":\"HS256\",\"x5c\":[]}",
		"{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}",
		"{\"alg\":\"HS256\",\"kid\":\"\"}",
		"{\"alg\":\"HS256\",\"kid\":7}",
		"{\"alg\":\"HS256\",\"kid\":null}",
		"{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"a\"}",
		"{\"alg\":\"HS256\",\"kid\":\"a\\u0000\"}",
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
	assert_int_equal(
	    verify(sign("{\"typ\":\"jwt\",\"alg\":\"HS256\"}", claims), &caller), FYNQ_OK);
	snprintf(large, 1024, "{\"alg\":\"HS256\",\"kid\":\"%0128d\"}", 0);
	assert_int_equal(verify(sign(large, claims), &caller), FYNQ_OK);
	snprintf(large, 1024, "{\"alg\":\"HS256\",\"kid\":\"%0129d\"}", 0);
	assert_int_equal(verify(sign(large, claims), &caller), FYNQ_E_UNAUTHORIZED);
	snprintf(large, 1024, "{\"alg\":\"HS256\",\"x\":\"%0500d\"}", 0);
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
	return fynq_token_init(&problems) && problems.n == 0 ? 0 : -1;
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

	/* Verified by the secret, it is not verified again until the secret is another one. */
	fynq_config.jwt_secret = other_secret;
	assert_int_equal(verify(token, &again), FYNQ_OK);
	assert_int_equal(verify(unseen, &again), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(use_secret(state), 0);
	assert_int_equal(verify(token, &again), FYNQ_E_UNAUTHORIZED);
	fynq_config.jwt_secret = secret;
	assert_int_equal(use_secret(state), 0);
	assert_int_equal(verify(token, &again), FYNQ_OK);

	assert_int_equal(
	    fynq_token_verify(arena, token, NOW + TOKEN_SECONDS + LEEWAY - 1, &again), FYNQ_OK);
	assert_int_equal(fynq_token_verify(arena, token, NOW + TOKEN_SECONDS + LEEWAY, &again),
	    FYNQ_E_TOKEN_EXPIRED);
}

/* More tokens in four threads than are kept; each stands for its own user, again and again. */
enum { MANY = 500 };

static void *
test_many_in_thread(void *arg)
{
	struct fynq_arena *own = fynq_arena_new(64 << 20);
	struct fynq_str tokens[MANY], ids[MANY];
	size_t wrong = 0;

	(void)arg;
	for (size_t i = 0; i < MANY; i++) {
		struct fynq_uuid id = fynq_uuid_new();
		struct fynq_grant one = grant;

		one.user = ids[i] = fynq_arena_copy(own, fynq_uuid_str(&id));
		wrong += fynq_token_issue(own, &one, NOW, &tokens[i]) != FYNQ_OK;
	}
	for (size_t i = 0; i < 3 * MANY; i++) {
		struct fynq_mark mark = fynq_arena_mark(own);
		struct fynq_caller caller;

		wrong += fynq_token_verify(own, tokens[i % MANY], NOW, &caller) != FYNQ_OK ||
			 !fynq_str_eq(caller.id, ids[i % MANY]) ||
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

static void
test_no_secret(void **state)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(1024);
	struct fynq_str token = sign(hs256, fynq_str_of(WITH("\"n\":2,"))), issued;
	struct fynq_caller caller;

	(void)state;
	fynq_config.jwt_secret = "";
	assert_false(fynq_token_init(&problems));
	assert_non_null(memmem(problems.p, problems.n, "FYNQ_JWT_SECRET", 15));
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	token = sign_with(EVP_sha256(), FYNQ_STR(""), fynq_str_of(hs256), fynq_str_of(WITH("")));
	assert_int_equal(verify(token, &caller), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(fynq_token_issue(arena, &grant, NOW, &issued), FYNQ_E_INTERNAL);
	fynq_config.jwt_secret = secret;
	fynq_buf_release(&problems);
}

static int
set_up(void **state)
{
	fynq_config.auth = "local";
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
		cmocka_unit_test_teardown(test_no_secret, use_secret),
	};

	return cmocka_run_group_tests_name("token", tests, set_up, tear_down);
}
