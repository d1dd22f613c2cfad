/*
 * Answers of Supabase Auth: what each code means, which sessions and accounts make sense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/json.h"
#include "identity/gotrue.h"

#define NOW INT64_C(1800000000)
#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static struct fynq_arena *arena;

static enum fynq_err
answer(const struct fynq_gotrue *ask, long status, const char *body,
    struct fynq_gotrue_answer *answer_r)
{
	return fynq_gotrue_read(arena, ask, status, fynq_str_of(body), answer_r);
}

/* The error of an answer, to a call of that kind. */
static void
check(const struct fynq_gotrue *ask, long status, const char *body, enum fynq_err expected)
{
	struct fynq_gotrue_answer got;
	enum fynq_err e = answer(ask, status, body, &got);

	if (e != expected)
		fail_msg("%ld %s: %s", status, body, fynq_err_info(e)->code);
	assert_null(got.json);
}

/* In the form of 2024 and in the one before. */
static void
check_code(const struct fynq_gotrue *ask, long status, const char *code, enum fynq_err expected)
{
	check(ask, status,
	    fynq_arena_printf(arena, "{\"code\":\"%s\",\"message\":\"Some words\"}", code).p,
	    expected);
	check(ask, status,
	    fynq_arena_printf(
		arena, "{\"code\":%ld,\"error_code\":\"%s\",\"msg\":\"Some words\"}", status, code)
		.p,
	    expected);
}

static const struct fynq_gotrue plain = { .method = "POST", .path = "/signup" };

