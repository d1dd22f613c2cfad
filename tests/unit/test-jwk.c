/*
 * Public keys as JSON: those of the RFCs with what they signed, and those that are none.
 */
#include "unit.h"

#include <stdio.h>

#include "base/ids.h"
#include "http/json.h"
#include "identity/jwk.h"

/* RFC 7515 sections A.2 and A.3, RFC 8037 section A.4. */
#define RSA_N                                                                                  \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz" \
	"P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6" \
	"3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw" \
	"Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW" \
	"yuXpoQ"
#define EC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED_X "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define JOE                                                              \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leG" \
	"FtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

#define RSA(more) "{\"kid\":\"r\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"" more "}"
#define EC(more)                                                                           \
	"{\"kid\":\"e\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y \
	"\"" more "}"
#define ED(more) "{\"kid\":\"d\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"" more "}"

static struct fynq_arena *arena;

static struct json_object *
parse(const char *text)
{
	struct json_object *json;
	struct fynq_str why;

	assert_true(fynq_json_parse(arena, fynq_str_of(text), &json, &why));
	return json;
}

static void
test_vectors(void **state)
{
	static const struct {
		const char *jwk, *text, *signature;
		enum fynq_alg alg;
	} vectors[] = {
		{ RSA(""), "eyJhbGciOiJSUzI1NiJ9." JOE,
		    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Q"
		    "c_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTy"
		    "WzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwu"
		    "sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5A"
		    "XLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
		    FYNQ_RS256 },
		{ EC(""), "eyJhbGciOiJFUzI1NiJ9." JOE,
		    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqP"
		    "P3-Kg6NU1Q",
		    FYNQ_ES256 },
		{ ED(""), "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
		    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvp"
		    "Ar_MuM0KAg",
		    FYNQ_EDDSA },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(vectors); i++) {
		unsigned char bytes[FYNQ_SIGNATURE_MAX];
		struct fynq_str text = fynq_str_of(vectors[i].text), signature;
		struct fynq_key key;
		size_t n;

		assert_case(fynq_jwk_read(parse(vectors[i].jwk), &key), vectors[i].jwk);
		assert_int_equal(key.alg, vectors[i].alg);
		assert_true(fynq_base64url_decode(
		    fynq_str_of(vectors[i].signature), bytes, sizeof(bytes), &n));
		signature = (struct fynq_str){ (char *)bytes, n };
		assert_case(fynq_alg_verify(key.alg, key.pkey, text, signature), vectors[i].jwk);
		text.n--;
		assert_false(fynq_alg_verify(key.alg, key.pkey, text, signature));
		EVP_PKEY_free(key.pkey);
	}
}

