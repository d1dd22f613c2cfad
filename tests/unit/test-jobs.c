#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/jobs.h"
#include "unit.h"

enum { JOBS = 2000, THREADS = 4, WAIT_MS = 30000 };

static char order[16];
static atomic_int done;

static void
note(void *arg)
{
	strcat(order, arg);
}

static bool
waiting(int ms)
{
	struct pollfd fd = { .fd = fynq_jobs_fd(), .events = POLLIN };

	return poll(&fd, 1, ms) == 1;
}

static void
first_in_first_out(void **state)
{
	(void)state;
	assert_false(fynq_jobs_run());
	assert_false(waiting(0));
	fynq_jobs_post(note, "1");
	fynq_jobs_post(note, "2");
	assert_true(waiting(0));
	assert_true(fynq_jobs_run());
	assert_string_equal(order, "1");
	fynq_jobs_post(note, "3");
	assert_true(fynq_jobs_run());
	assert_true(fynq_jobs_run());
	assert_string_equal(order, "123");
	assert_false(fynq_jobs_run());
	assert_false(waiting(0));
}

static void
count(void *arg)
{
	(void)arg;
	done++;
}

static void *
work(void *arg)
{
	(void)arg;
	while (done < JOBS && waiting(WAIT_MS))
		fynq_jobs_run();
	return NULL;
}

static void
last(void *arg)
{
	(void)arg;
}

/* Each job runs once, whoever takes it. */
static void
many_workers(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
	for (int i = 0; i < JOBS; i++)
		fynq_jobs_post(count, NULL);
	/* Some are left to wake those that wait when all is counted. */
	for (int i = 0; i < THREADS; i++)
		fynq_jobs_post(last, NULL);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	while (fynq_jobs_run())
		;
	assert_int_equal(done, JOBS);
}

static int
init(void **state)
{
	(void)state;
	fynq_jobs_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_first_out),
		cmocka_unit_test(many_workers),
	};

	return cmocka_run_group_tests_name("jobs", tests, init, NULL);
}
