/*
 * The claims of access tokens: which are needed, and whom they say the caller is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/config.h"
#include "http/json.h"
#include "identity/claims.h"

#define USER	"01890a5d-ac96-774b-bcce-b302099a8057"
#define SESSION "01890a5d-ac96-774b-bcce-b302099a8058"
#define NOW	INT64_C(1800000000)

/* Claims that are good, to be replaced one at a time. */
#define ISS "\"iss\":\"fynq\","
#define AUD "\"aud\":\"authenticated\","
#define SUB "\"sub\":\"" USER "\","
#define IAT "\"iat\":1800000000,"
#define EXP "\"exp\":1800003600,"
#define ALL ISS AUD SUB IAT EXP

static struct fynq_arena *arena;

static enum fynq_err
check(const char *members, struct fynq_claims *claims_r)
{
	struct fynq_str text = fynq_arena_printf(arena, "{%s\"phone\":\"\"}", members), why;
	struct json_object *json;

	if (!fynq_json_parse(arena, text, &json, &why))
		fail_msg("%s: %s", members, why.p);
	return fynq_claims_check(json, NOW, claims_r);
}

/* The first of those that are not as expected fails the test. */
static void
check_all(const char *const *members, size_t n, enum fynq_err expected)
{
	struct fynq_claims claims;

	for (size_t i = 0; i < n; i++) {
		enum fynq_err e = check(members[i], &claims);

		if (e != expected)
			fail_msg("%s: %s", members[i], fynq_err_info(e)->code);
	}
}
#define CHECK_ALL(expected, ...)                        \
	check_all((const char *const[]){ __VA_ARGS__ }, \
	    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), (expected))

static void
test_issuer_and_audience(void **state)
{
	(void)state;
	CHECK_ALL(FYNQ_OK, ALL, "\"aud\":[\"x\",\"authenticated\"]," ISS SUB IAT EXP);
	CHECK_ALL(FYNQ_E_UNAUTHORIZED, AUD SUB IAT EXP, "\"iss\":\"fynq2\"," AUD SUB IAT EXP,
	    "\"iss\":\"\"," AUD SUB IAT EXP, "\"iss\":[\"fynq\"]," AUD SUB IAT EXP, ISS SUB IAT EXP,
	    "\"aud\":\"anon\"," ISS SUB IAT EXP, "\"aud\":[]," ISS SUB IAT EXP,
	    "\"aud\":[\"a\",1,null]," ISS SUB IAT EXP,
	    "\"aud\":[[\"authenticated\"]]," ISS SUB IAT EXP,
	    "\"aud\":{\"authenticated\":1}," ISS SUB IAT EXP);
}

static void
test_subject(void **state)
{
	struct fynq_claims claims;

	(void)state;
	CHECK_ALL(FYNQ_E_UNAUTHORIZED, ISS AUD IAT EXP, "\"sub\":\"me\"," ISS AUD IAT EXP,
	    "\"sub\":null," ISS AUD IAT EXP, "\"sub\":7," ISS AUD IAT EXP,
	    ALL "\"session_id\":\"x\",", ALL "\"session_id\":7,", ALL "\"app_metadata\":[],",
	    ALL "\"app_metadata\":\"admin\",");
	assert_int_equal(check(ALL, &claims), FYNQ_OK);
	assert_string_equal(claims.user.text, USER);
	assert_string_equal(claims.session.text, "");
	assert_int_equal(claims.exp, NOW + 3600);
	assert_int_equal(check(ALL "\"session_id\":\"" SESSION "\",", &claims), FYNQ_OK);
	assert_string_equal(claims.session.text, SESSION);
	/* Ids are compared as text elsewhere. */
	assert_int_equal(
	    check("\"sub\":\"01890A5D-AC96-774B-BCCE-B302099A8057\"," ISS AUD IAT EXP, &claims),
	    FYNQ_OK);
	assert_string_equal(claims.user.text, USER);
}

