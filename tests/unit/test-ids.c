#include "base/ids.h"
#include "unit.h"

static void
uuids_ascend(void **state)
{
	struct fynq_uuid last = fynq_uuid_new(), id, read;

	(void)state;
	/* More than one millisecond's 4096. */
	for (int i = 0; i < 10000; i++) {
		id = fynq_uuid_new();
		assert_true(strcmp(last.text, id.text) < 0);
		assert_int_equal(id.text[14], '7');
		assert_non_null(strchr("89ab", id.text[19]));
		assert_true(fynq_uuid_parse(fynq_uuid_str(&id), &read));
		last = id;
	}
}

static void
uuids_parse(void **state)
{
	static const char *const bad[] = {
		"",
		"0190163d-8694-739b-aea5-966c26f8ad9",
		"0190163d-8694-739b-aea5-966c26f8ad900",
		"0190163d-8694-739b-aea5-966c26f8ad9g",
		"0190163d8694-739b-aea5-966c26f8ad900-",
		"{190163d-8694-739b-aea5-966c26f8ad9}",
		"0190163d-8694-739b-aea5_966c26f8ad90",
	};
	struct fynq_uuid id = { "" };

	(void)state;
	assert_null(fynq_uuid_str(&id).p);
	assert_true(fynq_uuid_parse(FYNQ_STR("0190163D-8694-739B-AEA5-966C26F8AD90"), &id));
	assert_str(fynq_uuid_str(&id), "0190163d-8694-739b-aea5-966c26f8ad90");
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_case(!fynq_uuid_parse(fynq_str_of(bad[i]), &id), bad[i]);
}

/* RFC 4648 section 10, in the URL's alphabet. */
static void
base64url(void **state)
{
	static const struct {
		struct fynq_str plain;
		const char *coded;
	} cases[] = {
		{ FYNQ_STR_INIT(""), "" },
		{ FYNQ_STR_INIT("f"), "Zg" },
		{ FYNQ_STR_INIT("fo"), "Zm8" },
		{ FYNQ_STR_INIT("foo"), "Zm9v" },
		{ FYNQ_STR_INIT("foobar"), "Zm9vYmFy" },
		{ FYNQ_STR_INIT("\xfb\xff\xfe"), "-__-" },
		{ FYNQ_STR_INIT("\0\0"), "AAA" },
	};
	struct fynq_buf b = FYNQ_BUF_INIT(64);
	char out[8];
	size_t n;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		fynq_buf_reset(&b);
		fynq_base64url(&b, cases[i].plain.p, cases[i].plain.n);
		assert_str(fynq_buf_str(&b), cases[i].coded);
		assert_true(fynq_base64url_decode(fynq_buf_str(&b), out, sizeof(out), &n));
		assert_true(fynq_str_eq(cases[i].plain, (struct fynq_str){ out, n }));
	}
	fynq_buf_release(&b);
}

/* RFC 4648 section 10; nothing is padded but the end, however long it is. */
static void
base64(void **state)
{
	static const struct {
		struct fynq_str plain;
		const char *coded;
	} cases[] = {
		{ FYNQ_STR_INIT(""), "" },
		{ FYNQ_STR_INIT("f"), "Zg==" },
		{ FYNQ_STR_INIT("fo"), "Zm8=" },
		{ FYNQ_STR_INIT("foo"), "Zm9v" },
		{ FYNQ_STR_INIT("foobar"), "Zm9vYmFy" },
		{ FYNQ_STR_INIT("\xfb\xff\xfe"), "+//+" },
		{ FYNQ_STR_INIT("\0\0"), "AAA=" },
	};
	static const size_t lengths[] = { 3071, 3072, 3073, 6144, 7000 };
	static const char zeros[7000];
	struct fynq_buf b = FYNQ_BUF_INIT(16384);

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		fynq_buf_reset(&b);
		fynq_base64(&b, cases[i].plain.p, cases[i].plain.n);
		assert_str(fynq_buf_str(&b), cases[i].coded);
	}
	for (size_t i = 0; i < LENGTH(lengths); i++) {
		size_t padding = (3 - lengths[i] % 3) % 3;

		fynq_buf_reset(&b);
		fynq_base64(&b, zeros, lengths[i]);
		assert_int_equal(b.n, (lengths[i] + 2) / 3 * 4);
		for (size_t at = 0; at < b.n; at++)
			assert_int_equal(b.p[at], at < b.n - padding ? 'A' : '=');
	}
	fynq_buf_release(&b);
}

static void
base64url_refuses(void **state)
{
	static const char *const bad[] = { "Z", "Zg==", "Zm9vY", "Zm+v", "Zm/v", "Zm 9", "Zh",
		"Zm9" };
	char out[8];
	size_t n;

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_case(
		    !fynq_base64url_decode(fynq_str_of(bad[i]), out, sizeof(out), &n), bad[i]);
	assert_false(fynq_base64url_decode(FYNQ_STR("Zm\0v"), out, sizeof(out), &n));
	assert_true(fynq_base64url_decode(FYNQ_STR("Zm9v"), out, 3, &n));
	assert_false(fynq_base64url_decode(FYNQ_STR("Zm9v"), out, 2, &n));
}

static void
tokens(void **state)
{
	char one[FYNQ_TOKEN_SIZE], two[FYNQ_TOKEN_SIZE], raw[32];
	size_t n;

	(void)state;
	fynq_token_new(one);
	fynq_token_new(two);
	assert_string_not_equal(one, two);
	assert_int_equal(strlen(one), FYNQ_TOKEN_SIZE - 1);
	assert_true(fynq_base64url_decode(fynq_str_of(one), raw, sizeof(raw), &n));
	assert_int_equal(n, 32);
}

static void
sha256(void **state)
{
	char hex[FYNQ_SHA256_SIZE];

	(void)state;
	fynq_sha256(FYNQ_STR("abc"), hex);
	assert_string_equal(
	    hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	fynq_sha256(FYNQ_STR(""), hex);
	assert_string_equal(
	    hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uuids_ascend),
		cmocka_unit_test(uuids_parse),
		cmocka_unit_test(base64),
		cmocka_unit_test(base64url),
		cmocka_unit_test(base64url_refuses),
		cmocka_unit_test(tokens),
		cmocka_unit_test(sha256),
	};

	return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
