#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "gemini/error.h"
#include "unit.h"

enum { MINUTE = 60, OVERLOADED = 10 };

static void
knows_each_status(void **state)
{
	static const struct {
		int status;
		enum fynq_err error;
		int retry_after;
	} cases[] = {
		{ 400, FYNQ_E_GEMINI_REFUSED, 0 },
		{ 401, FYNQ_E_GEMINI_REFUSED, 0 },
		{ 403, FYNQ_E_GEMINI_REFUSED, 0 },
		{ 404, FYNQ_E_GEMINI_REFUSED, 0 },
		{ 408, FYNQ_E_GEMINI_TIMEOUT, OVERLOADED },
		{ 413, FYNQ_E_GEMINI_REFUSED, 0 },
		{ 429, FYNQ_E_GEMINI_QUOTA, MINUTE },
		{ 499, FYNQ_E_GEMINI_FAILED, 0 },
		{ 500, FYNQ_E_GEMINI_FAILED, OVERLOADED },
		{ 502, FYNQ_E_GEMINI_FAILED, OVERLOADED },
		{ 503, FYNQ_E_GEMINI_OVERLOADED, OVERLOADED },
		{ 504, FYNQ_E_GEMINI_TIMEOUT, OVERLOADED },
		{ 505, FYNQ_E_GEMINI_FAILED, 0 },
		{ 302, FYNQ_E_GEMINI_FAILED, 0 },
		{ 204, FYNQ_E_GEMINI_FAILED, 0 },
		{ 0, FYNQ_E_GEMINI_FAILED, 0 },
		{ -1, FYNQ_E_GEMINI_FAILED, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fynq_buf body = FYNQ_BUF_INIT(200);
		int retry_after = -1;

		if (fynq_gemini_error(cases[i].status, NULL, &retry_after) != cases[i].error ||
		    retry_after != cases[i].retry_after)
			fail_msg("status %d", cases[i].status);
		/* The object's code, where HTTP has no status. */
		fynq_buf_printf(&body, "{\"error\":{\"code\":%d}}", cases[i].status);
		retry_after = -1;
		if (fynq_gemini_body_error(0, fynq_buf_str(&body), &retry_after) !=
			cases[i].error ||
		    retry_after != cases[i].retry_after)
			fail_msg("code %d", cases[i].status);
		fynq_buf_release(&body);
	}
}

static void
reads_each_form_of_body(void **state)
{
	static const struct {
		const char *name;
		int status;
		const char *body;
		enum fynq_err error;
		int retry_after;
	} cases[] = {
		{ "an object", 429, "{\"error\":{\"details\":[{\"retryDelay\":\"5s\"}]}}",
		    FYNQ_E_GEMINI_QUOTA, 5 },
		{ "inside an array", 429, "[{\"error\":{\"details\":[{\"retryDelay\":\"5s\"}]}}]",
		    FYNQ_E_GEMINI_QUOTA, 5 },
		{ "inside an array, on lines", 0,
		    "[{\n  \"error\": {\n    \"code\": 503,\n    \"status\": \"UNAVAILABLE\"\n  "
		    "}\n}\n]\n",
		    FYNQ_E_GEMINI_OVERLOADED, OVERLOADED },
		{ "HTTP's status before the code", 503, "{\"error\":{\"code\":400}}",
		    FYNQ_E_GEMINI_OVERLOADED, OVERLOADED },
		{ "a page of HTML", 502, "<html><h1>Bad gateway</h1></html>", FYNQ_E_GEMINI_FAILED,
		    OVERLOADED },
		{ "a page of HTML with a quota", 429, "<html>Slow down</html>", FYNQ_E_GEMINI_QUOTA,
		    MINUTE },
		{ "a page of HTML in a stream", 0, "<html>", FYNQ_E_GEMINI_FAILED, 0 },
		{ "nothing", 503, "", FYNQ_E_GEMINI_OVERLOADED, OVERLOADED },
		{ "nothing at all", 0, "", FYNQ_E_GEMINI_FAILED, 0 },
		{ "an empty array", 0, "[]", FYNQ_E_GEMINI_FAILED, 0 },
		{ "an array in an array", 0, "[[{\"error\":{\"code\":503}}]]", FYNQ_E_GEMINI_FAILED,
		    0 },
		{ "an empty object", 404, "{}", FYNQ_E_GEMINI_REFUSED, 0 },
		{ "null", 0, "null", FYNQ_E_GEMINI_FAILED, 0 },
		{ "an error of another type", 500, "{\"error\":\"internal\"}", FYNQ_E_GEMINI_FAILED,
		    OVERLOADED },
		{ "a code of another type", 0, "{\"error\":{\"code\":\"503\"}}",
		    FYNQ_E_GEMINI_FAILED, 0 },
		{ "a code past all integers", 0, "{\"error\":{\"code\":99999999999999999999}}",
		    FYNQ_E_GEMINI_FAILED, 0 },
		{ "a body cut short", 429, "{\"error\":{\"details\":[{\"retryDelay\":\"5s\"}]",
		    FYNQ_E_GEMINI_QUOTA, MINUTE },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		int retry_after = -1;
		enum fynq_err e = fynq_gemini_body_error(
		    cases[i].status, fynq_str_of(cases[i].body), &retry_after);

		assert_case(e == cases[i].error, cases[i].name);
		assert_case(retry_after == cases[i].retry_after, cases[i].name);
	}
}

/* The delay of a 429 whose retryDelay is this JSON. */
static int
delay_of(const char *json)
{
	struct fynq_buf body = FYNQ_BUF_INIT(1024);
	int retry_after = -1;

	fynq_buf_printf(&body,
	    "{\"error\":{\"code\":429,\"details\":["
	    "{\"@type\":\"type.googleapis.com/google.rpc.Help\",\"links\":[]},"
	    "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":%s}]}}",
	    json);
	assert_int_equal(
	    fynq_gemini_body_error(429, fynq_buf_str(&body), &retry_after), FYNQ_E_GEMINI_QUOTA);
	fynq_buf_release(&body);
	return retry_after;
}

