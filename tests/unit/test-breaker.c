#include "limits/breaker.h"
#include "limits.h"

enum { STEPS = 32, SECOND_US = 1000000 };

enum op { END, ALLOWS, FAIL, SUCCEED, OPEN, RETURN };

/* A step at a time in ms. ALLOWS wants retry_after, 0 for true; the rest is done n times. */
struct step {
	int64_t at;
	enum op op;
	int64_t n; /* of OPEN: seconds */
};

/* FYNQ_BREAKER_FAILURES is 4, FYNQ_BREAKER_SECONDS 10. */
static const struct {
	const char *name;
	int64_t failures, seconds;
	struct step steps[STEPS];
} cases[] = {
	{ "nothing happened", 4, 10, { { 0, ALLOWS, 0 }, { 0, ALLOWS, 0 } } },
	{ "too few fail", 4, 10, { { 0, FAIL, 3 }, { 0, ALLOWS, 0 } } },
	{ "enough fail", 4, 10,
	    { { 0, FAIL, 4 }, { 0, ALLOWS, 10 }, { 1, ALLOWS, 10 }, { 9001, ALLOWS, 1 },
		{ 9999, ALLOWS, 1 }, { 10000, ALLOWS, 0 } } },
	{ "enough fail, but not half", 4, 10,
	    { { 0, SUCCEED, 5 }, { 0, FAIL, 4 }, { 0, ALLOWS, 0 }, { 0, FAIL, 1 },
		{ 0, ALLOWS, 10 } } },
	{ "a success does not open", 4, 10,
	    { { 0, SUCCEED, 4 }, { 0, FAIL, 3 }, { 0, SUCCEED, 1 }, { 0, ALLOWS, 0 } } },
	{ "within 30 s", 4, 10, { { 0, FAIL, 3 }, { 29999, FAIL, 1 }, { 29999, ALLOWS, 10 } } },
	{ "not within 30 s", 4, 10,
	    { { 0, FAIL, 3 }, { 30000, FAIL, 1 }, { 30000, ALLOWS, 0 }, { 31000, FAIL, 2 },
		{ 31000, ALLOWS, 0 }, { 59000, FAIL, 1 }, { 59000, ALLOWS, 10 } } },
	{ "old successes do not hide failures", 4, 10,
	    { { 0, SUCCEED, 100 }, { 30000, FAIL, 4 }, { 30000, ALLOWS, 10 } } },
	{ "what ends while it is open does not count", 4, 10,
	    { { 0, FAIL, 4 }, { 1000, FAIL, 20 }, { 2000, SUCCEED, 20 }, { 3000, ALLOWS, 7 } } },
	{ "one probe at a time", 4, 10,
	    { { 0, FAIL, 4 }, { 10000, ALLOWS, 0 }, { 10000, ALLOWS, 30 },
		{ 25000, ALLOWS, 15 } } },
	{ "a probe is lost", 4, 10,
	    { { 0, FAIL, 4 }, { 10000, ALLOWS, 0 }, { 39999, ALLOWS, 1 }, { 40000, ALLOWS, 0 },
		{ 40000, ALLOWS, 30 } } },
	{ "a probe is not sent", 4, 10,
	    { { 0, RETURN, 1 }, { 0, FAIL, 4 }, { 1000, RETURN, 1 }, { 1000, ALLOWS, 9 },
		{ 10000, ALLOWS, 0 }, { 11000, RETURN, 1 }, { 11000, ALLOWS, 0 },
		{ 11000, ALLOWS, 30 } } },
	{ "a success closes", 4, 10,
	    { { 0, FAIL, 4 }, { 10000, ALLOWS, 0 }, { 11000, SUCCEED, 1 }, { 11000, ALLOWS, 0 },
		{ 11000, ALLOWS, 0 }, { 11000, FAIL, 3 }, { 11000, ALLOWS, 0 }, { 11000, FAIL, 1 },
		{ 11000, ALLOWS, 10 } } },
	{ "a failure opens for twice as long, up to 2 minutes", 4, 10,
	    { { 0, FAIL, 4 }, { 10000, ALLOWS, 0 }, { 10000, FAIL, 1 }, { 10000, ALLOWS, 20 },
		{ 30000, ALLOWS, 0 }, { 30000, FAIL, 1 }, { 30000, ALLOWS, 40 },
		{ 70000, ALLOWS, 0 }, { 70000, FAIL, 1 }, { 70000, ALLOWS, 80 },
		{ 150000, ALLOWS, 0 }, { 150000, FAIL, 1 }, { 150000, ALLOWS, 120 },
		{ 270000, ALLOWS, 0 }, { 270000, FAIL, 1 }, { 270000, ALLOWS, 120 },
		{ 390000, ALLOWS, 0 }, { 390000, SUCCEED, 1 }, { 390000, FAIL, 4 },
		{ 390000, ALLOWS, 10 } } },
	{ "one that is long from the first stays so", 4, 600,
	    { { 0, FAIL, 4 }, { 600000, ALLOWS, 0 }, { 600000, FAIL, 1 },
		{ 600000, ALLOWS, 600 } } },
	{ "the service says when", 4, 10,
	    { { 0, OPEN, 34 }, { 0, ALLOWS, 34 }, { 33999, ALLOWS, 1 }, { 34000, ALLOWS, 0 },
		{ 34000, ALLOWS, 30 }, { 34000, FAIL, 1 }, { 34000, ALLOWS, 20 } } },
	{ "the service never shortens", 4, 10,
	    { { 0, OPEN, 34 }, { 1000, OPEN, 5 }, { 1000, ALLOWS, 33 }, { 1000, OPEN, 60 },
		{ 1000, ALLOWS, 60 } } },
	{ "the service says for how long a day is", 4, 10,
	    { { 0, OPEN, INT64_MAX }, { 0, ALLOWS, FYNQ_BREAKER_OPEN_MAX } } },
	{ "the service says nothing", 4, 10,
	    { { 0, OPEN, 0 }, { 0, OPEN, -5 }, { 0, ALLOWS, 0 } } },
	{ "off", 0, 10, { { 0, FAIL, 100 }, { 0, OPEN, 34 }, { 0, ALLOWS, 0 }, { 0, ALLOWS, 0 } } },
};