static void
test_codes(void **state)
{
	static const struct {
		long status;
		const char *code;
		enum fynq_err expected;
	} rows[] = {
		{ 400, "invalid_credentials", FYNQ_E_BAD_CREDENTIALS },
		{ 400, "user_banned", FYNQ_E_DISABLED },
		{ 403, "user_banned", FYNQ_E_DISABLED },
		{ 400, "email_not_confirmed", FYNQ_E_BAD_CREDENTIALS },
		{ 422, "user_already_exists", FYNQ_E_CONFLICT },
		{ 422, "email_exists", FYNQ_E_CONFLICT },
		{ 422, "signup_disabled", FYNQ_E_FORBIDDEN },
		{ 422, "weak_password", FYNQ_E_INVALID },
		{ 400, "validation_failed", FYNQ_E_INVALID },
		{ 400, "email_address_invalid", FYNQ_E_INVALID },
		{ 400, "refresh_token_not_found", FYNQ_E_BAD_REFRESH_TOKEN },
		{ 400, "refresh_token_already_used", FYNQ_E_BAD_REFRESH_TOKEN },
		{ 400, "session_not_found", FYNQ_E_BAD_REFRESH_TOKEN },
		{ 400, "session_expired", FYNQ_E_BAD_REFRESH_TOKEN },
		{ 403, "otp_expired", FYNQ_E_BAD_MAIL_TOKEN },
		{ 400, "bad_code_verifier", FYNQ_E_BAD_CODE },
		{ 404, "flow_state_not_found", FYNQ_E_BAD_CODE },
		{ 422, "flow_state_expired", FYNQ_E_BAD_CODE },
		{ 404, "user_not_found", FYNQ_E_NOT_FOUND },
		{ 429, "over_request_rate_limit", FYNQ_E_RATE_LIMITED },
		{ 429, "over_email_send_rate_limit", FYNQ_E_RATE_LIMITED },
		/* Codes that are nobody's fault but theirs or the admin's. */
		{ 403, "not_admin", FYNQ_E_AUTH_UNAVAILABLE },
		{ 403, "bad_jwt", FYNQ_E_AUTH_UNAVAILABLE },
		{ 400, "captcha_failed", FYNQ_E_AUTH_UNAVAILABLE },
		{ 400, "email_provider_disabled", FYNQ_E_AUTH_UNAVAILABLE },
		{ 409, "conflict", FYNQ_E_AUTH_UNAVAILABLE },
		{ 504, "request_timeout", FYNQ_E_AUTH_UNAVAILABLE },
		{ 500, "unexpected_failure", FYNQ_E_AUTH_UNAVAILABLE },
		{ 400, "a_code_of_tomorrow", FYNQ_E_AUTH_UNAVAILABLE },
		{ 429, "a_code_of_tomorrow", FYNQ_E_RATE_LIMITED },
		/* The code decides, not the status. */
		{ 500, "invalid_credentials", FYNQ_E_BAD_CREDENTIALS },
		{ 401, "weak_password", FYNQ_E_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_code(&plain, rows[i].status, rows[i].code, rows[i].expected);
}

/* What a code means may depend on who asked for what. */
static void
test_codes_of_calls(void **state)
{
	static const struct fynq_gotrue refresh = { .refusal = FYNQ_E_BAD_REFRESH_TOKEN };
	static const struct fynq_gotrue user = { .token = FYNQ_STR_INIT("token") };
	static const char *const ended[] = { "bad_jwt", "no_authorization", "session_not_found",
		"session_expired", "user_not_found" };

	(void)state;
	check_code(&refresh, 400, "validation_failed", FYNQ_E_BAD_REFRESH_TOKEN);
	check_code(&refresh, 400, "user_banned", FYNQ_E_DISABLED);
	for (size_t i = 0; i < sizeof(ended) / sizeof(ended[0]); i++)
		check_code(&user, 403, ended[i], FYNQ_E_UNAUTHORIZED);
	check_code(&user, 403, "user_banned", FYNQ_E_DISABLED);
	check_code(&user, 422, "weak_password", FYNQ_E_INVALID);
}

/* Gateways in front, and answers that are none. */
static void
test_rubbish(void **state)
{
	static const char *const bodies[] = { "", "<html>502</html>", "null", "[]", "{}",
		"{\"code\"", "{\"code\":400}", "{\"code\":[\"invalid_credentials\"]}",
		"{\"code\":\"Invalid_Credentials\"}", "{\"code\":\"invalid_credentials \"}",
		"{\"code\":\"invalid_credentials\\n\"}", "{\"error\":\"invalid_credentials\"}",
		"{\"message\":\"Invalid API key\",\"hint\":\"invalid_credentials\"}",
		"{\"code\":\"" A64 "a\"}" };
	static const long statuses[] = { 100, 302, 400, 401, 403, 404, 418, 500, 502, 503, 504 };
	struct fynq_gotrue_answer got;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		for (size_t k = 0; k < sizeof(statuses) / sizeof(statuses[0]); k++)
			check(&plain, statuses[k], bodies[i], FYNQ_E_AUTH_UNAVAILABLE);
		check(&plain, 429, bodies[i], FYNQ_E_RATE_LIMITED);
	}
	check(&plain, 200, "<html>", FYNQ_E_AUTH_UNAVAILABLE);
	check(&plain, 200, "[]", FYNQ_E_AUTH_UNAVAILABLE);
	check(&plain, 204, "", FYNQ_OK);
	assert_int_equal(answer(&plain, 200, "{}", &got), FYNQ_OK);
	assert_non_null(got.json);
}

#define ID   "\"id\":\"9f1c0f0e-6f7a-4f0e-9f2b-4f6f7a8b9c0d\","
#define MAIL "\"email\":\"ada@example.com\","
#define MADE "\"created_at\":\"2026-01-31T12:34:56.789012Z\","
#define USER "{" ID MAIL MADE "\"role\":\"authenticated\",\"app_metadata\":{\"role\":\"teacher\"}}"

static struct json_object *
object(const char *text)
{
	struct json_object *json;
	struct fynq_str why;

	if (!fynq_json_parse(arena, fynq_str_of(text), &json, &why))
		fail_msg("%s: %s", text, why.p);
	return json;
}

static void
test_user(void **state)
{
	static const char *const bad[] = { "{}", "{" ID MAIL "\"x\":1}", "{" MAIL MADE "\"x\":1}",
		"{\"id\":\"1\"," MAIL MADE "\"x\":1}", "{\"id\":1," MAIL MADE "\"x\":1}",
		"{" ID MAIL "\"created_at\":\"yesterday\"}", "{" ID MAIL "\"created_at\":null}",
		"{" ID MAIL "\"created_at\":\"2026-02-30T00:00:00Z\"}" };
	static const struct {
		const char *metadata, *role;
	} roles[] = {
		{ "{\"role\":\"admin\"}", "admin" },
		{ "{\"role\":\"teacher\"}", "teacher" },
		{ "{\"role\":\"service_role\"}", "student" },
		{ "{\"role\":[\"admin\"]}", "student" },
		{ "{}", "student" },
		{ "null", "student" },
		{ "\"admin\"", "student" },
		{ "[]", "student" },
	};
	struct fynq_gotrue_user user;

	(void)state;
	assert_true(fynq_gotrue_user(object(USER), &user));
	assert_string_equal(user.id.text, "9f1c0f0e-6f7a-4f0e-9f2b-4f6f7a8b9c0d");
	assert_true(fynq_str_eq(user.email, FYNQ_STR("ada@example.com")));
	assert_string_equal(user.role, "teacher");
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		struct fynq_str text = fynq_arena_printf(arena,
		    "{" ID MAIL MADE "\"user_metadata\":{\"role\":\"admin\"},\"app_metadata\":%s}",
		    roles[i].metadata);

		assert_true(fynq_gotrue_user(object(text.p), &user));
		assert_string_equal(user.role, roles[i].role);
	}
	/* An account of another service may have no address. */
	assert_true(fynq_gotrue_user(object("{" ID MADE "\"email\":\"\"}"), &user));
	assert_int_equal(user.email.n, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fynq_gotrue_user(object(bad[i]), &user))
			fail_msg("%s", bad[i]);
	assert_false(fynq_gotrue_user(NULL, &user));
}

