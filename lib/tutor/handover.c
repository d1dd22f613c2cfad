#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "base/evloop.h"
#include "base/log.h"
#include "http/parcel.h"
#include "tutor/answer.h"
#include "tutor/handover.h"
#include "tutor/runner.h"

/* How long the other process may take to accept, and how many clients come in one turn. */
enum { PATIENCE_MS = 1000, BATCH = 64 };

/* What comes back from it; nothing where it has no such answer. */
enum { TAKEN = 'y', NO_PLACE = 'n' };

/* A socket is made and bound in two steps: one younger than this may not be bound yet. */
enum { UNBOUND_SECONDS = 10 };

/* What goes over the socket, with the client's connection and a pipe for the answer. */
struct letter {
	struct fynq_parcel parcel;
	uint64_t offset;
	uint32_t resumes;
	char reply[37];
};
enum { CLIENT, RECEIPT, DESCRIPTORS };

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

static void on_letter(struct fynq_watch *w, uint32_t events);

static struct {
	struct fynq_watch watch;
	struct sockaddr_un address;
} handover = { .watch = { .fd = -1, .ready = on_letter } };

/*
 * r-0123456789abcdef: a path has 107 bytes, and of the id, which is random at its end, the last 16
 * digits will do, with the dash before them.
 */
static bool
address_of(struct fynq_str runner, struct sockaddr_un *address_r)
{
	const char *run_dir = fynq_config.run_dir;
	int n;

	*address_r = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (runner.n != 36)
		return false;
	n = snprintf(address_r->sun_path, sizeof(address_r->sun_path), "%s/r%.*s", run_dir, 18,
	    runner.p + 18);
	return n > 0 && (size_t)n < sizeof(address_r->sun_path);
}

static void
set_patience(int fd, int option)
{
	struct timeval limit = { .tv_sec = PATIENCE_MS / 1000 };

	setsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit));
}

static bool
send_letter(
    int fd, const struct sockaddr_un *to, const struct letter *letter, int client, int receipt)
{
	int descriptors[DESCRIPTORS] = { [CLIENT] = client, [RECEIPT] = receipt };
	struct iovec part = { (void *)(uintptr_t)letter, sizeof(*letter) };
	union control control = { 0 };
	struct msghdr msg = {
		.msg_name = (void *)(uintptr_t)to,
		.msg_namelen = sizeof(*to),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(descriptors));
	memcpy(CMSG_DATA(c), descriptors, sizeof(descriptors));
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof(*letter);
}

/*
 * Sent, and the byte that came back before the other process goes on; 0 for none. A process that
 * dies meanwhile closes its end, and none comes. Who loses patience shuts the pipe first and looks
 * once more: then either the byte is there, or the other process cannot send it any more and lets
 * the client be.
 */
static char
deliver(const struct sockaddr_un *to, const struct letter *letter, int client)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), receipt[2];
	bool sent;
	char byte = 0;

	if (fd < 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, receipt) == 0) {
		set_patience(fd, SO_SNDTIMEO);
		set_patience(receipt[0], SO_RCVTIMEO);
		sent = send_letter(fd, to, letter, client, receipt[1]);
		close(receipt[1]);
		if (sent && recv(receipt[0], &byte, 1, 0) != 1) {
			shutdown(receipt[0], SHUT_RDWR);
			(void)!recv(receipt[0], &byte, 1, MSG_DONTWAIT);
		}
		close(receipt[0]);
	}
	close(fd);
	return byte;
}

enum fynq_handover
fynq_handover_send(struct fynq_req *rq, struct fynq_str runner, const struct fynq_uuid *reply,
    size_t offset, bool resumes)
{
	struct letter letter = { .offset = offset, .resumes = resumes };
	struct sockaddr_un to;

	if (!fynq_parcel_pack(&letter.parcel, rq) || !address_of(runner, &to))
		return FYNQ_HANDOVER_NOBODY;
	memcpy(letter.reply, reply->text, sizeof(letter.reply));
	switch (deliver(&to, &letter, fynq_req_fd(rq))) {
	case TAKEN:
		return FYNQ_HANDOVER_TAKEN;
	case NO_PLACE:
		return FYNQ_HANDOVER_NO_PLACE;
	default:
		return FYNQ_HANDOVER_NOBODY;
	}
}

void
fynq_handover_drop(struct fynq_req *rq)
{
	fynq_req_free(&rq);
}

