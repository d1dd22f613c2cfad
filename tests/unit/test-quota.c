#include "limits/quota.h"
#include "limits.h"

enum { STEPS = 24, SECOND_US = 1000000 };

enum op { END, TAKE, SETTLE, RETURN };

/* A step at a time in ms; take's result is its start in ms, or for an error retry_after in s. */
struct step {
	int64_t at;
	enum op op;
	int64_t tokens; /* of TAKE and SETTLE */
	union {
		int64_t wait; /* of TAKE, in ms */
		size_t step;  /* of SETTLE and RETURN: the step that took */
	};
	enum fynq_err error;
	int64_t result;
};

#define OK(at, tokens, wait, start)                        \
	{                                                  \
		at, TAKE, tokens, { wait }, FYNQ_OK, start \
	}
#define FULL(at, tokens, wait, seconds)                                  \
	{                                                                \
		at, TAKE, tokens, { wait }, FYNQ_E_GEMINI_QUOTA, seconds \
	}
#define DAY(at, seconds)                                       \
	{                                                      \
		at, TAKE, 0, { 0 }, FYNQ_E_GEMINI_DAY, seconds \
	}
#define SETTLED(at, taken, tokens)                                \
	{                                                         \
		at, SETTLE, tokens, { .step = taken }, FYNQ_OK, 0 \
	}
#define RETURNED(at, taken)                                  \
	{                                                    \
		at, RETURN, 0, { .step = taken }, FYNQ_OK, 0 \
	}

