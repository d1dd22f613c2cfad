#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "limits/breaker.h"
#include "limits/quota.h"
#include "limits.h"

enum {
	PROCESSES = 8,
	THREADS = 4,
	TAKES = 50, /* of each thread */
	WORKERS = 4,
	KILLS = 200,
	CALLS_LIMIT = 50,
	TOKENS_LIMIT = 2000,
	CALL_TOKENS = 100, /* at most */
	LOG = 1 << 20,
};

/* What the processes were given, in memory that all of them see. */
static struct shared {
	atomic_size_t n, probes;
	struct {
		_Atomic int64_t start_us;
		_Atomic int32_t tokens; /* -1 once it is given back */
	} log[LOG];
} * shared;

static int
make_shared(void **state)
{
	shared = mmap(
	    NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared != MAP_FAILED ? limits_make_folder(state) : -1;
}

static int
remove_shared(void **state)
{
	munmap(shared, sizeof(*shared));
	return limits_remove_folder(state);
}

static int
reset(void **state)
{
	shared->n = shared->probes = 0;
	return limits_reset(state);
}

static size_t
log_start(const struct fynq_permit *permit, int32_t tokens)
{
	size_t i = shared->n++;

	if (i < LOG) {
		shared->log[i].tokens = tokens;
		shared->log[i].start_us = permit->start_us;
	}
	return i < LOG ? i : LOG - 1;
}

static void *
take_many(void *arg)
{
	struct fynq_permit permit;
	int retry_after;

	(void)arg;
	for (int i = 0; i < TAKES; i++) {
		if (fynq_quota_take("m", 1, 0, &permit, &retry_after) == FYNQ_OK)
			log_start(&permit, 1);
		if (fynq_breaker_allows("probed", &retry_after))
			shared->probes++;
	}
	return NULL;
}

static void
be_a_process(void)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(4000);
	pthread_t threads[THREADS];

	fynq_host_close();
	if (!fynq_host_init(&problems))
		_exit(1);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, take_many, NULL) != 0)
			_exit(2);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}

static pid_t
start(void (*fn)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	return pid;
}

/* Processes that all come at once, to no file or to one of another boot; the clock stands. */
static void
are_exact_across_processes(void **state)
{
	(void)state;
	fynq_config.gemini_quotas = "m=100/0/0";
	for (int round = 0; round < 3; round++) {
		pid_t pids[PROCESSES];
		int status;

		reset(NULL);
		fynq_config.gemini_quotas = "m=100/0/0";
		if (round > 0) {
			assert_string_equal(limits_start("m=100/0/0"), "");
			fynq_breaker_open("probed", 1);
			limits_pass(1000000);
		}
		if (round == 2)
			fynq_host->header.boot[0] = 'x';
		for (size_t i = 0; i < PROCESSES; i++)
			pids[i] = start(be_a_process);
		for (size_t i = 0; i < PROCESSES; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_int_equal(status, 0);
		}
		assert_int_equal(shared->n, 100);
		for (size_t i = 0; i < shared->n; i++)
			assert_true(shared->log[i].start_us == limits_mono_us);
		/* One probe of a breaker that is due; a boot forgets it. */
		assert_int_equal(shared->probes, round == 1 ? 1 : PROCESSES * THREADS * TAKES);
	}
}

/* A thousand times as fast, so that windows pass. */
static int64_t
fast_clock(void)
{
	return fynq_clock_mono_us() * 1000;
}

static void
take_and_give_back(void)
{
	uint32_t seed = (uint32_t)getpid();

	for (;;) {
		int32_t tokens = (int32_t)(seed >> 8) % CALL_TOKENS, used = tokens / 2;
		struct fynq_permit permit;
		int retry_after;
		size_t i;

		seed = seed * 1664525 + 1013904223;
		fynq_breaker_report("m", (seed & 64) != 0);
		if (fynq_quota_take("m", tokens, (int64_t)(seed >> 20), &permit, &retry_after) !=
		    FYNQ_OK)
			continue;
		i = log_start(&permit, tokens);
		/* The log first: who dies in between has taken more than the log knows, not less.
		 */
		if (seed % 3 == 0) {
			shared->log[i].tokens = -1;
			fynq_quota_return(&permit);
		} else if (seed % 3 == 1) {
			shared->log[i].tokens = used;
			fynq_quota_settle(&permit, used);
		}
	}
}

