/*
 * A body that comes slowly, in bits, or not at all; what becomes of a connection whose body was not
 * read.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <fastcgi.h>

#include "base/buf.h"
#include "base/clock.h"
#include "http/request.h"
#include "unit.h"

enum { ID = 1, SECOND = 1000000, RATE = 16384, RECORD_MAX = 32768 };

static struct fynq_req *rq;
static int peer = -1; /* the server's end of the connection, or the pipe that is standard input */
static char piece[8 << 20];

static int
teardown(void **state)
{
	(void)state;
	fynq_req_free(&rq);
	if (peer >= 0)
		close(peer);
	peer = -1;
	return 0;
}

static void
send_all(struct fynq_str s)
{
	while (s.n > 0) {
		ssize_t n = write(peer, s.p, s.n);

		assert_true(n > 0);
		s = (struct fynq_str){ s.p + n, s.n - (size_t)n };
	}
}

static void
send_record(int type, struct fynq_str content)
{
	FCGI_Header header = { .version = FCGI_VERSION_1,
		.type = (unsigned char)type,
		.requestIdB0 = ID,
		.contentLengthB1 = (unsigned char)(content.n >> 8),
		.contentLengthB0 = (unsigned char)content.n };

	send_all((struct fynq_str){ (const char *)&header, sizeof(header) });
	send_all(content);
}

static void
send_stdin(struct fynq_str s)
{
	while (s.n > 0) {
		size_t n = s.n < RECORD_MAX ? s.n : RECORD_MAX;

		send_record(FCGI_STDIN, (struct fynq_str){ s.p, n });
		s = (struct fynq_str){ s.p + n, s.n - n };
	}
}

/* A request through FastCGI on a connection to be kept, whose body has so many bytes. */
static void
open_fcgi(size_t length)
{
	static const FCGI_BeginRequestBody begin = { .roleB0 = FCGI_RESPONDER,
		.flags = FCGI_KEEP_CONN };
	struct timeval limit = { .tv_usec = 100000 };
	int fds[2];

	assert_int_equal(FCGX_Init(), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	peer = fds[1];
	rq = fynq_req_new(-1, false);
	rq->fcgx.ipcFd = fds[0];
	rq->fcgx.keepConnection = 1;
	send_record(FCGI_BEGIN_REQUEST, (struct fynq_str){ (const char *)&begin, sizeof(begin) });
	send_record(FCGI_PARAMS, FYNQ_STR("\1\1AB"));
	send_record(FCGI_PARAMS, FYNQ_STR(""));
	assert_true(fynq_req_accept(rq));
	rq->content_length = length;
}

/* The same as CGI. */
static void
open_cgi(size_t length)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
	close(fds[0]);
	peer = fds[1];
	rq = fynq_req_new(-1, true);
	rq->content_length = length;
}

static void
began_seconds_ago(int seconds)
{
	rq->started_us = fynq_clock_mono_us() - (int64_t)seconds * SECOND;
}

static enum fynq_err
take(size_t size, size_t *n_r)
{
	struct fynq_str got;
	enum fynq_err e = fynq_req_body_piece(rq, piece, size, &got);

	*n_r = got.n;
	return e;
}