static const struct {
	const char *name, *quotas;
	struct step steps[STEPS];
} cases[] = {
	{ "a model without limits", "other=1/1/1", { OK(0, 900, 0, 0), OK(0, 900, 0, 0) } },
	{ "limits of nothing", "m=0/0/0", { OK(0, 900, 0, 0), OK(0, 900, 0, 0) } },
	{ "requests, to the edge of the window", "m=3/0/0",
	    { OK(0, 0, 0, 0), OK(10000, 0, 0, 10000), OK(20000, 0, 0, 20000), FULL(20000, 0, 0, 41),
		FULL(60000, 0, 0, 1), FULL(60999, 0, 0, 1), OK(61000, 0, 0, 61000),
		FULL(61000, 0, 0, 10), OK(71000, 0, 0, 71000) } },
	{ "no burst past a full minute", "m=2/0/0",
	    { OK(59000, 0, 0, 59000), OK(59000, 0, 0, 59000), FULL(60000, 0, 0, 60),
		FULL(61000, 0, 0, 59), FULL(119999, 0, 0, 1), OK(120000, 0, 0, 120000) } },
	{ "who waits has a start, in order", "m=1/0/0",
	    { OK(0, 0, 0, 0), OK(1000, 0, 60000, 61000), OK(1000, 0, 121000, 122000),
		FULL(1000, 0, 181999, 182), OK(1000, 0, 182000, 183000),
		/* Nobody overtakes: what comes last starts last. */
		FULL(61000, 0, 0, 183), FULL(243999, 0, 0, 1), OK(244000, 0, 0, 244000) } },
	{ "a small call does not overtake a large one", "m=0/100/0",
	    { OK(0, 60, 0, 0), OK(0, 60, 61000, 61000), FULL(0, 10, 0, 61), OK(0, 10, 61000, 61000),
		OK(0, 40, 122000, 122000) } },
	{ "tokens", "m=0/100/0",
	    { OK(0, 60, 0, 0), OK(1000, 40, 0, 1000), FULL(1000, 1, 0, 60), FULL(1000, 61, 0, 61),
		FULL(60999, 60, 0, 1), OK(61000, 60, 0, 61000), FULL(61000, 1, 0, 1),
		OK(62000, 40, 0, 62000) } },
	{ "a call of no tokens passes a full minute of tokens", "m=0/100/0",
	    { OK(0, 100, 0, 0), OK(0, 0, 0, 0), OK(0, -5, 0, 0), FULL(0, 1, 0, 61) } },
	{ "more tokens than a minute may have", "m=0/100/0",
	    { FULL(0, 101, 3600000, 60), FULL(0, INT64_MAX, INT64_MAX, 60), OK(0, 100, 0, 0) } },
	{ "whichever limit is the later", "m=2/100/0",
	    { OK(0, 90, 0, 0), OK(5000, 0, 0, 5000), FULL(5000, 5, 0, 56), FULL(5000, 11, 0, 56),
		OK(61000, 100, 0, 61000), FULL(61000, 1, 0, 61), FULL(66000, 1, 0, 56) } },
	{ "a refused take reserves nothing", "m=1/0/0",
	    { OK(0, 0, 0, 0), FULL(0, 0, 60999, 61), FULL(0, 0, 60999, 61),
		OK(0, 0, 61000, 61000) } },
	{ "settled to less", "m=0/100/0",
	    { OK(0, 100, 0, 0), FULL(0, 30, 0, 61), SETTLED(500, 0, 70), OK(500, 30, 0, 500),
		FULL(500, 1, 0, 61) } },
	{ "settled to more", "m=0/100/0",
	    { OK(0, 10, 0, 0), SETTLED(500, 0, 90), FULL(500, 20, 0, 61), OK(500, 10, 0, 500) } },
	{ "settled past the limit", "m=0/100/0",
	    { OK(0, 50, 0, 0), OK(1000, 50, 0, 1000), SETTLED(2000, 0, 500), FULL(2000, 1, 0, 59),
		OK(61000, 50, 0, 61000), FULL(61000, 1, 0, 1) } },
	{ "settled when the window has passed it", "m=0/100/0",
	    { OK(0, 50, 0, 0), OK(61000, 50, 0, 61000), SETTLED(61000, 0, 90),
		OK(61000, 50, 0, 61000) } },
	{ "given back", "m=2/100/0",
	    { OK(0, 50, 0, 0), OK(0, 50, 0, 0), FULL(0, 50, 0, 61), RETURNED(0, 0), OK(0, 50, 0, 0),
		FULL(0, 0, 0, 61) } },
	{ "given back twice, and settled then", "m=2/100/0",
	    { OK(0, 50, 0, 0), OK(0, 50, 0, 0), RETURNED(0, 0), RETURNED(0, 0), SETTLED(0, 0, 90),
		OK(0, 50, 0, 0), FULL(0, 0, 0, 61) } },
	{ "given back before the others", "m=2/0/0",
	    { OK(0, 0, 0, 0), OK(30000, 0, 0, 30000), RETURNED(30000, 0), OK(40000, 0, 0, 40000),
		FULL(61000, 0, 0, 30), OK(91000, 0, 0, 91000) } },
	{ "one who waits gives it back", "m=1/0/0",
	    { OK(0, 0, 0, 0), OK(0, 0, 61000, 61000), RETURNED(1000, 1), OK(1000, 0, 61000, 61000),
		FULL(61000, 0, 0, 61) } },
	{ "given back when the window has passed it", "m=1/0/0",
	    { OK(0, 0, 0, 0), OK(61000, 0, 0, 61000), RETURNED(61000, 0), FULL(61000, 0, 0, 61) } },
	{ "a day, from noon on", "m=0/0/2",
	    { OK(0, 0, 0, 0), OK(1000, 0, 0, 1000), DAY(2000, 43198), DAY(43199000, 1),
		DAY(43199999, 1), OK(43200000, 0, 0, 43200000), OK(43200000, 0, 0, 43200000),
		DAY(43200500, 86400) } },
	{ "a day's call given back", "m=0/0/1",
	    { OK(0, 0, 0, 0), DAY(0, 43200), RETURNED(0, 0), OK(0, 0, 0, 0), RETURNED(0, 0),
		DAY(0, 43200) } },
	{ "yesterday's call given back", "m=0/0/1",
	    { OK(43199000, 0, 0, 43199000), OK(43200000, 0, 0, 43200000), RETURNED(43200000, 0),
		DAY(43200000, 86400) } },
	{ "one who waits past midnight is tomorrow's", "m=1/0/2",
	    { OK(43190000, 0, 0, 43190000), OK(43190000, 0, 61000, 43251000),
		OK(43190000, 0, 122000, 43312000), DAY(43312000, 86288) } },
	{ "a full day counts more than a full minute", "m=1/0/1",
	    { OK(0, 0, 0, 0), DAY(0, 43200) } },
};

