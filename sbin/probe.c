#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "probe.h"

/* FastCGI specification, section 3.3 and section 8. */
enum { VERSION_1 = 1, BEGIN_REQUEST = 1, PARAMS = 4, STDIN = 5, STDOUT = 6, RESPONDER = 1 };

static void
add_record(struct fynq_buf *out, char type, struct fynq_str content)
{
	const char head[] = { VERSION_1, type, 0, 1, 0, (char)content.n, 0, 0 };

	fynq_buf_add(out, (struct fynq_str){ head, sizeof(head) });
	fynq_buf_add(out, content);
}

static void
write_request(struct fynq_buf *out)
{
	static const char begin[8] = { 0, RESPONDER };
	static const char *const params[][2] = {
		{ "REQUEST_METHOD", "GET" },
		{ "REQUEST_URI", "/" },
		{ "HTTP_X_REQUEST_ID", "fynqctl-probe" },
	};
	struct fynq_buf pairs = FYNQ_BUF_INIT(127);

	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		struct fynq_str name = fynq_str_of(params[i][0]), value = fynq_str_of(params[i][1]);

		fynq_buf_add_char(&pairs, (char)name.n);
		fynq_buf_add_char(&pairs, (char)value.n);
		fynq_buf_add(&pairs, name);
		fynq_buf_add(&pairs, value);
	}
	add_record(out, BEGIN_REQUEST, (struct fynq_str){ begin, sizeof(begin) });
	add_record(out, PARAMS, fynq_buf_str(&pairs));
	add_record(out, PARAMS, FYNQ_STR(""));
	add_record(out, STDIN, FYNQ_STR(""));
	fynq_buf_release(&pairs);
}

/* Connected within the time; -1 where not. Reads and writes fail after that time, too. */
static int
connect_to(const char *path, int64_t timeout_ms)
{
	struct timeval limit = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >=
		sizeof(address.sun_path) ||
	    (fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

bool
probe(const char *socket_path, int64_t timeout_ms)
{
	int64_t deadline_us = fynq_clock_mono_us() + timeout_ms * 1000;
	struct fynq_buf request = FYNQ_BUF_INIT(512);
	int fd = connect_to(socket_path, timeout_ms);
	bool answered = false;
	char chunk[4096];
	ssize_t got = -1;

	if (fd < 0)
		return false;
	write_request(&request);
	if (send(fd, request.p, request.n, MSG_NOSIGNAL) == (ssize_t)request.n) {
		while ((got = recv(fd, chunk, sizeof(chunk), 0)) > 0 &&
		       fynq_clock_mono_us() < deadline_us)
			answered = answered ||
				   (got > 1 && chunk[0] == VERSION_1 && chunk[1] == STDOUT);
	}
	fynq_buf_release(&request);
	close(fd);
	return answered && got == 0;
}
