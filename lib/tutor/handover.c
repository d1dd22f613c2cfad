#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
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

/* A path has 107 bytes: of the id, which is random at its end, the last 16 digits will do. */
static bool
address_of(struct fynq_str runner, struct sockaddr_un *address_r)
{
	const char *run_dir = fynq_config.run_dir;
	int n;

	*address_r = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (runner.n != 36)
		return false;
	n = snprintf(address_r->sun_path, sizeof(address_r->sun_path), "%s/r%.*s", run_dir, 17,
	    runner.p + 19);
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
 * Sent, and a byte came back before the other process goes on. A process that dies meanwhile closes
 * its end, and none comes. Who loses patience shuts the pipe first and looks once more: then either
 * the byte is there, or the other process cannot send it any more and lets the client be.
 */
static bool
deliver(const struct sockaddr_un *to, const struct letter *letter, int client)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), receipt[2];
	bool taken = false;
	char byte = 0;

	if (fd < 0)
		return false;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, receipt) == 0) {
		set_patience(fd, SO_SNDTIMEO);
		set_patience(receipt[0], SO_RCVTIMEO);
		taken = send_letter(fd, to, letter, client, receipt[1]);
		close(receipt[1]);
		if (taken && recv(receipt[0], &byte, 1, 0) != 1) {
			shutdown(receipt[0], SHUT_RDWR);
			taken = recv(receipt[0], &byte, 1, MSG_DONTWAIT) == 1;
		}
		close(receipt[0]);
	}
	close(fd);
	return taken;
}

bool
fynq_handover_send(struct fynq_req *rq, struct fynq_str runner, const struct fynq_uuid *reply,
    size_t offset, bool resumes)
{
	struct letter letter = { .offset = offset, .resumes = resumes };
	struct sockaddr_un to;

	if (!fynq_parcel_pack(&letter.parcel, rq) || !address_of(runner, &to))
		return false;
	memcpy(letter.reply, reply->text, sizeof(letter.reply));
	return deliver(&to, &letter, fynq_req_fd(rq));
}

void
fynq_handover_drop(struct fynq_req *rq)
{
	fynq_req_free(&rq);
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
	struct cmsghdr *c;
	ssize_t n;

	descriptors[CLIENT] = descriptors[RECEIPT] = -1;
	memset(letter, 0, sizeof(*letter));
	n = recvmsg(handover.watch.fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return false;
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(DESCRIPTORS * sizeof(int)))
		memcpy(descriptors, CMSG_DATA(c), DESCRIPTORS * sizeof(int));
	if (n != (ssize_t)sizeof(*letter))
		letter->parcel.layout = 0; /* From another version. */
	return true;
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
	if (fynq_uuid_parse(id, &reply))
		answer = fynq_answer_find(&reply, (size_t)letter->offset);
	if (answer != NULL)
		rq = fynq_parcel_unpack(&letter->parcel, descriptors[CLIENT]);
	if (rq == NULL)
		close(descriptors[CLIENT]);
	else if (send(descriptors[RECEIPT], "y", 1, MSG_NOSIGNAL) == 1)
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
		    (size_t)n < sizeof(address.sun_path) &&
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
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un *address = &handover.address;

	if (fd < 0 || !address_of(fynq_runner_id(), address))
		return;
	sweep(fd);
	close(fd); /* It may be connected by now. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)address, sizeof(*address)) != 0) {
		fynq_log(FYNQ_LOG_WARN, "handover", "cannot make %s: errno %d", address->sun_path,
		    errno);
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
