#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "unit.h"

static void
clocks_go_forward(void **state)
{
	int64_t mono = fynq_clock_mono_us(), now = fynq_clock_now_us();

	(void)state;
	assert_true(fynq_clock_mono_us() >= mono);
	assert_true(now / 1000000 - (int64_t)time(NULL) <= 1);
	assert_true((int64_t)time(NULL) - now / 1000000 <= 1);
}

static void
formats(void **state)
{
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 999, "1970-01-01T00:00:00.000Z" },
		{ 1000, "1970-01-01T00:00:00.001Z" },
		{ 951782400000000, "2000-02-29T00:00:00.000Z" },
		{ 1769862896789012, "2026-01-31T12:34:56.789Z" },
		{ 253402300799999999, "9999-12-31T23:59:59.999Z" },
	};
	char text[FYNQ_TIME_SIZE];

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		fynq_time_format(cases[i].us, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
reads_times(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
	} good[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-01-31T12:34:56Z", 1769862896000000 },
		{ "2026-01-31t12:34:56z", 1769862896000000 },
		{ "2026-01-31 12:34:56Z", 1769862896000000 },
		{ "2026-01-31T12:34:56.789012Z", 1769862896789012 },
		{ "2026-01-31T12:34:56.7Z", 1769862896700000 },
		{ "2026-01-31T12:34:56.789012999Z", 1769862896789012 },
		{ "2026-01-31T14:34:56+02:00", 1769862896000000 },
		{ "2026-01-31T07:04:56-05:30", 1769862896000000 },
		{ "2026-01-31T12:34:56-00:00", 1769862896000000 },
		{ "2024-02-29T00:00:00Z", 1709164800000000 },
		{ "2016-12-31T23:59:60Z", 1483228800000000 },
		{ "1969-12-31T23:59:59Z", -1000000 },
	};
	static const char *const bad[] = {
		"",
		"2026",
		"2026-01-31",
		"2026-01-31T12:34Z",
		"2026-01-31T12:34:56",
		"2026-01-31T12:34:56.Z",
		"2026-01-31T12:34:56,5Z",
		"2026-01-31T24:00:00Z",
		"2026-01-31T12:60:00Z",
		"2026-01-31T12:34:61Z",
		"2026-01-32T00:00:00Z",
		"2026-00-10T00:00:00Z",
		"2026-13-10T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-1-31T12:34:56Z",
		"26-01-31T12:34:56Z",
		"+026-01-31T12:34:56Z",
		"2026-01-31T12:34:56+0200",
		"2026-01-31T12:34:56+02",
		"2026-01-31T12:34:56+24:00",
		"2026-01-31T12:34:56+02:60",
		"2026-01-31T12:34:56Zx",
		"2026-01-31T12:34:56Z ",
		" 2026-01-31T12:34:56Z",
		"2026-01-31T-1:34:56Z",
		"1899-12-31T00:00:00Z",
	};
	int64_t us;

	(void)state;
	for (size_t i = 0; i < LENGTH(good); i++) {
		assert_case(fynq_time_parse(fynq_str_of(good[i].text), &us), good[i].text);
		assert_case(us == good[i].us, good[i].text);
	}
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_case(!fynq_time_parse(fynq_str_of(bad[i]), &us), bad[i]);
}

static void
reads_dates(void **state)
{
	static const char *const bad[] = {
		"",
		"2008-1-01",
		"2008-01-1",
		"08-01-01",
		"2008/01/01",
		"2008-01-01T",
		"2008-01-01 ",
		"2007-02-29",
		"1900-02-29",
		"2008-02-30",
		"2008-00-01",
		"2008-01-00",
		"2008-13-01",
		"1899-12-31",
		"-008-01-01",
	};
	int y, m, d;

	(void)state;
	assert_true(fynq_date_parse(FYNQ_STR("2008-02-29"), &y, &m, &d));
	assert_int_equal(y, 2008);
	assert_int_equal(m, 2);
	assert_int_equal(d, 29);
	assert_true(fynq_date_parse(FYNQ_STR("2000-02-29"), &y, &m, &d));
	assert_true(fynq_date_parse(FYNQ_STR("1900-01-01"), &y, &m, &d));
	assert_true(fynq_date_parse(FYNQ_STR("9999-12-31"), &y, &m, &d));
	for (size_t i = 0; i < LENGTH(bad); i++)
		assert_case(!fynq_date_parse(fynq_str_of(bad[i]), &y, &m, &d), bad[i]);
}

/* The age of whoever was born the given years ago, and was so many days old then. */
static int
age(int years, int days)
{
	time_t then = time(NULL) - (time_t)days * 86400;
	char text[32];
	struct tm tm;

	gmtime_r(&then, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02d", tm.tm_year + 1900 - years, tm.tm_mon + 1,
	    tm.tm_mday);
	return fynq_date_age(fynq_str_of(text));
}

static void
ages(void **state)
{
	(void)state;
	/* Eight years apart and back again: a 29 February has its like there. */
	assert_int_equal(age(16, 0), 16);
	assert_int_equal(age(16, 1), 16);
	assert_int_equal(age(16, -1), 15);
	assert_int_equal(age(0, 0), 0);
	assert_true(age(0, -400) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(formats),
		cmocka_unit_test(reads_times),
		cmocka_unit_test(reads_dates),
		cmocka_unit_test(ages),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