static void
keeps_the_limits(void **state)
{
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const struct step *step = cases[i].steps;
		struct fynq_permit permits[STEPS];
		int64_t mono, wall;

		limits_reset(state);
		mono = limits_mono_us;
		wall = limits_wall_us;
		assert_string_equal(limits_start(cases[i].quotas), "");
		for (size_t n = 0; n < STEPS && step[n].op != END; n++) {
			int64_t result = 0;
			int retry_after = -1;
			enum fynq_err e = FYNQ_OK;

			limits_mono_us = mono + step[n].at * 1000;
			limits_wall_us = wall + step[n].at * 1000;
			if (step[n].op == TAKE) {
				e = fynq_quota_take(
				    "m", step[n].tokens, step[n].wait, &permits[n], &retry_after);
				result = e == FYNQ_OK ? (permits[n].start_us - mono) / 1000
						      : retry_after;
				assert_true(e != FYNQ_OK || retry_after == 0);
			} else if (step[n].op == SETTLE) {
				fynq_quota_settle(&permits[step[n].step], step[n].tokens);
			} else {
				fynq_quota_return(&permits[step[n].step]);
			}
			if (e != step[n].error || result != step[n].result)
				fail_msg("%s: step %zu: error %d, result %lld", cases[i].name, n, e,
				    (long long)result);
		}
	}
}

static uint32_t seed = 1;

static int64_t
random_below(int64_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (int64_t)(seed >> 8) % n;
}

/*
 * Chance for an hour, against the definition: no window passes a limit, who is refused may come
 * after the time told and not a second before, starts are in order.
 */
static void
holds_for_any_mix(void **state)
{
	enum { CALLS = 4000, LIMIT = 20, TOKENS = 1000 };
	static struct {
		int64_t start_us, tokens;
	} log[CALLS];
	size_t n = 0;

	(void)state;
	assert_string_equal(limits_start("m=20/1000/0"), "");
	for (int round = 0; round < CALLS; round++) {
		int64_t tokens = random_below(10) == 0 ? random_below(TOKENS + 1)
						       : random_below(90);
		int64_t wait_ms = random_below(3) == 0 ? random_below(90000) : 0, sum = 0;
		struct fynq_permit permit, other;
		int retry_after, again;
		uint32_t calls = 0;

		limits_pass(random_below(SECOND_US * 2));
		if (fynq_quota_take("m", tokens, wait_ms, &permit, &retry_after) != FYNQ_OK) {
			int64_t now = limits_mono_us;

			assert_in_range(retry_after, 1, 200);
			assert_true(retry_after * 1000 > wait_ms);
			limits_mono_us = now + (int64_t)(retry_after - 1) * SECOND_US;
			assert_int_equal(
			    fynq_quota_take("m", tokens, 0, &other, &again), FYNQ_E_GEMINI_QUOTA);
			assert_int_equal(again, 1);
			limits_mono_us = now + (int64_t)retry_after * SECOND_US;
			assert_int_equal(fynq_quota_take("m", tokens, 0, &permit, &again), FYNQ_OK);
		}
		assert_true(permit.start_us >= limits_mono_us);
		log[n].start_us = permit.start_us;
		log[n++].tokens = tokens;
		assert_true(n < 2 || log[n - 1].start_us >= log[n - 2].start_us);
		for (size_t i = n; i-- > 0 && log[i].start_us > permit.start_us - FYNQ_WINDOW_US;) {
			calls++;
			sum += log[i].tokens;
		}
		assert_in_range(calls, 1, LIMIT);
		assert_in_range(sum, 0, TOKENS);
	}
}

