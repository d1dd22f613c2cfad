#include <stdio.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/query.h"
#include "storage/link.h"
#include "request.h"

#define SECRET "the secret of this test, of 32 bytes and more"
#define OTHER  "another secret of this test, as long as that"
#define ID     "01890a5d-ac96-774b-bcce-b302099a8057"

static struct fynq_uuid file;

/* The settings as they are where nothing is set. */
static int
setup(void **state)
{
	fynq_config.jwt_secret = fynq_config.link_secret = fynq_config.link_secret_old = "";
	fynq_config.public_url = "";
	assert_true(fynq_uuid_parse(FYNQ_STR(ID), &file));
	return setup_request(state);
}

/* A link that lives for so many seconds, cut into its parameters. */
static struct fynq_link
make(int64_t seconds)
{
	struct fynq_link link = { .key = { 0 } };
	struct fynq_str url, rest;
	struct fynq_param *params;
	size_t n;

	assert_int_equal(
	    fynq_link_sign(rq, &file, fynq_clock_now_us() / 1000000 + seconds, &url), FYNQ_OK);
	fynq_str_cut(url, '?', &url, &rest);
	assert_str(url, "/api/v1/files/" ID "/link");
	params = fynq_query_parse(rq->arena, rest, &n);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++)
		if (fynq_str_eq(params[i].name, FYNQ_STR("expires")))
			link.expires = params[i].value;
		else if (fynq_str_eq(params[i].name, FYNQ_STR("key")))
			link.key = params[i].value;
		else if (fynq_str_eq(params[i].name, FYNQ_STR("signature")))
			link.signature = params[i].value;
	assert_int_equal(link.key.n, FYNQ_LINK_KEY_SIZE - 1);
	assert_int_equal(link.signature.n, FYNQ_LINK_SIGNATURE_SIZE - 1);
	return link;
}

static enum fynq_err
check(const struct fynq_link *link)
{
	int64_t seconds;

	return fynq_link_check(rq, &file, link, &seconds);
}

static void
a_link_works(void **state)
{
	struct fynq_link link;
	int64_t seconds = 0;

	(void)state;
	fynq_config.link_secret = SECRET;
	link = make(100);
	assert_int_equal(fynq_link_check(rq, &file, &link, &seconds), FYNQ_OK);
	assert_true(seconds > 90 && seconds <= 100);
}

/* The form of a link stays, or links that are out there do not work any more. */
static void
what_is_signed(void **state)
{
	struct fynq_str url;

	(void)state;
	fynq_config.link_secret = "0123456789abcdef0123456789abcdef";
	fynq_config.public_url = "https://api.example";
	assert_int_equal(fynq_link_sign(rq, &file, 1767225600, &url), FYNQ_OK);
	assert_str(url, "https://api.example/api/v1/files/" ID
			"/link?expires=1767225600&key=caa673c0&signature=l2tD_"
			"357HqIst2YDLtZrxs3mpNzN_i2BlIstLY2bwwc");
}

static struct fynq_str
with(struct fynq_str s, size_t at, char c)
{
	char *changed = fynq_arena_strdup(rq->arena, s);

	changed[at] = c;
	return (struct fynq_str){ changed, s.n };
}

static void
one_that_was_changed_does_not(void **state)
{
	struct fynq_link link, changed;
	struct fynq_uuid other;

	(void)state;
	fynq_config.link_secret = SECRET;
	link = make(100);
	for (size_t i = 0; i < link.signature.n; i++) {
		changed = link;
		changed.signature = with(link.signature, i, link.signature.p[i] == 'A' ? 'E' : 'A');
		assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
	}
	for (size_t i = 0; i < link.key.n; i++) {
		changed = link;
		changed.key = with(link.key, i, link.key.p[i] == '0' ? '1' : '0');
		assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
	}
	for (size_t i = 0; i < link.expires.n; i++) {
		changed = link;
		changed.expires = with(link.expires, i, link.expires.p[i] == '9' ? '8' : '9');
		assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
	}
	assert_true(fynq_uuid_parse(FYNQ_STR("01890a5d-ac96-774b-bcce-b302099a8058"), &other));
	file = other;
	assert_int_equal(check(&link), FYNQ_E_BAD_LINK);
}