/* What was sent along, be it more or less than it should: who is given a descriptor closes it. */
static void
take_descriptors(struct msghdr *msg, int descriptors[DESCRIPTORS])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	size_t n;

	descriptors[CLIENT] = descriptors[RECEIPT] = -1;
	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	/* The kernel passes no more of them than there is room for, and closes the rest. */
	n = c->cmsg_len - CMSG_LEN(0);
	memcpy(descriptors, CMSG_DATA(c), n);
}

/* Receive one letter; false where there is none. */
static bool
receive(struct letter *letter, int descriptors[DESCRIPTORS])
{
	struct iovec part = { letter, sizeof(*letter) };
	union control control = { 0 };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	memset(letter, 0, sizeof(*letter));
	n = recvmsg(handover.watch.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return false;
	take_descriptors(&msg, descriptors);
	if (n != (ssize_t)sizeof(*letter) || (msg.msg_flags & MSG_TRUNC) != 0)
		memset(letter, 0, sizeof(*letter)); /* From another version: of no reply. */
	return true;
}

/* The event loop can watch it. */
static bool
is_connection(int fd)
{
	socklen_t size = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/* False where who sent the letter does not wait for it any more; never waits itself. */
static bool
answer_letter(const int descriptors[DESCRIPTORS], char byte)
{
	return send(descriptors[RECEIPT], &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* Take the client where there is its answer, and who sent it still wants that. */
static void
take(const struct letter *letter, const int descriptors[DESCRIPTORS])
{
	struct fynq_str id = { letter->reply, sizeof(letter->reply) - 1 };
	struct fynq_answer *answer = NULL;
	struct fynq_req *rq = NULL;
	struct fynq_uuid reply;

	if (descriptors[CLIENT] < 0)
		return;
	if (is_connection(descriptors[CLIENT]) && fynq_uuid_parse(id, &reply))
		answer = fynq_answer_find(&reply);
	if (answer != NULL && fynq_answer_has(answer, (size_t)letter->offset))
		rq = fynq_parcel_unpack(&letter->parcel, descriptors[CLIENT]);
	else if (answer != NULL)
		(void)answer_letter(descriptors, NO_PLACE);
	if (rq == NULL)
		close(descriptors[CLIENT]);
	else if (answer_letter(descriptors, TAKEN))
		fynq_answer_take_up(answer, rq, (size_t)letter->offset, letter->resumes != 0);
	else
		fynq_req_free(&rq); /* Closes this process's copy alone. */
}

static void
on_letter(struct fynq_watch *w, uint32_t events)
{
	int descriptors[DESCRIPTORS];
	struct letter letter;

	(void)w;
	(void)events;
	for (int i = 0; i < BATCH && receive(&letter, descriptors); i++) {
		take(&letter, descriptors);
		if (descriptors[RECEIPT] >= 0)
			close(descriptors[RECEIPT]);
	}
}

static bool
is_old(int dir_fd, const char *name)
{
	struct stat about;

	return fstatat(dir_fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
	       time(NULL) - about.st_mtime > UNBOUND_SECONDS;
}

/* The sockets of processes that were killed: nobody is there to take a connection. */
static void
sweep(int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	DIR *dir = opendir(fynq_config.run_dir);
	struct dirent *entry;
	int n;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
		    fynq_config.run_dir, entry->d_name);
		if (entry->d_name[0] == 'r' && entry->d_name[1] == '-' && n > 0 &&
		    (size_t)n < sizeof(address.sun_path) && is_old(dirfd(dir), entry->d_name) &&
		    connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 &&
		    errno == ECONNREFUSED)
			unlink(address.sun_path);
	}
	if (dir != NULL)
		closedir(dir);
}

void
fynq_handover_start(void)
{
	struct sockaddr_un *address = &handover.address;
	int fd;

	if (!address_of(fynq_runner_id(), address)) {
		fynq_log(FYNQ_LOG_WARN, "handover", "FYNQ_RUN_DIR is too long for its sockets");
		return;
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sweep(fd);
	close(fd); /* It may be connected by now. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	fchmod(fd, S_IRUSR | S_IWUSR); /* As Linux has it, that is the mode of what bind makes. */
	if (bind(fd, (struct sockaddr *)address, sizeof(*address)) != 0) {
		fynq_log(FYNQ_LOG_WARN, "handover", "cannot make %s: errno %d", address->sun_path,
		    errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	handover.watch.fd = fd;
	fynq_evloop_watch(&handover.watch, EPOLLIN);
}

void
fynq_handover_stop(void)
{
	if (handover.watch.fd < 0)
		return;
	unlink(handover.address.sun_path);
	close(handover.watch.fd);
	handover.watch.fd = -1;
}