struct start {
	int64_t us, tokens;
};

static int
by_time(const void *a, const void *b)
{
	const struct start *x = a, *y = b;

	return (x->us > y->us) - (x->us < y->us);
}

/* No window that ends with a call holds more than the limits; how many calls there are. */
static size_t
check_log(void)
{
	size_t all = shared->n < LOG ? shared->n : LOG, n = 0, first = 0;
	struct start *starts = calloc(all + 1, sizeof(*starts));
	int64_t tokens = 0;

	assert_non_null(starts);
	for (size_t i = 0; i < all; i++)
		if (shared->log[i].start_us != 0 && shared->log[i].tokens >= 0)
			starts[n++] = (struct start){ shared->log[i].start_us,
				shared->log[i].tokens };
	qsort(starts, n, sizeof(*starts), by_time);
	for (size_t i = 0; i < n; i++) {
		tokens += starts[i].tokens;
		for (; starts[first].us <= starts[i].us - FYNQ_WINDOW_US; first++)
			tokens -= starts[first].tokens;
		assert_in_range(i - first + 1, 1, CALLS_LIMIT);
		assert_in_range(tokens, 0, TOKENS_LIMIT);
	}
	free(starts);
	return n;
}

/* The sums are those of the ring, whose starts never go back. */
static void
check_slot(void)
{
	struct fynq_slot *s = fynq_host_lock(fynq_host_slot("m"));
	struct fynq_window *w = &s->window;
	int64_t tokens = w->tokens;
	uint32_t calls = w->calls;

	assert_true(w->past <= w->last && w->last - w->past <= FYNQ_WINDOW_CALLS);
	for (uint64_t i = w->past + 2; i <= w->last; i++)
		assert_true(w->ring[i % FYNQ_WINDOW_RING].start_us >=
			    w->ring[(i - 1) % FYNQ_WINDOW_RING].start_us);
	fynq_window_repair(w);
	assert_int_equal(w->calls, calls);
	assert_int_equal(w->tokens, tokens);
	fynq_host_unlock(s);
}

/* Whatever dies, whenever: what lives goes on, and no minute has too many. */
static void
survive_kills(void **state)
{
	pid_t pids[WORKERS];
	size_t before;
	int status;

	(void)state;
	fynq_host_clock.mono_us = fast_clock;
	assert_string_equal(limits_start("m=50/2000/0"), "");
	for (size_t i = 0; i < WORKERS; i++)
		pids[i] = start(take_and_give_back);
	for (int i = 0; i < KILLS; i++) {
		size_t victim = (size_t)i % WORKERS;

		/* Not to wait for something: the moment is to be any. */
		usleep((useconds_t)(500 + i * 7919 % 3000));
		assert_int_equal(kill(pids[victim], SIGKILL), 0);
		assert_int_equal(waitpid(pids[victim], &status, 0), pids[victim]);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		pids[victim] = start(take_and_give_back);
		check_slot();
	}
	/* They still get on: a window's worth after the last death. */
	before = shared->n;
	for (int i = 0; i < 6000 && shared->n < before + CALLS_LIMIT; i++)
		usleep(10000);
	assert_true(shared->n >= before + CALLS_LIMIT);
	for (size_t i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], &status, 0);
	}
	check_slot();
	assert_true(check_log() > CALLS_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(are_exact_across_processes, reset),
		cmocka_unit_test_setup(survive_kills, reset),
	};

	return cmocka_run_group_tests_name("limits-shared", tests, make_shared, remove_shared);
}
