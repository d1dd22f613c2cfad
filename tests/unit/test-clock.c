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

static int64_t
utc(int year, int month, int day, int hour, int minute, int second)
{
	struct tm tm = { .tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
		.tm_sec = second };

	return (int64_t)timegm(&tm);
}

/* From the time zone database's America/Los_Angeles. */
static void
counts_to_midnight_in_pacific_time(void **state)
{
	static const struct {
		const char *name;
		int year, month, day, hour, minute, second; /* UTC */
		int left;
	} cases[] = {
		{ "midnight in winter", 2025, 1, 15, 8, 0, 0, 86400 },
		{ "a second before", 2025, 1, 15, 7, 59, 59, 1 },
		{ "half past noon", 2025, 1, 15, 20, 30, 0, 41400 },
		{ "midnight in summer", 2025, 7, 1, 7, 0, 0, 86400 },
		{ "a second before", 2025, 7, 1, 6, 59, 59, 1 },
		{ "the day before the clocks go forward", 2025, 3, 8, 8, 0, 0, 86400 },
		{ "the day of 23 hours", 2025, 3, 9, 8, 0, 0, 82800 },
		{ "the last second of its standard time", 2025, 3, 9, 9, 59, 59, 75601 },
		{ "the first of its summer time", 2025, 3, 9, 10, 0, 0, 75600 },
		{ "its last second", 2025, 3, 10, 6, 59, 59, 1 },
		{ "the day before the clocks go back", 2025, 11, 1, 7, 0, 0, 86400 },
		{ "the day of 25 hours", 2025, 11, 2, 7, 0, 0, 90000 },
		{ "the last second of its summer time", 2025, 11, 2, 8, 59, 59, 82801 },
		{ "the first of its standard time", 2025, 11, 2, 9, 0, 0, 82800 },
		{ "its last second", 2025, 11, 3, 7, 59, 59, 1 },
		{ "the last day of a year", 2024, 12, 31, 23, 0, 0, 32400 },
		{ "the next year in UTC alone", 2025, 1, 1, 0, 0, 0, 28800 },
		{ "a leap day", 2028, 2, 29, 12, 0, 0, 72000 },
		{ "the earliest day to go forward", 2026, 3, 8, 8, 0, 0, 82800 },
		{ "the earliest to go back", 2026, 11, 1, 7, 0, 0, 90000 },
		{ "the latest day to go forward", 2027, 3, 14, 8, 0, 0, 82800 },
		{ "the latest to go back", 2027, 11, 7, 7, 0, 0, 90000 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		int64_t now = utc(cases[i].year, cases[i].month, cases[i].day, cases[i].hour,
		    cases[i].minute, cases[i].second);
		int left, next;
		int32_t day = fynq_clock_pacific_day(now, &left);

		if (left != cases[i].left)
			fail_msg("%s: %d", cases[i].name, left);
		assert_int_equal(fynq_clock_pacific_day(now + left - 1, &next), day);
		assert_int_equal(fynq_clock_pacific_day(now + left, &next), day + 1);
	}
}

/* Every quarter of an hour of five years: never nothing, and the next one is nearer or a day. */
static void
pacific_days_never_stand_still(void **state)
{
	const int64_t step = 900, end = utc(2030, 1, 1, 0, 0, 0);
	int before, days[3] = { 0 };
	int32_t yesterday = fynq_clock_pacific_day(utc(2025, 1, 1, 0, 0, 0) - step, &before);

	(void)state;
	for (int64_t now = utc(2025, 1, 1, 0, 0, 0); now < end; now += step) {
		int left;
		int32_t day = fynq_clock_pacific_day(now, &left);

		assert_true(left > 0);
		assert_int_equal(day - yesterday, left > before);
		yesterday = day;
		if (left > before) {
			assert_int_equal(before, step);
			assert_true(left >= 82800 && left <= 90000 && left % 3600 == 0);
			days[(left - 82800) / 3600]++;
		} else {
			assert_int_equal(left, before - step);
		}
		before = left;
	}
	assert_int_equal(days[0], 5);
	assert_int_equal(days[2], 5);
	assert_int_equal(days[1], 365 * 5 + 1 - 10);
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
		cmocka_unit_test(counts_to_midnight_in_pacific_time),
		cmocka_unit_test(pacific_days_never_stand_still),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
