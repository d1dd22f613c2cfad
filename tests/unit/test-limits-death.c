/*
 * What a process leaves that dies between any two of its instructions: a child is stepped through a
 * call, and after each step the memory is looked at as the next process would find it.
 */
#include <signal.h>
#include <sys/ptrace.h>

#include "limits/quota.h"
#include "limits.h"

enum { CALLS = 3, TOKENS = 100, AFTER = 5, ENTRIES = 16, STEPS_MAX = 1000000 };

static struct fynq_permit permits[CALLS];

static void
take_at_once(void)
{
	struct fynq_permit permit;
	int retry_after;

	_exit(fynq_quota_take("m", 30, 0, &permit, &retry_after) != FYNQ_OK);
}

static void
take_and_wait(void)
{
	struct fynq_permit permit;
	int retry_after;

	_exit(fynq_quota_take("m", 70, 60000, &permit, &retry_after) != FYNQ_OK);
}

static void
be_refused(void)
{
	struct fynq_permit permit;
	int retry_after;

	_exit(fynq_quota_take("m", 70, 0, &permit, &retry_after) == FYNQ_OK);
}

static void
settle(void)
{
	fynq_quota_settle(&permits[1], 5);
	_exit(0);
}

static void
give_back(void)
{
	fynq_quota_return(&permits[1]);
	_exit(0);
}

/* Calls in force, from the first on; and none of their windows holds too much. */
static uint32_t
check_windows(const struct fynq_window *w, const char *name)
{
	uint32_t all = 0;

	for (uint64_t last = 1; last <= w->last; last++) {
		int64_t end = w->ring[last].start_us, tokens = 0;
		uint32_t calls = 0;

		assert_case(last == 1 || end >= w->ring[last - 1].start_us, name);
		all += w->ring[last].day != 0;
		for (uint64_t i = last; i > 0 && w->ring[i].start_us > end - FYNQ_WINDOW_US; i--) {
			calls += w->ring[i].day != 0;
			tokens += w->ring[i].day != 0 ? w->ring[i].tokens : 0;
		}
		assert_case(calls <= CALLS && tokens <= TOKENS, name);
	}
	return all;
}

/* As fynq_host_lock() would find it, on a copy: the child still lives, and has the lock. */
static void
check_memory(const struct fynq_slot *s, const char *name)
{
	static const struct fynq_window_limits limits = { CALLS, TOKENS };
	static struct fynq_window w;

	memcpy(&w, &s->window, offsetof(struct fynq_window, ring[ENTRIES]));
	fynq_window_repair(&w);
	assert_case(check_windows(&w, name) <= (uint32_t)s->day, name);
	for (int i = 0; i < AFTER; i++) {
		struct fynq_window_place place = fynq_window_find(&w, &limits, limits_mono_us, 45);

		fynq_window_add(&w, &place, 45, 1);
	}
	check_windows(&w, name);
}

static bool
step(pid_t pid, int *status_r)
{
	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, status_r, 0), pid);
	return WIFSTOPPED(*status_r);
}

/* Under valgrind the steps would be valgrind's own. */
static bool
in_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

/* False where this host traces nobody. */
static bool
step_through(void (*fn)(void), const char *name)
{
	const struct fynq_slot *s = &fynq_host->slot[0];
	int status, steps = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(99);
		raise(SIGSTOP);
		fn();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSTOPPED(status))
		return false;
	while (step(pid, &status)) {
		assert_in_range(++steps, 1, STEPS_MAX);
		check_memory(s, name);
	}
	assert_case(status == 0, name);
	return true;
}

static void
leaves_limits_that_hold(void **state)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} cases[] = {
		{ "take at once", take_at_once },
		{ "take and wait", take_and_wait },
		{ "be refused", be_refused },
		{ "settle", settle },
		{ "give back", give_back },
	};

	for (size_t i = 0; i < LENGTH(cases); i++) {
		int retry_after;

		limits_reset(state);
		assert_string_equal(limits_start("m=3/100/50"), "");
		/* Of these the first leaves the window, and the next soon. */
		for (size_t n = 0; n < CALLS; n++) {
			assert_int_equal(
			    fynq_quota_take("m", 30, 0, &permits[n], &retry_after), FYNQ_OK);
			limits_pass(15000000);
		}
		limits_pass(20000000);
		if (in_valgrind() || !step_through(cases[i].fn, cases[i].name))
			skip();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(leaves_limits_that_hold, limits_reset),
	};

	return cmocka_run_group_tests_name(
	    "limits-death", tests, limits_make_folder, limits_remove_folder);
}