static void
goes_through_its_phases(void **state)
{
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const struct step *step = cases[i].steps;
		int64_t mono;
		int other;

		limits_reset(state);
		fynq_config.breaker_failures = cases[i].failures;
		fynq_config.breaker_seconds = cases[i].seconds;
		assert_string_equal(limits_start(""), "");
		mono = limits_mono_us;
		for (size_t n = 0; n < STEPS && step[n].op != END; n++) {
			int retry_after = -1;
			bool allows, reports;

			limits_mono_us = mono + step[n].at * 1000;
			if (step[n].op == OPEN) {
				fynq_breaker_open("m", step[n].n);
			} else if (step[n].op == RETURN) {
				fynq_breaker_return("m");
			} else if (step[n].op == ALLOWS) {
				allows = fynq_breaker_allows("m", &retry_after);
				if (retry_after != step[n].n || allows != (retry_after == 0))
					fail_msg("%s: step %zu: %d", cases[i].name, n, retry_after);
			}
			reports = step[n].op == FAIL || step[n].op == SUCCEED;
			for (int64_t k = 0; reports && k < step[n].n; k++)
				fynq_breaker_report("m", step[n].op == FAIL);
			assert_case(fynq_breaker_allows("other", &other), cases[i].name);
		}
	}
}

static void
tells_its_state(void **state)
{
	struct fynq_breaker_state s;
	int retry_after;

	(void)state;
	assert_string_equal(limits_start(""), "");
	assert_false(fynq_breaker_state(0, &s));
	fynq_breaker_report("m", false);
	fynq_breaker_report("m", true);
	assert_true(fynq_breaker_state(0, &s));
	assert_string_equal(s.model, "m");
	assert_string_equal(s.phase, "closed");
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.failed, 1);
	assert_int_equal(s.retry_after, 0);
	fynq_breaker_open("m", 5);
	assert_true(fynq_breaker_state(0, &s));
	assert_string_equal(s.phase, "open");
	assert_int_equal(s.retry_after, 5);
	limits_pass((int64_t)5 * SECOND_US);
	assert_true(fynq_breaker_allows("m", &retry_after));
	assert_true(fynq_breaker_state(0, &s));
	assert_string_equal(s.phase, "half-open");
	fynq_breaker_report("m", false);
	assert_true(fynq_breaker_state(0, &s));
	assert_string_equal(s.phase, "closed");
	assert_int_equal(s.calls, 0);
	assert_false(fynq_breaker_state(1, &s));
	assert_false(fynq_breaker_state(SIZE_MAX, &s));
}

/* Without memory, and without a slot, everything may go. */
static void
is_closed_where_it_cannot_be_kept(void **state)
{
	char model[200] = { 0 };
	int retry_after;

	(void)state;
	fynq_breaker_open("m", 5);
	assert_true(fynq_breaker_allows("m", &retry_after));
	assert_string_equal(limits_start(""), "");
	memset(model, 'm', FYNQ_HOST_NAME_SIZE);
	fynq_breaker_open(model, 5);
	assert_true(fynq_breaker_allows(model, &retry_after));
	for (int i = 0; i < FYNQ_HOST_MODELS; i++) {
		snprintf(model, sizeof(model), "m%d", i);
		fynq_breaker_open(model, 5);
		assert_false(fynq_breaker_allows(model, &retry_after));
	}
	fynq_breaker_open("one-too-many", 5);
	assert_true(fynq_breaker_allows("one-too-many", &retry_after));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(goes_through_its_phases, limits_reset),
		cmocka_unit_test_setup(tells_its_state, limits_reset),
		cmocka_unit_test_setup(is_closed_where_it_cannot_be_kept, limits_reset),
	};

	return cmocka_run_group_tests_name(
	    "breaker", tests, limits_make_folder, limits_remove_folder);
}
