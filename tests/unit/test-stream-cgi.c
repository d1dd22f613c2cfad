/*
 * Streams to the standard output of a CGI process: a child whose standard output is a pipe.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/stream.h"
#include "unit.h"

enum { WAIT_MS = 30000, ALL = 1 << 22 };

struct cgi {
	pid_t pid;
	int fd;
	struct fynq_str text; /* what it writes, between a head and an event */
	int want_gone;	      /* 1 where nobody is there to read it */
	bool non_blocking;
};

/* What the stream has called back, and whether it did so from inside a call. */
static int gone, ended;
static bool in_call, too_soon;

static void
on_gone(struct fynq_stream *s)
{
	(void)s;
	gone++;
	too_soon = too_soon || in_call;
}

static void
on_ended(struct fynq_stream *s)
{
	(void)s;
	ended++;
	too_soon = too_soon || in_call;
}

/* Turn the loop until *what is n, and once more for what must not come. */
static void
turn_until(const int *what, int n)
{
	int64_t deadline = fynq_clock_mono_us() + (int64_t)WAIT_MS * 1000;

	while (*what < n && fynq_clock_mono_us() < deadline)
		fynq_evloop_turn(100);
	fynq_evloop_turn(0);
}

/* The child, where cmocka's assertions would go on with the parent's tests. */
static void
cgi_process(const struct cgi *cgi)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct fynq_stream s;

	fynq_evloop_init();
	in_call = true;
	fynq_stream_open(&s, rq, on_gone);
	fynq_stream_write(&s, FYNQ_STR("Status: 200 OK\r\n\r\n"));
	fynq_stream_write(&s, cgi->text);
	fynq_stream_write(&s, FYNQ_STR("id: 1\nevent: done\ndata: {}\n\n"));
	in_call = false;
	turn_until(&gone, cgi->want_gone);
	in_call = true;
	fynq_stream_end(&s, on_ended);
	in_call = false;
	turn_until(&ended, 1);
	fynq_req_free(&rq);
	free((void *)(uintptr_t)cgi->text.p);
	_exit(ended == 1 && gone == cgi->want_gone && !too_soon ? 0 : 1);
}

static void
start_cgi(struct cgi *cgi)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	if (cgi->non_blocking)
		assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	if (cgi->want_gone > 0)
		close(fds[0]);
	fflush(NULL);
	cgi->pid = fork();
	assert_true(cgi->pid >= 0);
	if (cgi->pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		/* The parent's end must be the only one. */
		if (cgi->want_gone == 0)
			close(fds[0]);
		cgi_process(cgi);
	}
	close(fds[1]);
	cgi->fd = fds[0];
}

static void
expect_success(const struct cgi *cgi)
{
	int status;

	assert_int_equal(waitpid(cgi->pid, &status, 0), cgi->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Wait until the pipe holds what it can hold; short writes leave some of its pages half empty. */
static void
let_it_fill(int fd)
{
	int64_t deadline = fynq_clock_mono_us() + (int64_t)WAIT_MS * 1000;
	int n = 0, most = fcntl(fd, F_GETPIPE_SZ) - 2 * getpagesize();

	while (ioctl(fd, FIONREAD, &n) == 0 && n < most) {
		assert_true(fynq_clock_mono_us() < deadline);
		sched_yield();
	}
}

/* Bytes of which no two neighbouring blocks are alike. */
static struct fynq_str
noise(size_t n)
{
	char *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 251);
	return (struct fynq_str){ p, n };
}

/* Without frames, whole, though the pipe takes a part at a time. */
static void
run_cgi(size_t n, bool non_blocking)
{
	struct cgi cgi = { .text = noise(n), .non_blocking = non_blocking };
	struct fynq_buf want = FYNQ_BUF_INIT(ALL), got = FYNQ_BUF_INIT(ALL);
	char block[4096];
	ssize_t some;

	start_cgi(&cgi);
	if (n > (size_t)fcntl(cgi.fd, F_GETPIPE_SZ))
		let_it_fill(cgi.fd);
	while ((some = read(cgi.fd, block, sizeof(block))) > 0)
		fynq_buf_add(&got, (struct fynq_str){ block, (size_t)some });
	close(cgi.fd);
	expect_success(&cgi);

	fynq_buf_add(&want, FYNQ_STR("Status: 200 OK\r\n\r\n"));
	fynq_buf_add(&want, cgi.text);
	fynq_buf_add(&want, FYNQ_STR("id: 1\nevent: done\ndata: {}\n\n"));
	assert_int_equal(got.n, want.n);
	assert_memory_equal(got.p, want.p, want.n);
	fynq_buf_release(&want);
	fynq_buf_release(&got);
	free((void *)(uintptr_t)cgi.text.p);
}

/* Also what is longer than the limit: one client that waits is not one that lags. */
static void
writes_what_it_is_given(void **state)
{
	static const size_t lengths[] = { 1, 65536, 200000, 1000000 };

	(void)state;
	for (size_t i = 0; i < LENGTH(lengths); i++)
		run_cgi(lengths[i], false);
}

/* It waits also where the server in front left the pipe non-blocking. */
static void
waits_for_a_pipe_that_does_not(void **state)
{
	(void)state;
	run_cgi(1000000, true);
}

static void
hears_that_nobody_reads(void **state)
{
	struct cgi cgi = { .text = noise(10), .want_gone = 1 };

	(void)state;
	start_cgi(&cgi);
	expect_success(&cgi);
	free((void *)(uintptr_t)cgi.text.p);
}

static int
init(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fynq_config.stream_buffer = 262144;
	fynq_config.keepalive_seconds = 15;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_it_is_given),
		cmocka_unit_test(waits_for_a_pipe_that_does_not),
		cmocka_unit_test(hears_that_nobody_reads),
	};

	return cmocka_run_group_tests_name("stream as CGI", tests, init, NULL);
}
