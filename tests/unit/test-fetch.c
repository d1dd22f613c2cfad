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
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/fetch.h"

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

/* Answers the first request of each connection, and closes it at the second one. */
static struct {
	int fd;
	atomic_int requests;
	char url[64];
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
	return NULL;
}

static void *
serve(void *arg)
{
	pthread_t thread;
	int fd;

	while ((fd = accept(server.fd, NULL, NULL)) >= 0)
		if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
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
test_once(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	pthread_t thread;

	(void)state;
	server.fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(server.fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(server.fd, 8), 0);
	assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &n), 0);
	snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);

	assert_int_equal(fetch(false), FYNQ_FETCH_DONE);
	/* Read on the connection that was kept, and not answered: libcurl sends it again. */
	assert_int_equal(fetch(false), FYNQ_FETCH_DONE);
	assert_int_equal(server.requests, 3);
	assert_int_equal(fetch(true), FYNQ_FETCH_DONE);
	assert_int_equal(server.requests, 4);

	shutdown(server.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(server.fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_once) };

	fynq_fetch_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