static void
how_long_a_body_has(void **state)
{
	static const struct {
		size_t bytes;
		int64_t seconds;
	} cases[] = {
		{ 0, 60 },
		{ 1, 60 },
		{ 60 * RATE, 60 },
		{ 61 * RATE - 1, 60 },
		{ 61 * RATE, 61 },
		{ (size_t)1 << 30, 65536 },
		{ (size_t)1 << 40, INT64_C(67108864) },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_int_equal(fynq_req_body_due_us(cases[i].bytes), cases[i].seconds * SECOND);
}

/* Of a body of 61 s of bytes, read so far what is given, in a request that began at a time. */
static void
check_rate(void (*open_one)(size_t length))
{
	size_t n;

	/* Half of it came, and half of the time has gone by. */
	open_one(100 * RATE);
	rq->body_read = 50 * RATE;
	began_seconds_ago(50);
	rq->cgi ? send_all(FYNQ_STR("abc")) : send_stdin(FYNQ_STR("abc"));
	assert_int_equal(take(3, &n), FYNQ_OK);
	assert_int_equal(n, 3);
	/* The first minute is any body's. */
	rq->body_read = 3;
	began_seconds_ago(59);
	rq->cgi ? send_all(FYNQ_STR("de")) : send_stdin(FYNQ_STR("de"));
	assert_int_equal(take(2, &n), FYNQ_OK);
	/* After it too few are too few, whether more are there or not. */
	began_seconds_ago(61);
	rq->cgi ? send_all(FYNQ_STR("f")) : send_stdin(FYNQ_STR("f"));
	assert_int_equal(take(1, &n), FYNQ_E_TOO_SLOW);
	assert_int_equal(n, 0);
	assert_str(rq->problem.detail,
	    "The body must not pause for 30 s, nor bring less than 16384 bytes a second.");
	/* Enough are enough. */
	rq->body_read = 62 * RATE;
	assert_int_equal(take(1, &n), FYNQ_OK);
	assert_int_equal(piece[0], 'f');
	teardown(NULL);
}

static void
a_body_keeps_a_rate(void **state)
{
	(void)state;
	check_rate(open_fcgi);
	check_rate(open_cgi);
}

/* What came slowly is looked at as it comes: more is asked for, and the time is up. */
static void
a_drip(void **state)
{
	size_t n;

	(void)state;
	open_cgi(1000);
	began_seconds_ago(60);
	rq->started_us += SECOND / 10; /* a tenth of a second is left */
	send_all(FYNQ_STR("abc"));
	assert_int_equal(take(1000, &n), FYNQ_E_TOO_SLOW);
	assert_int_equal(n, 3);
	teardown(NULL);
	open_fcgi(1000);
	send_stdin(FYNQ_STR("abc"));
	/* The socket's own limit, which this test has made short. */
	assert_int_equal(take(1000, &n), FYNQ_E_TOO_SLOW);
	assert_int_equal(n, 3);
}

static void
a_body_that_breaks_off(void **state)
{
	size_t n;

	(void)state;
	open_cgi(1000);
	send_all(FYNQ_STR("abc"));
	close(peer);
	peer = -1;
	assert_int_equal(take(1000, &n), FYNQ_E_BAD_REQUEST);
	assert_str(rq->problem.detail, "The body ended early.");
	teardown(NULL);
	open_fcgi(1000);
	send_stdin(FYNQ_STR("abc"));
	send_record(FCGI_STDIN, FYNQ_STR(""));
	assert_int_equal(take(1000, &n), FYNQ_E_BAD_REQUEST);
	teardown(NULL);
	open_fcgi(1000);
	send_stdin(FYNQ_STR("abc"));
	close(peer);
	peer = -1;
	assert_int_equal(take(1000, &n), FYNQ_E_BAD_REQUEST);
}

/* A body of n bytes on another process's side, in records that know nothing of the pieces. */
static void
send_from_a_child(size_t n, bool end)
{
	static char bytes[8 << 20];

	if (fork() != 0)
		return;
	alarm(10);
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(i * 7 % 251);
	send_stdin((struct fynq_str){ bytes, n });
	if (end)
		send_record(FCGI_STDIN, FYNQ_STR(""));
	_exit(0);
}

static void
pieces_are_whole(void **state)
{
	static const size_t sizes[] = { 1, 2, 4095, 8192, 8193, 65536 };
	size_t at = 0, n = 0, length = 1000003;
	int status;

	(void)state;
	open_fcgi(length);
	send_from_a_child(length, true);
	for (size_t i = 0; at < length; i++) {
		size_t size = sizes[i % LENGTH(sizes)];

		assert_int_equal(take(size, &n), FYNQ_OK);
		assert_int_equal(n, size < length - at ? size : length - at);
		for (size_t k = 0; k < n; k++, at++)
			assert_int_equal((unsigned char)piece[k], at * 7 % 251);
	}
	assert_int_equal(take(10, &n), FYNQ_OK);
	assert_int_equal(n, 0);
	wait(&status);
	fynq_req_drain(rq);
	assert_true(fynq_req_finish(rq));
}

/* All that the other end gets until this one closes, and whether it did. */
static bool
closed(void)
{
	struct pollfd fd = { .fd = peer, .events = POLLIN };
	char bytes[256];
	ssize_t n = 1;

	while (n > 0 && poll(&fd, 1, 0) > 0)
		n = read(peer, bytes, sizeof(bytes));
	return n == 0;
}

static void
what_becomes_of_the_connection(void **state)
{
	int status;

	(void)state;
	/* A little is read over, and the connection kept. */
	open_fcgi(100000);
	send_from_a_child(100000, true);
	fynq_req_drain(rq);
	assert_true(fynq_req_finish(rq));
	assert_false(closed());
	wait(&status);
	teardown(NULL);
	/* Of much nothing is read; who sends it gets the answer's end, then closes. */
	open_fcgi(sizeof(piece));
	send_stdin(FYNQ_STR("abc"));
	fynq_req_drain(rq);
	assert_int_equal(rq->body_read, 0);
	if (fork() == 0) {
		char bytes[64];

		alarm(10);
		while (read(peer, bytes, sizeof(bytes)) > 0)
			;
		shutdown(peer, SHUT_RDWR);
		_exit(0);
	}
	assert_false(fynq_req_finish(rq));
	wait(&status);
	teardown(NULL);
	/* One that comes too slowly is not waited for. */
	open_fcgi(1000);
	began_seconds_ago(61);
	fynq_req_drain(rq);
	assert_int_equal(rq->body_read, 0);
	shutdown(peer, SHUT_WR);
	assert_false(fynq_req_finish(rq));
	teardown(NULL);
	/* The end of a body that is read is taken, however long ago that was. */
	open_fcgi(3);
	send_stdin(FYNQ_STR("abc"));
	send_record(FCGI_STDIN, FYNQ_STR(""));
	assert_int_equal(fynq_req_body(rq, 10), FYNQ_OK);
	began_seconds_ago(1000);
	fynq_req_drain(rq);
	assert_true(fynq_req_finish(rq));
}

/* A process with many streams has descriptors that select() does not know. */
static void
it_is_left_in_the_end_whatever_its_number(void **state)
{
	enum { ENOUGH = 2048 };
	struct rlimit limit;
	int high, status;
	int64_t began_us;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < ENOUGH)
		skip();
	if (limit.rlim_cur < ENOUGH)
		limit.rlim_cur = ENOUGH;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	open_fcgi(sizeof(piece));
	high = fcntl(rq->fcgx.ipcFd, F_DUPFD_CLOEXEC, 1500);
	assert_true(high >= 1500);
	close(rq->fcgx.ipcFd);
	rq->fcgx.ipcFd = high;
	if (fork() == 0) { /* One who sends on without end. */
		close(high);
		alarm(20);
		signal(SIGPIPE, SIG_DFL);
		for (;;)
			if (write(peer, piece, 65536) <= 0)
				_exit(0);
	}
	began_us = fynq_clock_mono_us();
	assert_false(fynq_req_finish(rq));
	assert_in_range(fynq_clock_mono_us() - began_us, SECOND, 10 * SECOND);
	wait(&status);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(how_long_a_body_has, teardown),
		cmocka_unit_test_teardown(a_body_keeps_a_rate, teardown),
		cmocka_unit_test_teardown(a_drip, teardown),
		cmocka_unit_test_teardown(a_body_that_breaks_off, teardown),
		cmocka_unit_test_teardown(pieces_are_whole, teardown),
		cmocka_unit_test_teardown(what_becomes_of_the_connection, teardown),
		cmocka_unit_test_teardown(it_is_left_in_the_end_whatever_its_number, teardown),
	};

	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