/* The same number, the same bytes, in another form. */
static void
one_that_is_written_otherwise_does_not(void **state)
{
	static const char *const before[] = { "0", "+", " ", "-", "\t" };
	static const char *const after[] = { " ", ".0", "\n", "\ne30", "0" };
	struct fynq_link link, changed;

	(void)state;
	fynq_config.link_secret = SECRET;
	link = make(100);
	for (size_t i = 0; i < LENGTH(before); i++) {
		changed = link;
		changed.expires = fynq_arena_printf(
		    rq->arena, "%s%.*s", before[i], FYNQ_STR_ARG(link.expires));
		assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
		changed.expires = fynq_arena_printf(
		    rq->arena, "%.*s%s", FYNQ_STR_ARG(link.expires), after[i]);
		assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
	}
	changed = link;
	changed.signature = fynq_arena_printf(rq->arena, "%.*s=", FYNQ_STR_ARG(link.signature));
	assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
	changed.signature = (struct fynq_str){ link.signature.p, link.signature.n - 1 };
	assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
	changed.signature = FYNQ_STR("");
	assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
	changed = link;
	changed.expires = FYNQ_STR("");
	assert_int_equal(check(&changed), FYNQ_E_BAD_LINK);
}

static void
one_that_has_expired_does_not(void **state)
{
	struct fynq_link link;

	(void)state;
	fynq_config.link_secret = SECRET;
	link = make(0);
	assert_int_equal(check(&link), FYNQ_E_BAD_LINK);
	link = make(-1);
	assert_int_equal(check(&link), FYNQ_E_BAD_LINK);
}

static void
secrets_are_changed(void **state)
{
	struct fynq_link of_jwt, first, second;

	(void)state;
	fynq_config.jwt_secret = OTHER;
	of_jwt = make(100);
	fynq_config.link_secret = SECRET;
	assert_int_equal(check(&of_jwt), FYNQ_E_BAD_LINK);
	fynq_config.link_secret_old = OTHER;
	assert_int_equal(check(&of_jwt), FYNQ_OK);
	first = make(100);

	fynq_config.link_secret_old = SECRET;
	fynq_config.link_secret = OTHER "!";
	second = make(100);
	assert_int_equal(check(&first), FYNQ_OK);
	assert_int_equal(check(&second), FYNQ_OK);
	assert_int_equal(check(&of_jwt), FYNQ_E_BAD_LINK);
	fynq_config.link_secret_old = "";
	assert_int_equal(check(&first), FYNQ_E_BAD_LINK);
}

/* None is made, and none is taken: not one that an empty secret would have signed, either. */
static void
without_a_secret(void **state)
{
	struct fynq_link link;
	struct fynq_str url;

	(void)state;
	fynq_config.link_secret = SECRET;
	link = make(100);
	fynq_config.link_secret = "";
	assert_int_equal(check(&link), FYNQ_E_BAD_LINK);
	assert_int_equal(fynq_link_sign(rq, &file, 1, &url), FYNQ_E_STORAGE_UNAVAILABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_link_works, setup, teardown_request),
		cmocka_unit_test_setup_teardown(what_is_signed, setup, teardown_request),
		cmocka_unit_test_setup_teardown(
		    one_that_was_changed_does_not, setup, teardown_request),
		cmocka_unit_test_setup_teardown(
		    one_that_is_written_otherwise_does_not, setup, teardown_request),
		cmocka_unit_test_setup_teardown(
		    one_that_has_expired_does_not, setup, teardown_request),
		cmocka_unit_test_setup_teardown(secrets_are_changed, setup, teardown_request),
		cmocka_unit_test_setup_teardown(without_a_secret, setup, teardown_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