static void
test_unusable(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"kid\":\"a\"}",
		"{\"kid\":\"a\",\"kty\":\"oct\",\"k\":"
		"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kid\":\"a\",\"kty\":\"oct\",\"alg\":\"HS256\",\"x\":\"" ED_X "\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}",
		"{\"kid\":\"\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}",
		"{\"kid\":7,\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}",
		"{\"kid\":\"a\",\"kty\":\"okp\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}",
		"{\"kid\":\"a\",\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_X "\"}",
		"{\"kid\":\"a\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "AA\"}",
		"{\"kid\":\"a\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		"{\"kid\":\"a\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":[\"" ED_X "\"]}",
		ED(",\"use\":\"enc\""),
		ED(",\"use\":null"),
		ED(",\"alg\":\"ES256\""),
		ED(",\"alg\":7"),
		EC(",\"alg\":\"ES384\""),
		EC(",\"alg\":\"HS256\""),
		RSA(",\"alg\":\"PS256\""),
		RSA(",\"use\":\"\""),
		/* Off the curve, at infinity, of another curve, with padding, too short. */
		"{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X
		"\"}",
		"{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-256\","
		"\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		"\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		"{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y
		"\"}",
		"{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "=\",\"y\":\"" EC_Y
		"\"}",
		"{\"kid\":\"a\",\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"" EC_Y "\"}",
		/* An exponent of 1, an even one, a huge one; no modulus, one that is too short. */
		"{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}",
		"{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"Ag\"}",
		"{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"" ED_X "\"}",
		"{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}",
		"{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}",
		"{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"" ED_X "\",\"e\":\"AQAB\"}",
	};
	struct fynq_key key;
	char *large = fynq_arena_alloc(arena, 20000);

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_case(!fynq_jwk_read(parse(bad[i]), &key), bad[i]);
	snprintf(large, 20000,
	    "{\"kid\":\"%0129d\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}", 0, ED_X);
	assert_false(fynq_jwk_read(parse(large), &key));
	snprintf(
	    large, 20000, "{\"kid\":\"a\",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"%016000d\"}", 0);
	assert_false(fynq_jwk_read(parse(large), &key));
	assert_true(fynq_jwk_read(parse(ED(",\"alg\":\"EdDSA\",\"use\":\"sig\"")), &key));
	EVP_PKEY_free(key.pkey);
}

/* What is left out of a set, and what makes it none. */
static void
test_sets(void **state)
{
	static const char *const none[] = { "{}", "{\"keys\":{}}", "{\"keys\":null}",
		"{\"keys\":\"" ED_X "\"}", "{\"key\":[]}" };
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_JWKS_MAX);
	struct fynq_keyset *set;

	(void)state;
	for (size_t i = 0; i < LENGTH(none); i++)
		assert_case(fynq_jwks_read(parse(none[i])) == NULL, none[i]);
	set = fynq_jwks_read(parse("{\"keys\":[]}"));
	assert_int_equal(set->n, 0);
	fynq_keyset_drop(&set);
	set = fynq_jwks_read(parse("{\"keys\":[1,null,[],{}," ED("") "," ED(
	    "") ",{\"kty\":\"oct\","
		"\"kid\":\"o\",\"k\":\"AAAA\"}," EC(",\"d\":\"" EC_X "\"") "]}"));
	assert_int_equal(set->n, 2);
	assert_non_null(fynq_keyset_find(set, FYNQ_STR("e"), 0));
	assert_non_null(fynq_keyset_find(set, FYNQ_STR("d"), 0));
	assert_null(fynq_keyset_find(set, FYNQ_STR("o"), 0));
	assert_null(fynq_keyset_find(set, FYNQ_STR("D"), 0));
	assert_null(fynq_keyset_find(set, FYNQ_STR(""), 0));
	assert_null(fynq_keyset_find(set, (struct fynq_str){ 0 }, 0));
	assert_null(fynq_keyset_signer(set, INT64_MAX));
	fynq_keyset_drop(&set);

	fynq_buf_add(&b, FYNQ_STR("{\"keys\":["));
	for (int i = 0; i < FYNQ_KEYS_MAX + 1; i++)
		fynq_buf_printf(&b,
		    "%s{\"kid\":\"%d\",\"kty\":\"OKP\",\"crv\":\"Ed25519\","
		    "\"x\":\"" ED_X "\"}",
		    i > 0 ? "," : "", i);
	fynq_buf_add(&b, FYNQ_STR("]}"));
	assert_null(fynq_jwks_read(parse(fynq_arena_strdup(arena, fynq_buf_str(&b)))));
	fynq_buf_release(&b);
}

/* Written out and read in again they are the same keys, with public members alone. */
static void
test_written(void **state)
{
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_JWKS_MAX);
	struct fynq_keyset *own = fynq_keyset_new(), *again;
	struct json_object *json, *keys;

	(void)state;
	for (int alg = FYNQ_RS256; alg < FYNQ_ALGS; alg++) {
		struct fynq_key key = { .pkey = fynq_alg_generate((enum fynq_alg)alg),
			.private = true,
			.until = FYNQ_KEY_STAYS };

		snprintf(key.kid, sizeof(key.kid), "key \"%d\"", alg);
		assert_true(fynq_keyset_add(own, key));
	}
	fynq_buf_add(&b, FYNQ_STR("{\"keys\":"));
	fynq_jwks_write(&b, own, 0);
	fynq_buf_add_char(&b, '}');
	json = parse(fynq_arena_strdup(arena, fynq_buf_str(&b)));
	keys = json_object_object_get(json, "keys");
	assert_int_equal(json_object_array_length(keys), 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const private[] = { "d", "p", "q", "dp", "dq", "qi", "k" };
		struct json_object *jwk = json_object_array_get_idx(keys, i);

		for (size_t k = 0; k < LENGTH(private); k++)
			assert_false(json_object_object_get_ex(jwk, private[k], NULL));
		assert_string_equal(
		    json_object_get_string(json_object_object_get(jwk, "use")), "sig");
		assert_string_equal(json_object_get_string(json_object_object_get(jwk, "alg")),
		    fynq_alg_names[own->keys[i].alg]);
	}
	again = fynq_jwks_read(json);
	assert_int_equal(again->n, 3);
	assert_true(fynq_keyset_covers(again, own));
	assert_true(fynq_keyset_covers(own, again));
	own->keys[1].until = 100;
	fynq_buf_reset(&b);
	fynq_jwks_write(&b, own, 99);
	assert_non_null(memmem(b.p, b.n, "\\\"2\\\"", 5));
	fynq_buf_reset(&b);
	fynq_jwks_write(&b, own, 100);
	assert_null(memmem(b.p, b.n, "\\\"2\\\"", 5));
	assert_false(fynq_keyset_covers(again, own));
	fynq_buf_release(&b);
	fynq_keyset_drop(&own);
	fynq_keyset_drop(&again);
}

static int
set_up(void **state)
{
	(void)state;
	arena = fynq_arena_new(FYNQ_JWKS_MAX << 6);
	return 0;
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
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_written),
	};

	return cmocka_run_group_tests_name("jwk", tests, set_up, tear_down);
}
