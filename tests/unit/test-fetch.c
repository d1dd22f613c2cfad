/*
 * Requests to other services, against a server here that answers what it is told to.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fetch.h"

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/* Answers the first request of each connection, and closes it at the second one. */
static struct {
	int fd;
	atomic_int requests, open; /* connections that are open */
	int open_before;
	char url[64];
	void *(*serve_one)(void *arg); /* a connection, whose descriptor arg is */
	pthread_t thread;
} server;

static bool
take_request(int fd)
{
	char text[4096];
	bool taken = read(fd, text, sizeof(text)) > 0;

	server.requests += taken;
	return taken;
}

static void *
serve_one(void *arg)
{
	int fd = (int)(intptr_t)arg;

	if (take_request(fd) && write(fd, good, sizeof(good) - 1) > 0)
		(void)take_request(fd);
	close(fd);
	server.open--;
	return NULL;
}

static void *
serve(void *arg)
{
	pthread_t thread;
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
		server.open++;
		if (pthread_create(&thread, NULL, server.serve_one, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
	return arg;
}

static enum fynq_fetch_end
fetch(bool once)
{
	static const struct fynq_str headers[] = { FYNQ_STR_INIT("Content-Type: text/plain") };
	struct fynq_arena *a = fynq_arena_new(1 << 20);
	struct fynq_fetched fetched;
	enum fynq_fetch_end end = fynq_fetch(a, "test",
	    &(const struct fynq_fetch){ .method = "POST",
		.url = server.url,
		.headers = headers,
		.n_headers = 1,
		.body = FYNQ_STR("x"),
		.timeout_ms = 5000,
		.max = 100,
		.once = once },
	    &fetched);

	fynq_arena_free(&a);
	return end;
}

static void
start_server(void *(*serve_one_)(void *))
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);

	server.requests = 0;
	server.open_before = server.open;
	server.serve_one = serve_one_;
	server.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(server.fd, 8), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &n), 0);
	snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

/* Of all connections but those that libcurl keeps from an earlier test. */
static void
wait_for_end(void)
{
	for (int ms = 0; server.open > server.open_before && ms < 30000; ms++)
		usleep(1000);
	assert_true(server.open <= server.open_before);
}

static void
stop_server(void)
{
	shutdown(server.fd, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.fd);
}

static void
test_once(void **state)
{
	(void)state;
	start_server(serve_one);
	assert_int_equal(fetch(false), FYNQ_FETCH_DONE);
	/* Read on the connection that was kept, and not answered: libcurl sends it again. */
	assert_int_equal(fetch(false), FYNQ_FETCH_DONE);
	assert_int_equal(server.requests, 3);
	assert_int_equal(fetch(true), FYNQ_FETCH_DONE);
	assert_int_equal(server.requests, 4);

	stop_server();
}

enum { FILE_BYTES = 3 * 65536 + 7, OFFSET = 5 };

/* What a server of streams has been sent, and what it answers once all of it has come. */
static struct {
	char request[8192 + FILE_BYTES];
	atomic_size_t n;
	size_t cut_at;	    /* it closes connections after so many bytes; 0: never */
	const char *answer; /* then silence until the client goes */
	bool falls_silent;  /* so the client waits for little; else as long as a machine may be busy
			     */
} stream;

static char content[FILE_BYTES];

