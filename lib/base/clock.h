/*
 * Time: a clock for durations, a clock for dates, and their text form (RFC 3339, UTC).
 */
#ifndef FYNQ_BASE_CLOCK_H
#define FYNQ_BASE_CLOCK_H

#include "str.h"

/* Microseconds since some fixed point; never set back. For durations and deadlines. */
int64_t fynq_clock_mono_us(void);

/* Microseconds since 1970-01-01T00:00:00Z. For what is stored or shown. */
int64_t fynq_clock_now_us(void);

/* Bytes that "2026-01-31T12:34:56.789Z" needs, with its NUL. */
enum { FYNQ_TIME_SIZE = 25 };

/* Write the time (microseconds since 1970, years 1970 to 9999) with milliseconds. */
void fynq_time_format(int64_t us, char text_r[static FYNQ_TIME_SIZE]);

/*
 * Read an RFC 3339 time with its offset ("Z" or "+hh:mm"), fractions of a second cut to
 * microseconds. False where s is not one or names a day that does not exist.
 */
bool fynq_time_parse(struct fynq_str s, int64_t *us_r);

/* Read a date as YYYY-MM-DD, from 1900 to 9999. False where there is no such day. */
bool fynq_date_parse(struct fynq_str s, int *year_r, int *month_r, int *day_r);

/* 9999-12-31T23:59:59Z in seconds since 1970, the last second that RFC 3339 can name. */
#define FYNQ_CLOCK_LAST INT64_C(253402300799)

/* Whole years from a date that fynq_date_parse() accepts to today in UTC; negative if ahead. */
int fynq_date_age(struct fynq_str date);

/* Seconds until the day ends in UTC, 1 to 86,400. */
int fynq_clock_day_left(void);

/*
 * The day in Pacific time, by which Google counts quotas of a day, that holds now (Unix time, at
 * least a day): days since 1970-01-01. *left_r becomes the seconds to its end, 1 to 90,000;
 * daylight saving is included.
 */
int32_t fynq_clock_pacific_day(int64_t now, int *left_r);

#endif