/* The log is a ring: around it, also with calls that were given back and with it full. */
static void
goes_around(void **state)
{
	struct fynq_permit permit, kept;
	int retry_after;

	(void)state;
	assert_string_equal(limits_start("m=20000/0/0"), "");
	for (int minute = 0; minute < 3; minute++) {
		for (int i = 0; i < 2 * FYNQ_WINDOW_CALLS; i++) {
			enum fynq_err e = fynq_quota_take("m", 0, 0, &permit, &retry_after);

			assert_int_equal(e == FYNQ_OK, i < FYNQ_WINDOW_CALLS);
			assert_true(e == FYNQ_OK || retry_after == 61);
		}
		limits_pass(FYNQ_WINDOW_US);
	}
	assert_int_equal(fynq_quota_take("m", 0, 0, &kept, &retry_after), FYNQ_OK);
	/* Given back at the old end they make room at once, behind a call that counts after it. */
	for (int i = 1; i < FYNQ_WINDOW_CALLS; i++) {
		assert_int_equal(fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_OK);
		fynq_quota_return(&permit);
	}
	assert_int_equal(fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_E_GEMINI_QUOTA);
	assert_int_equal(retry_after, 61);
	fynq_quota_return(&kept);
	for (int i = 0; i < FYNQ_WINDOW_CALLS; i++)
		assert_int_equal(fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_OK);
	assert_int_equal(fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_E_GEMINI_QUOTA);
	/* The first was overwritten: nothing happens. */
	fynq_quota_return(&kept);
	assert_int_equal(fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_E_GEMINI_QUOTA);
}

/* Full days around the changes of the clocks, from America/Los_Angeles. */
static void
days_end_at_midnight_in_pacific_time(void **state)
{
	static const struct {
		const char *name;
		int64_t midnight; /* Unix time of the day's beginning */
		int64_t length;
	} days[] = {
		{ "a day in winter", 1736928000, 86400 },
		{ "the day the clocks go forward", 1741507200, 82800 },
		{ "a day in summer", 1751353200, 86400 },
		{ "the day the clocks go back", 1762066800, 90000 },
	};

	for (size_t i = 0; i < LENGTH(days); i++) {
		struct fynq_permit permit;
		int retry_after;

		limits_reset(state);
		assert_string_equal(limits_start("m=0/0/1"), "");
		limits_wall_us = days[i].midnight * SECOND_US - 1;
		assert_int_equal(fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_OK);
		limits_wall_us++;
		assert_case(
		    fynq_quota_take("m", 0, 0, &permit, &retry_after) == FYNQ_OK, days[i].name);
		assert_int_equal(
		    fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_E_GEMINI_DAY);
		assert_case(retry_after == days[i].length, days[i].name);
		limits_wall_us += days[i].length * SECOND_US - 1;
		assert_int_equal(
		    fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_E_GEMINI_DAY);
		assert_int_equal(retry_after, 1);
		limits_wall_us++;
		assert_case(
		    fynq_quota_take("m", 0, 0, &permit, &retry_after) == FYNQ_OK, days[i].name);
		/* Set back over midnight the day goes on; set back by days it begins anew. */
		limits_wall_us--;
		assert_int_equal(
		    fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_E_GEMINI_DAY);
		limits_wall_us -= (int64_t)3 * 86400 * SECOND_US;
		assert_int_equal(fynq_quota_take("m", 0, 0, &permit, &retry_after), FYNQ_OK);
	}
}