static const char closing[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n"
			      "Content-Length: 2\r\n\r\n{}";

/* The head, and the body of the Content-Length in it. */
static bool
is_whole(void)
{
	const char *end, *length;

	stream.request[stream.n] = '\0';
	end = strstr(stream.request, "\r\n\r\n");
	length = strstr(stream.request, "Content-Length: ");
	return end != NULL && stream.n >= (size_t)(end + 4 - stream.request) +
					      (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
}

static void *
serve_stream(void *arg)
{
	int fd = (int)(intptr_t)arg;
	ssize_t n;
	char last;

	stream.n = 0;
	while (!is_whole()) {
		n = read(fd, stream.request + stream.n, sizeof(stream.request) - stream.n - 1);
		if (n > 0)
			stream.n += (size_t)n;
		if (n <= 0 || (stream.cut_at > 0 && stream.n >= stream.cut_at))
			goto end;
	}
	if (stream.answer != NULL)
		(void)!write(fd, stream.answer, strlen(stream.answer));
	(void)!read(fd, &last, 1);
end:
	close(fd);
	server.open--;
	return NULL;
}

/* What was taken of an answer. */
static struct {
	char text[64];
	size_t n;
	struct fynq_fetched head;
	int calls, stop_at; /* the call that ends it; 0 for none */
	int pause_ms;	    /* how long each takes */
} taken;

static bool
take(void *arg, const struct fynq_fetched *head, struct fynq_str bytes)
{
	assert_ptr_equal(arg, &taken);
	memcpy(taken.text + taken.n, bytes.p, bytes.n);
	taken.n += bytes.n;
	taken.head = *head;
	usleep((useconds_t)taken.pause_ms * 1000);
	return ++taken.calls != taken.stop_at;
}

static enum fynq_fetch_end
fetch_stream(const struct fynq_fetch_file *file, const char *answer, struct fynq_fetched *fetched_r)
{
	struct fynq_arena *a = fynq_arena_new(1 << 20);
	enum fynq_fetch_end end;

	stream.answer = answer;
	taken.n = 0;
	taken.calls = 0;
	end = fynq_fetch(a, "test",
	    &(const struct fynq_fetch){ .method = file != NULL ? "POST" : "GET",
		.url = server.url,
		.file = file,
		.take = file != NULL ? NULL : take,
		.take_arg = &taken,
		.timeout_ms = 20000,
		.idle_ms = stream.falls_silent ? 400 : 20000,
		.max = 100 },
	    fetched_r);
	fynq_arena_free(&a);
	return end;
}

static int
make_file(void)
{
	char path[] = "fetch-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (char)(i * 31 + i / 251);
	assert_int_equal(write(fd, content, sizeof(content)), sizeof(content));
	return fd;
}

static void
assert_sent(size_t from, size_t n)
{
	const char *head = stream.request, *end = strstr(head, "\r\n\r\n");
	char line[64];

	assert_non_null(end);
	snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n", n);
	assert_non_null(memmem(head, (size_t)(end - head) + 2, line, strlen(line)));
	assert_null(memmem(head, (size_t)(end - head) + 2, "\r\nExpect:", 9));
	assert_null(memmem(head, (size_t)(end - head) + 2, "\r\nTransfer-Encoding:", 20));
	assert_int_equal(stream.n - (size_t)(end + 4 - head), n);
	assert_memory_equal(end + 4, content + from, n);
}

/* Where the descriptor stands changes nothing, and is not changed. */
static void
test_file_is_sent(void **state)
{
	struct fynq_fetch_file file = { .fd = make_file(), .offset = OFFSET };
	struct fynq_fetched fetched = { 0 };

	(void)state;
	start_server(serve_stream);
	for (file.bytes = FILE_BYTES - OFFSET; file.bytes >= 0; file.bytes -= 65536) {
		assert_int_equal(lseek(file.fd, 3, SEEK_SET), 3);
		assert_int_equal(fetch_stream(&file, closing, &fetched), FYNQ_FETCH_DONE);
		assert_int_equal(fetched.status, 200);
		assert_int_equal(fetched.length, 2);
		assert_sent(OFFSET, (size_t)file.bytes);
		assert_int_equal(lseek(file.fd, 0, SEEK_CUR), 3);
	}
	stop_server();
	wait_for_end();
	close(file.fd);
}

static void
test_file_that_cannot_be_sent(void **state)
{
	struct fynq_fetch_file file = { .fd = make_file(), .bytes = FILE_BYTES };
	struct fynq_fetched fetched;

	(void)state;
	start_server(serve_stream);
	stream.cut_at = 1000;
	assert_int_equal(fetch_stream(&file, closing, &fetched), FYNQ_FETCH_BROKEN);
	stream.cut_at = 0;
	/* All of it went, and nobody says a word. */
	stream.falls_silent = true;
	assert_int_equal(fetch_stream(&file, NULL, &fetched), FYNQ_FETCH_TIMEOUT);
	stream.falls_silent = false;
	file.bytes = FILE_BYTES + 1;
	assert_int_equal(fetch_stream(&file, closing, &fetched), FYNQ_FETCH_BROKEN);
	stop_server();
	wait_for_end();
	close(file.fd);
}

static void
test_answer_is_taken(void **state)
{
	static const char part[] =
	    "HTTP/1.1 100 Continue\r\nContent-Range: bytes 1-2/3\r\n\r\n"
	    "HTTP/1.1 206 Partial Content\r\nConnection: close\r\nContent-Length: 10\r\n"
	    "Content-Range: bytes 7-16/200\r\n\r\n0123456789";
	struct fynq_fetched fetched;

	(void)state;
	start_server(serve_stream);
	assert_int_equal(fetch_stream(NULL, part, &fetched), FYNQ_FETCH_DONE);
	assert_int_equal(taken.n, 10);
	assert_memory_equal(taken.text, "0123456789", 10);
	assert_int_equal(taken.head.status, 206);
	assert_int_equal(taken.head.length, 10);
	assert_int_equal(taken.head.range_from, 7);
	assert_int_equal(taken.head.range_last, 16);
	assert_int_equal(fetched.body.n, 0);

	taken.stop_at = 1;
	assert_int_equal(fetch_stream(NULL, part, &fetched), FYNQ_FETCH_STOPPED);
	taken.stop_at = 0;

	/* Of a failure the body is held, and not taken. */
	assert_int_equal(
	    fetch_stream(NULL,
		"HTTP/1.1 404 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\ngone", &fetched),
	    FYNQ_FETCH_DONE);
	assert_int_equal(taken.calls, 0);
	assert_int_equal(fetched.status, 404);
	assert_int_equal(fetched.body.n, 4);
	stop_server();
	wait_for_end();
}

static void
test_answer_that_stops(void **state)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234";
	static const char whole[] =
	    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n01234";
	struct fynq_fetched fetched;
	int64_t began_us = fynq_clock_mono_us();

	(void)state;
	start_server(serve_stream);
	stream.falls_silent = true;
	assert_int_equal(fetch_stream(NULL, half, &fetched), FYNQ_FETCH_TIMEOUT);
	/* Before the time that connecting has, which is for all of what is no stream. */
	assert_true(fynq_clock_mono_us() - began_us < 20000000);
	/* Whoever takes it may take longer than the server may. */
	taken.pause_ms = 1500;
	assert_int_equal(fetch_stream(NULL, whole, &fetched), FYNQ_FETCH_DONE);
	assert_int_equal(taken.n, 5);
	taken.pause_ms = 0;
	stream.falls_silent = false;
	stop_server();
	wait_for_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_file_is_sent),
		cmocka_unit_test(test_file_that_cannot_be_sent),
		cmocka_unit_test(test_answer_is_taken),
		cmocka_unit_test(test_answer_that_stops),
	};

	fynq_fetch_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
