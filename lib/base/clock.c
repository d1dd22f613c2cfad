#include <stdio.h>
#include <time.h>

#include "clock.h"

enum { HOUR = 3600, DAY = 86400 };

static int64_t
read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
fynq_clock_mono_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
fynq_clock_now_us(void)
{
	return read_clock(CLOCK_REALTIME);
}

void
fynq_time_format(int64_t us, char text_r[static FYNQ_TIME_SIZE])
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text_r, FYNQ_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text_r + n, FYNQ_TIME_SIZE - n, ".%03uZ", (unsigned int)(us / 1000 % 1000) % 1000);
}

/* Exactly n digits at *s, which is moved past them. */
static bool
digits(struct fynq_str *s, size_t n, int *value_r)
{
	int64_t value;

	if (s->n < n || s->p[0] == '-' || !fynq_str_int((struct fynq_str){ s->p, n }, &value))
		return false;
	*value_r = (int)value;
	s->p += n;
	s->n -= n;
	return true;
}

static bool
one_of(struct fynq_str *s, const char *set)
{
	for (; s->n > 0 && *set != '\0'; set++) {
		if (s->p[0] == *set) {
			s->p++;
			s->n--;
			return true;
		}
	}
	return false;
}

static bool
read_date(struct fynq_str *s, struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y, m, d;
	bool leap;

	if (!digits(s, 4, &y) || !one_of(s, "-") || !digits(s, 2, &m) || !one_of(s, "-") ||
	    !digits(s, 2, &d))
		return false;
	leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
	if (y < 1900 || m < 1 || m > 12 || d < 1 || d > days[m - 1] + (m == 2 && leap))
		return false;
	*tm = (struct tm){ .tm_year = y - 1900, .tm_mon = m - 1, .tm_mday = d };
	return true;
}

bool
fynq_time_parse(struct fynq_str s, int64_t *us_r)
{
	int64_t us = 0, unit = 100000;
	int oh = 0, om = 0, sign = 1, digit;
	struct tm tm;

	if (!read_date(&s, &tm) || !one_of(&s, "Tt ") || !digits(&s, 2, &tm.tm_hour) ||
	    !one_of(&s, ":") || !digits(&s, 2, &tm.tm_min) || !one_of(&s, ":") ||
	    !digits(&s, 2, &tm.tm_sec))
		return false;
	if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	if (one_of(&s, ".")) {
		if (s.n == 0 || s.p[0] < '0' || s.p[0] > '9')
			return false;
		for (; digits(&s, 1, &digit); unit /= 10)
			us += unit * digit;
	}
	if (!one_of(&s, "Zz")) {
		sign = s.n > 0 && s.p[0] == '-' ? -1 : 1;
		if (!one_of(&s, "+-") || !digits(&s, 2, &oh) || !one_of(&s, ":") ||
		    !digits(&s, 2, &om) || oh > 23 || om > 59)
			return false;
	}
	if (s.n > 0)
		return false;
	*us_r = ((int64_t)timegm(&tm) - sign * (oh * 3600 + om * 60)) * 1000000 + us;
	return true;
}

bool
fynq_date_parse(struct fynq_str s, int *year_r, int *month_r, int *day_r)
{
	struct tm tm;

	if (!read_date(&s, &tm) || s.n > 0)
		return false;
	*year_r = tm.tm_year + 1900;
	*month_r = tm.tm_mon + 1;
	*day_r = tm.tm_mday;
	return true;
}

int
fynq_date_age(struct fynq_str date)
{
	time_t now = time(NULL);
	struct tm tm;
	int y, m, d;

	if (!fynq_date_parse(date, &y, &m, &d))
		return -1;
	gmtime_r(&now, &tm);
	return tm.tm_year + 1900 - y -
	       (tm.tm_mon + 1 < m || (tm.tm_mon + 1 == m && tm.tm_mday < d));
}

int
fynq_clock_day_left(void)
{
	return DAY - (int)(fynq_clock_now_us() / 1000000 % DAY);
}

/* The n-th Sunday of a month (0 = January), as a day of the month. */
static int
nth_sunday(int year, int month, int n)
{
	struct tm first = { .tm_year = year - 1900, .tm_mon = month, .tm_mday = 1 };

	timegm(&first);
	return 1 + (7 - first.tm_wday) % 7 + 7 * (n - 1);
}

static int64_t
utc(int year, int month, int day, int hour)
{
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month, .tm_mday = day, .tm_hour = hour };

	return (int64_t)timegm(&tm);
}

/*
 * Pacific time is UTC-8, and UTC-7 from the second Sunday in March to the first in November, at 2
 * o'clock local time (Energy Policy Act of 2005). Computed, as a shared host may lack tzdata.
 */
static int64_t
pacific_offset(int64_t now)
{
	time_t t = (time_t)now;
	struct tm tm;
	int year;

	gmtime_r(&t, &tm);
	year = tm.tm_year + 1900;
	if (now >= utc(year, 2, nth_sunday(year, 2, 2), 10) &&
	    now < utc(year, 10, nth_sunday(year, 10, 1), 9))
		return -7 * HOUR;
	return -8 * HOUR;
}

int32_t
fynq_clock_pacific_day(int64_t now, int *left_r)
{
	int64_t offset = pacific_offset(now);
	int64_t day = (now + offset) / DAY;
	int64_t midnight = (day + 1) * DAY - offset;

	/* The clocks may change before midnight comes. */
	midnight += offset - pacific_offset(midnight);
	*left_r = (int)(midnight - now);
	return (int32_t)day;
}