static void
tells_its_state(void **state)
{
	struct fynq_permit permit;
	struct fynq_quota_state s;
	int retry_after;

	(void)state;
	assert_string_equal(limits_start("a=9/0/0, m = 2 / 100 / 50"), "");
	assert_int_equal(fynq_quota_take("m", 10, 0, &permit, &retry_after), FYNQ_OK);
	assert_int_equal(fynq_quota_take("m", 20, 0, &permit, &retry_after), FYNQ_OK);
	assert_int_equal(fynq_quota_take("m", 40, 61000, &permit, &retry_after), FYNQ_OK);
	assert_true(fynq_quota_state(1, &s));
	assert_string_equal(s.model, "m");
	assert_int_equal(s.calls_limit, 2);
	assert_int_equal(s.tokens_limit, 100);
	assert_int_equal(s.day_limit, 50);
	assert_int_equal(s.calls, 1);
	assert_int_equal(s.tokens, 40);
	assert_int_equal(s.day, 3);
	assert_int_equal(s.ahead_us, FYNQ_WINDOW_US);
	limits_pass((int64_t)86400 * SECOND_US);
	assert_true(fynq_quota_state(1, &s));
	assert_int_equal(s.calls + s.tokens + s.day + s.ahead_us, 0);
	assert_true(fynq_quota_state(0, &s));
	assert_false(fynq_quota_state(2, &s));
	assert_false(fynq_quota_state(SIZE_MAX, &s));
}

static void
refuses_bad_settings(void **state)
{
	static const char *const bad[] = { "m", "m=", "m=1", "m=1/2", "m=1/2/", "m=1/2/3/4",
		"m=1//3", "=1/2/3", "m=-1/2/3", "m=1/-2/3", "m=a/2/3", "m=1/2/3x", "m=20001/0/0",
		"m=0/2000000001/0", "m=0/0/1000000001", "m=99999999999999999999/0/0", ",",
		"m=1/2/3,,n=1/2/3", "m=1/2/3;n=1/2/3", "m=1/2/3,m=1/2/3", "m=1.5/2/3" };
	char text[400], long_name[200];

	for (size_t i = 0; i < LENGTH(bad); i++) {
		const char *problems = limits_start(bad[i]);

		assert_case(strncmp(problems, "FYNQ_GEMINI_QUOTAS: ", 20) == 0, bad[i]);
		assert_case(strchr(problems, '\n') == problems + strlen(problems) - 1, bad[i]);
	}
	memset(long_name, 'm', sizeof(long_name));
	snprintf(text, sizeof(text), "%.*s=1/2/3", 128, long_name);
	assert_string_equal(limits_start(text), "");
	snprintf(text, sizeof(text), "%.*s=1/2/3", 129, long_name);
	assert_string_not_equal(limits_start(text), "");

	limits_reset(state);
	assert_string_equal(limits_start("a=1/1/1,b=1/1/1,c=1/1/1,d=1/1/1,e=1/1/1,f=1/1/1,g=1/1/1,"
					 "h=1/1/1,i=1/1/1,j=1/1/1,k=1/1/1,l=1/1/1,m=1/1/1,n=1/1/1,"
					 "o=1/1/1,p=20000/2000000000/1000000000,"),
	    "");
	assert_non_null(strstr(limits_start("q=1/1/1"), "full of other models"));
	assert_string_equal(limits_start("p=1/1/1"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(keeps_the_limits, limits_reset),
		cmocka_unit_test_setup(holds_for_any_mix, limits_reset),
		cmocka_unit_test_setup(goes_around, limits_reset),
		cmocka_unit_test_setup(days_end_at_midnight_in_pacific_time, limits_reset),
		cmocka_unit_test_setup(tells_its_state, limits_reset),
		cmocka_unit_test_setup(refuses_bad_settings, limits_reset),
	};

	return cmocka_run_group_tests_name(
	    "quota", tests, limits_make_folder, limits_remove_folder);
}