/* google.protobuf.Duration: seconds with up to nine digits of a fraction. */
static void
rounds_the_delay_up(void **state)
{
	static const struct {
		const char *json;
		int seconds;
	} cases[] = {
		{ "\"34.4s\"", 35 },
		{ "\"34s\"", 34 },
		{ "\"34.0s\"", 34 },
		{ "\"34.000000001s\"", 35 },
		{ "\"0.5s\"", 1 },
		{ "\"0.000000001s\"", 1 },
		{ "\"1s\"", 1 },
		{ "\"3600s\"", 3600 },
		{ "\"12345.123456789s\"", 12346 },
		{ "\"86399.999999999s\"", 86400 },
		{ "\"0s\"", MINUTE },
		{ "\"-5s\"", MINUTE },
		{ "\"86400s\"", MINUTE },
		{ "\"315576000000s\"", MINUTE },
		{ "\"34.4\"", MINUTE },
		{ "\"34.4m\"", MINUTE },
		{ "\"s\"", MINUTE },
		{ "\"\"", MINUTE },
		{ "\"soons\"", MINUTE },
		{ "\"nans\"", MINUTE },
		{ "\"infs\"", MINUTE },
		{ "\"1e300s\"", MINUTE },
		{ "34", MINUTE },
		{ "null", MINUTE },
		{ "{\"seconds\":34}", MINUTE },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		if (delay_of(cases[i].json) != cases[i].seconds)
			fail_msg("%s: %d", cases[i].json, delay_of(cases[i].json));
}

#define VIOLATION(id)                                                 \
	"{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\"," \
	"\"violations\":[{\"quotaMetric\":\"generate_requests\","     \
	"\"quotaId\":\"" id "\"}]}"
#define DELAY	   "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"20s\"}"
#define PER_DAY	   VIOLATION("GenerateRequestsPerDayPerProjectPerModel-FreeTier")
#define PER_MINUTE VIOLATION("GenerateContentInputTokensPerModelPerMinute-FreeTier")

static void
tells_a_day_from_a_minute(void **state)
{
	static const struct {
		const char *name, *details;
		bool day;
		int retry_after;
	} cases[] = {
		{ "a minute", "[" PER_MINUTE "," DELAY "]", false, 20 },
		{ "a minute, the delay first", "[" DELAY "," PER_MINUTE "]", false, 20 },
		{ "a minute without a delay", "[" PER_MINUTE "]", false, MINUTE },
		{ "a delay alone", "[" DELAY "]", false, 20 },
		{ "a day", "[" PER_DAY "]", true, 0 },
		{ "a day with a delay", "[" PER_DAY "," DELAY "]", true, 0 },
		{ "a day, the delay first", "[" DELAY "," PER_DAY "]", true, 0 },
		{ "a day and a minute", "[" PER_MINUTE "," PER_DAY "," DELAY "]", true, 0 },
		{ "a day and a minute, the day first", "[" PER_DAY "," PER_MINUTE "]", true, 0 },
		{ "both in one failure",
		    "[{\"violations\":[{\"quotaId\":\"XPerMinuteY\"},{\"quotaId\":\"XPerDayY\"}]}]",
		    true, 0 },
		{ "no details", "[]", false, MINUTE },
		{ "details of other types",
		    "[1,\"PerDay\",null,[],{\"violations\":{}},{\"violations\":[1,null,{}]},"
		    "{\"violations\":[{\"quotaId\":5}]}]",
		    false, MINUTE },
		{ "details that are no array", "{\"violations\":[{\"quotaId\":\"PerDay\"}]}", false,
		    MINUTE },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fynq_buf body = FYNQ_BUF_INIT(4096);
		int retry_after = -1, before, after;
		enum fynq_err e;

		fynq_buf_printf(
		    &body, "{\"error\":{\"code\":429,\"details\":%s}}", cases[i].details);
		fynq_clock_pacific_day(time(NULL), &before);
		e = fynq_gemini_body_error(429, fynq_buf_str(&body), &retry_after);
		fynq_clock_pacific_day(time(NULL), &after);
		fynq_buf_release(&body);
		if (!cases[i].day) {
			assert_case(e == FYNQ_E_GEMINI_QUOTA, cases[i].name);
			assert_case(retry_after == cases[i].retry_after, cases[i].name);
			continue;
		}
		assert_case(e == FYNQ_E_GEMINI_DAY, cases[i].name);
		/* Midnight may have passed between the calls. */
		assert_case(retry_after <= before || before < after, cases[i].name);
		assert_case(retry_after >= after || before < after, cases[i].name);
	}
}

/* The days of a violation count for a 429 alone. */
static void
other_errors_have_no_days(void **state)
{
	int retry_after = -1;

	(void)state;
	assert_int_equal(
	    fynq_gemini_body_error(
		503, FYNQ_STR("{\"error\":{\"details\":[" PER_DAY "," DELAY "]}}"), &retry_after),
	    FYNQ_E_GEMINI_OVERLOADED);
	assert_int_equal(retry_after, OVERLOADED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_each_status),
		cmocka_unit_test(reads_each_form_of_body),
		cmocka_unit_test(rounds_the_delay_up),
		cmocka_unit_test(tells_a_day_from_a_minute),
		cmocka_unit_test(other_errors_have_no_days),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