/* The leeway is ten seconds, either way. */
static void
test_times(void **state)
{
	(void)state;
	CHECK_ALL(FYNQ_OK, "\"exp\":1799999991," ISS AUD SUB IAT,
	    "\"iat\":1800000010," ISS AUD SUB EXP, "\"iat\":-1," ISS AUD SUB EXP,
	    ALL "\"nbf\":1800000010,", "\"exp\":253402300799," ISS AUD SUB IAT);
	CHECK_ALL(FYNQ_E_TOKEN_EXPIRED, "\"exp\":1799999990," ISS AUD SUB IAT,
	    "\"exp\":0," ISS AUD SUB IAT, "\"exp\":-9223372036854775807," ISS AUD SUB IAT);
	CHECK_ALL(FYNQ_E_UNAUTHORIZED, "\"exp\":253402300800," ISS AUD SUB IAT,
	    "\"exp\":9223372036854775807," ISS AUD SUB IAT,
	    "\"exp\":99999999999999999999," ISS AUD SUB IAT, ISS AUD SUB IAT,
	    "\"exp\":\"1800003600\"," ISS AUD SUB IAT, "\"exp\":1800003600.0," ISS AUD SUB IAT,
	    "\"exp\":18e8," ISS AUD SUB IAT, "\"exp\":null," ISS AUD SUB IAT,
	    "\"exp\":true," ISS AUD SUB IAT, ISS AUD SUB EXP, "\"iat\":1.5," ISS AUD SUB EXP,
	    "\"iat\":\"1800000000\"," ISS AUD SUB EXP, "\"iat\":1800000011," ISS AUD SUB EXP,
	    "\"iat\":9223372036854775807," ISS AUD SUB EXP, ALL "\"nbf\":1800000011,",
	    ALL "\"nbf\":\"1700000000\",",
	    /* Expired is only what is otherwise valid. */
	    "\"exp\":1," AUD SUB IAT, "\"exp\":1,\"iat\":1800000011," ISS AUD SUB);
}

static void
test_roles(void **state)
{
	static const struct {
		const char *members;
		enum fynq_who role;
	} cases[] = {
		{ ALL, FYNQ_USER },
		{ ALL "\"app_metadata\":{},", FYNQ_USER },
		{ ALL "\"app_metadata\":{\"role\":\"student\"},", FYNQ_USER },
		{ ALL "\"app_metadata\":{\"role\":\"teacher\"},", FYNQ_TEACHER },
		{ ALL "\"app_metadata\":{\"role\":\"admin\"},", FYNQ_ADMIN },
		{ ALL "\"app_metadata\":{\"role\":\"Admin\"},", FYNQ_USER },
		{ ALL "\"app_metadata\":{\"role\":[\"admin\"]},", FYNQ_USER },
		{ ALL "\"app_metadata\":{\"x\":{\"role\":\"admin\"}},", FYNQ_USER },
		{ ALL "\"user_metadata\":{\"role\":\"admin\"},", FYNQ_USER },
		{ ALL "\"role\":\"admin\",", FYNQ_USER },
		{ ALL "\"role\":\"service_role\",", FYNQ_USER },
	};
	struct fynq_claims claims;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(check(cases[i].members, &claims), FYNQ_OK);
		assert_int_equal(claims.role, cases[i].role);
	}
}

static int
set_up(void **state)
{
	(void)state;
	fynq_config.jwt_issuer = "fynq";
	fynq_config.jwt_audience = "authenticated";
	fynq_config.jwt_leeway_seconds = 10;
	arena = fynq_arena_new(1 << 20);
	return 0;
}

/* Of a text that is no object, or has no such string, nothing is found. */
static void
test_find(void **state)
{
	static const char *const nothing[] = { "", "{", "[]", "null", "\"email\"", "{}",
		"{\"email\":1}", "{\"email\":null}", "{\"x\":{\"email\":\"a\"}}",
		"{\"email\":\"a\",\"email\":\"b\"}" };
	struct fynq_str found = fynq_claims_find(
	    arena, FYNQ_STR("{\"sub\":\"x\",\"email\":\"a\"}"), "email");

	(void)state;
	assert_true(fynq_str_eq(found, FYNQ_STR("a")));
	assert_null(fynq_claims_find(arena, (struct fynq_str){ 0 }, "email").p);
	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		if (fynq_claims_find(arena, fynq_str_of(nothing[i]), "email").p != NULL)
			fail_msg("%s", nothing[i]);
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
		cmocka_unit_test(test_issuer_and_audience),
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_find),
	};

	return cmocka_run_group_tests_name("claims", tests, set_up, tear_down);
}
