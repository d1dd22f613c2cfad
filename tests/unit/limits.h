/*
 * For the tests of lib/limits: shared memory in a folder of the test's own, and clocks that stand
 * where the test sets them.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/config.h"
#include "limits/host.h"
#include "limits/layout.h"
#include "unit.h"

static char limits_folder[] = "/tmp/fynq-limits-XXXXXX";
static char limits_file[sizeof(limits_folder) + 8];

/* Both clocks, in microseconds; the wall clock's is Unix time. */
static int64_t limits_mono_us, limits_wall_us;

static inline int64_t
limits_read_mono(void)
{
	return limits_mono_us;
}

static inline int64_t
limits_read_wall(void)
{
	return limits_wall_us;
}

/* Forget the file, and stand at noon in Pacific time on 15 January 2025. */
static inline int
limits_reset(void **state)
{
	(void)state;
	fynq_host_close();
	(void)remove(limits_file);
	limits_mono_us = 1000000000;
	limits_wall_us = 1736971200000000;
	fynq_host_clock = (struct fynq_host_clock){ limits_read_mono, limits_read_wall };
	fynq_config.shared_file = limits_file;
	fynq_config.run_dir = limits_folder;
	fynq_config.gemini_quotas = "";
	fynq_config.breaker_failures = 4;
	fynq_config.breaker_seconds = 10;
	return 0;
}

/* Start with these quotas; what is wrong with them, "" for nothing. */
static inline const char *
limits_start(const char *quotas)
{
	static char text[4096];
	struct fynq_buf problems = FYNQ_BUF_INIT(4000);
	bool good;

	fynq_host_close();
	fynq_config.gemini_quotas = quotas;
	good = fynq_host_init(&problems);
	snprintf(text, sizeof(text), "%.*s", FYNQ_STR_ARG(fynq_buf_str(&problems)));
	assert_int_equal(good, text[0] == '\0');
	fynq_buf_release(&problems);
	return text;
}

static inline void
limits_pass(int64_t us)
{
	limits_mono_us += us;
	limits_wall_us += us;
}

/* The folder, for a group of tests. */
static inline int
limits_make_folder(void **state)
{
	(void)state;
	if (mkdtemp(limits_folder) == NULL)
		return -1;
	snprintf(limits_file, sizeof(limits_file), "%s/shared", limits_folder);
	return 0;
}

static inline int
limits_remove_folder(void **state)
{
	static const char *const suffixes[] = { "", ".lock", ".new" };
	char path[sizeof(limits_file) + 8];

	(void)state;
	fynq_host_close();
	for (size_t i = 0; i < LENGTH(suffixes); i++) {
		snprintf(path, sizeof(path), "%s%s", limits_file, suffixes[i]);
		(void)remove(path);
	}
	return rmdir(limits_folder);
}

#endif
