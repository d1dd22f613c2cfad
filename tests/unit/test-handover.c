#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/config.h"
#include "base/evloop.h"
#include "base/jobs.h"
#include "tutor/handover.h"
#include "tutor/runner.h"
#include "unit.h"

static char folder[] = "/tmp/fynq-handover-XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };

static int
init(void **state)
{
	(void)state;
	fynq_config.run_dir = mkdtemp(folder);
	fynq_jobs_init();
	fynq_evloop_init();
	fynq_runner_start();
	snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s/r%s", folder, fynq_runner_id().p + 18);
	return fynq_config.run_dir == NULL ? -1 : 0;
}

static int
end(void **state)
{
	(void)state;
	return rmdir(folder);
}

static size_t
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* A datagram of n bytes with so many descriptors. */
static void
send_datagram(size_t n, int descriptors)
{
	static char bytes[8192];
	char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec part = { bytes, n };
	struct msghdr msg = {
		.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = &part,
		.msg_iovlen = 1,
	};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fds[8];
	struct cmsghdr *c;

	memset(bytes, 'x', sizeof(bytes));
	for (int i = 0; i < descriptors; i++)
		fds[i] = STDERR_FILENO;
	if (descriptors > 0) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE((size_t)descriptors * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)descriptors * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)descriptors * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, 0), n);
	close(fd);
}

static void
garbage_leaves_nothing(void **state)
{
	size_t before, sizes[] = { 0, 1, 100, 800, 1000, 8192 };

	(void)state;
	fynq_handover_start();
	before = open_descriptors();
	for (size_t i = 0; i < LENGTH(sizes); i++)
		for (int descriptors = 0; descriptors <= 8; descriptors++) {
			send_datagram(sizes[i], descriptors);
			fynq_evloop_turn(0);
		}
	fynq_evloop_turn(0);
	assert_int_equal(open_descriptors(), before);
	fynq_handover_stop();
}

static void *
send_one(void *arg)
{
	struct fynq_uuid reply = fynq_uuid_new();

	*(enum fynq_handover *)arg = FYNQ_HANDOVER_TAKEN;
	for (int i = 0; i < 3; i++) {
		struct fynq_req *rq = fynq_req_new(-1, false);
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		rq->fcgx.ipcFd = fds[0];
		*(enum fynq_handover *)arg = fynq_handover_send(
		    rq, fynq_runner_id(), &reply, 0, false);
		fynq_req_free(&rq);
		close(fds[1]);
	}
	return NULL;
}

/* Nothing is written by this process: the sender hears so at once, and keeps its client. */
static void
an_unknown_answer_is_not_taken(void **state)
{
	enum fynq_handover result = FYNQ_HANDOVER_TAKEN;
	size_t before;
	pthread_t sender;

	(void)state;
	fynq_handover_start();
	before = open_descriptors();
	assert_int_equal(pthread_create(&sender, NULL, send_one, &result), 0);
	while (pthread_tryjoin_np(sender, NULL) != 0)
		fynq_evloop_turn(10);
	assert_int_equal(result, FYNQ_HANDOVER_NOBODY);
	assert_int_equal(open_descriptors(), before);
	fynq_handover_stop();
	/* Nor is anybody there now. */
	send_one(&result);
	assert_int_equal(result, FYNQ_HANDOVER_NOBODY);
}

/* A socket in the folder whose process is gone, as old as that. */
static void
leave_socket(const char *name, int seconds)
{
	struct sockaddr_un left = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval times[2];

	snprintf(left.sun_path, sizeof(left.sun_path), "%s/%s", folder, name);
	assert_int_equal(bind(fd, (struct sockaddr *)&left, sizeof(left)), 0);
	close(fd);
	gettimeofday(&times[0], NULL);
	times[0].tv_sec -= seconds;
	times[1] = times[0];
	assert_int_equal(utimes(left.sun_path, times), 0);
}

static bool
is_there(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void
dead_sockets_are_swept(void **state)
{
	static const struct {
		const char *name;
		int seconds;
		bool stays;
	} cases[] = {
		{ "r-0123456789abcdef", 3600, false },
		{ "r-0123456789abcdee", 0, true }, /* may be one that is just made */
		{ "chat.sock", 3600, true },
	};
	char path[128];
	struct stat about;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		leave_socket(cases[i].name, cases[i].seconds);
	fynq_handover_start();
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_case(is_there(cases[i].name) == cases[i].stays, cases[i].name);
		snprintf(path, sizeof(path), "%s/%s", folder, cases[i].name);
		unlink(path);
	}
	assert_int_equal(stat(address.sun_path, &about), 0);
	assert_int_equal(about.st_mode & 077, 0);
	fynq_handover_stop();
	assert_int_not_equal(stat(address.sun_path, &about), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_leaves_nothing),
		cmocka_unit_test(an_unknown_answer_is_not_taken),
		cmocka_unit_test(dead_sockets_are_swept),
	};

	return cmocka_run_group_tests_name("handover", tests, init, end);
}
