#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/child.h"
#include "base/clock.h"
#include "unit.h"

static const char *const env[] = { "WORD=given", NULL };
static int in, out;

static int
setup(void **state)
{
	char name[] = "child-XXXXXX";

	(void)state;
	in = open("/dev/null", O_RDONLY);
	out = mkstemp(name);
	unlink(name);
	return in < 0 || out < 0;
}

static int
teardown(void **state)
{
	(void)state;
	close(in);
	close(out);
	return 0;
}

/* Run a shell script under limits that leave it room, for at most so many ms. */
static enum fynq_child_end
shell(const char *script, int64_t ms, struct fynq_child_use *use_r)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct fynq_child child = {
		.argv = argv,
		.env = env,
		.in = in,
		.out = out,
		.memory_max = 256 << 20,
		.file_max = 4096,
		.seconds_max = 1,
		.deadline_us = fynq_clock_mono_us() + ms * 1000,
	};

	return fynq_child_run(&child, use_r);
}

static void
ends(void **state)
{
	static const struct {
		const char *name, *script;
		int64_t ms;
		enum fynq_child_end end;
	} cases[] = {
		{ "success", "exit 0", 10000, FYNQ_CHILD_DONE },
		{ "failure", "exit 1", 10000, FYNQ_CHILD_FAILED },
		{ "an unknown program", "exec /nonexistent", 10000, FYNQ_CHILD_MISSING },
		{ "an abort", "kill -ABRT $$", 10000, FYNQ_CHILD_CRASHED },
		{ "the deadline", "exec sleep 60", 50, FYNQ_CHILD_SPENT },
		{ "a deadline that was", "exec sleep 60", -1, FYNQ_CHILD_SPENT },
		{ "processor time", "while :; do :; done", 30000, FYNQ_CHILD_SPENT },
		{ "a file too large", "exec head -c 8192 /dev/zero", 10000, FYNQ_CHILD_CRASHED },
		{ "too much memory", "exec dd if=/dev/zero bs=512M count=1", 10000,
		    FYNQ_CHILD_FAILED },
	};
	struct fynq_child_use use;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(
		    shell(cases[i].script, cases[i].ms, &use) == cases[i].end, cases[i].name);
}

/* Nothing comes with it but its two descriptors, /dev/null, and the environment that was given. */
static void
starts_clean(void **state)
{
	static const char want[] = "given 0 1 2 3 0 0\n";
	struct fynq_child_use use;
	char text[256] = "";
	sigset_t all, old;
	int leak = dup(out);

	(void)state;
	assert_true(leak > 2);
	sigfillset(&all);
	assert_int_equal(sigprocmask(SIG_BLOCK, &all, &old), 0);
	signal(SIGPIPE, SIG_IGN);
	/* Descriptor 3 is the folder that ls itself reads; glibc keeps two signals above 31. */
	assert_int_equal(shell("blocked=$(sed -n 's/^SigBlk:.//p' /proc/self/status)\n"
			       "ignored=$(sed -n 's/^SigIgn:.//p' /proc/self/status)\n"
			       "echo $WORD $HOME $(ls /proc/self/fd)"
			       " $((0x$blocked & 0x7fffffff)) $((0x$ignored & 0x7fffffff))",
			     10000, &use),
	    FYNQ_CHILD_DONE);
	assert_int_equal(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	signal(SIGPIPE, SIG_DFL);
	assert_true(pread(out, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, want);
	close(leak);
}

static void
tells_what_it_took(void **state)
{
	struct fynq_child_use use;

	(void)state;
	assert_int_equal(shell("exec dd if=/dev/zero of=/dev/null bs=64M count=1", 10000, &use),
	    FYNQ_CHILD_DONE);
	assert_true(use.memory > 64 << 20);
	assert_true(use.memory < 256 << 20);
	assert_true(use.cpu_us > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ends, setup, teardown),
		cmocka_unit_test_setup_teardown(starts_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_what_it_took, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
