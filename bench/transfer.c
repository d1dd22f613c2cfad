/*
 * Sends one HTTP/1.1 request on a connection of its own, as fast as can be, and reads its answer.
 *
 *	transfer PORT FILE...
 *
 * The files are the request: its head, and its body in as many parts as there are more of them. Of
 * an answer's body nothing is copied to this process, so that it is the server that takes time. (To
 * send by sendfile(2) would cost less here, and make a Nginx that reads 16 KB at a time half as
 * fast.) The head must ask for "Connection: close".
 *
 * Prints {"status":...,"bytes":...,"seconds":...,"cpu_us":...}: bytes of the answer's body, seconds
 * from connecting to its end.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/tool.h"

enum { SECONDS = 120, HEAD_MAX = 16384, PIECE = 64 << 10 };

static int
connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = SECONDS };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("cannot connect to port %u", port);
	return fd;
}

/* False where the server has ended the connection: it may have answered before. */
static bool
send_file(int to, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	static char piece[PIECE];
	bool sent = true;
	ssize_t n;

	if (fd < 0)
		die("cannot read %s", path);
	while (sent && (n = read(fd, piece, sizeof(piece))) > 0)
		sent = send(to, piece, (size_t)n, MSG_NOSIGNAL) == n;
	close(fd);
	return sent;
}

/* The head, looked at before it is taken, so that what follows is only counted. */
static int
read_head(int fd)
{
	char head[HEAD_MAX + 1], *end = NULL;
	int status;
	ssize_t n = 0, before = -1;

	while (end == NULL) {
		n = recv(fd, head, HEAD_MAX, MSG_PEEK);
		if (n <= 0 || n == before)
			die("no answer");
		head[n] = '\0';
		end = strstr(head, "\r\n\r\n");
		before = n;
	}
	n = end + 4 - head;
	if (recv(fd, head, (size_t)n, MSG_WAITALL) != n ||
	    sscanf(head, "HTTP/1.1 %d", &status) != 1)
		die("no answer of HTTP/1.1");
	return status;
}

int
main(int argc, char **argv)
{
	int64_t began = fynq_clock_mono_us(), bytes = 0;
	int fd, status;
	ssize_t n;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 3)
		die("usage: transfer PORT FILE...");
	fd = connect_to((uint16_t)number_option("PORT", argv[1], 1, 65535));
	for (int i = 2; i < argc; i++)
		if (!send_file(fd, argv[i]))
			break;
	status = read_head(fd);
	/* Without a place to put it TCP drops what has come (tcp(7), MSG_TRUNC). */
	while ((n = recv(fd, NULL, PIECE, MSG_TRUNC)) > 0)
		bytes += n;
	if (n < 0)
		die("the answer ends early");
	printf("{\"status\":%d,\"bytes\":%lld,\"seconds\":%.6f,\"cpu_us\":%lld}\n", status,
	    (long long)bytes, (double)(fynq_clock_mono_us() - began) / 1e6, (long long)cpu_us());
	return 0;
}