#define ACCESS	"\"access_token\":\"eyJhbGciOiJFUzI1NiJ9.e30.c2ln\",\"token_type\":\"bearer\","
#define REFRESH "\"refresh_token\":\"4nYUCw0wZR_DNOTSDbSGMQ\","
#define TIMES	"\"expires_in\":3600,\"expires_at\":1800003000,"
#define WHOSE	"\"user\":" USER

static void
test_session(void **state)
{
	static const char *const bad[] = { "{}", USER, "{" ACCESS REFRESH TIMES "\"x\":1}",
		"{" ACCESS TIMES WHOSE "}", "{" REFRESH TIMES WHOSE "}",
		"{" ACCESS REFRESH WHOSE "}", "{" ACCESS REFRESH TIMES "\"user\":null}",
		"{" ACCESS REFRESH TIMES "\"user\":{}}",
		"{" ACCESS REFRESH "\"expires_in\":\"3600\"," WHOSE "}",
		"{" ACCESS REFRESH "\"expires_in\":-1," WHOSE "}",
		"{" ACCESS REFRESH "\"expires_in\":9223372036854775807," WHOSE "}",
		"{\"access_token\":\"a b\"," REFRESH TIMES WHOSE "}",
		"{\"access_token\":\"a\\r\\nX: y\"," REFRESH TIMES WHOSE "}",
		"{\"access_token\":\"\"," REFRESH TIMES WHOSE "}",
		"{" ACCESS "\"refresh_token\":1," TIMES WHOSE "}" };
	struct fynq_session session;
	struct fynq_gotrue_user user;

	(void)state;
	assert_true(
	    fynq_gotrue_session(object("{" ACCESS REFRESH TIMES WHOSE "}"), NOW, &session, &user));
	assert_true(fynq_str_eq(session.refresh_token, FYNQ_STR("4nYUCw0wZR_DNOTSDbSGMQ")));
	assert_true(session.expires_in == 3600 && session.expires_at == 1800003000);
	assert_true(fynq_gotrue_session(
	    object("{" ACCESS REFRESH "\"expires_in\":60," WHOSE "}"), NOW, &session, &user));
	assert_true(session.expires_at == NOW + 60);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (fynq_gotrue_session(object(bad[i]), NOW, &session, &user))
			fail_msg("%s", bad[i]);
	assert_false(fynq_gotrue_session(NULL, NOW, &session, &user));
}

static void
test_objects(void **state)
{
	struct fynq_str absent = { 0 }, inner;

	(void)state;
	inner = FYNQ_GOTRUE_OBJECT(arena, { "name", FYNQ_STR("\"}\n\xc3\xab"), false });
	assert_true(fynq_str_eq(inner, FYNQ_STR("{\"name\":\"\\\"}\\n\xc3\xab\"}")));
	assert_true(
	    fynq_str_eq(FYNQ_GOTRUE_OBJECT(arena, { "a", absent, false }, { "b", inner, true },
			    { "c", FYNQ_STR(""), false }, { "d", absent, true }),
		FYNQ_STR("{\"b\":{\"name\":\"\\\"}\\n\xc3\xab\"},\"c\":\"\"}")));
	assert_true(fynq_str_eq(FYNQ_GOTRUE_OBJECT(arena, { "a", absent, false }), FYNQ_STR("{}")));
}

static int
set_up(void **state)
{
	(void)state;
	arena = fynq_arena_new(FYNQ_ARENA_MAX);
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
		cmocka_unit_test(test_codes),
		cmocka_unit_test(test_codes_of_calls),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_objects),
	};

	return cmocka_run_group_tests_name("gotrue", tests, set_up, tear_down);
}
