#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "http/form.h"
#include "http/request.h"

enum { PATH_MAX_BYTES = 2048, QUERY_MAX_BYTES = 8192, LINGER_MS = 2000 };

static const char *const methods[FYNQ_METHODS] = {
	[FYNQ_GET] = "GET",
	[FYNQ_HEAD] = "HEAD",
	[FYNQ_POST] = "POST",
	[FYNQ_PUT] = "PUT",
	[FYNQ_PATCH] = "PATCH",
	[FYNQ_DELETE] = "DELETE",
	[FYNQ_OPTIONS] = "OPTIONS",
};

const char *
fynq_method_name(enum fynq_method m)
{
	return m < FYNQ_METHODS ? methods[m] : "?";
}

struct fynq_req *
fynq_req_new(int listen_fd, bool cgi)
{
	struct fynq_req *rq = fynq_alloc(sizeof(*rq));

	FCGX_InitRequest(&rq->fcgx, listen_fd, 0);
	rq->cgi = cgi;
	rq->arena = fynq_arena_new(FYNQ_ARENA_MAX);
	rq->reply.headers.max = 8192;
	rq->started_us = fynq_clock_mono_us();
	return rq;
}

void
fynq_req_reset(struct fynq_req *rq)
{
	struct fynq_req empty = {
		.fcgx = rq->fcgx,
		.cgi = rq->cgi,
		.arena = rq->arena,
		.older = rq->older,
		.newer = rq->newer,
		.reply.headers = { .max = rq->reply.headers.max },
	};

	fynq_buf_release(&rq->reply.headers);
	fynq_arena_reset(rq->arena);
	*rq = empty;
}

void
fynq_req_free(struct fynq_req **rqp)
{
	struct fynq_req *rq = *rqp;

	if (rq == NULL)
		return;
	fynq_req_reset(rq);
	FCGX_Detach(&rq->fcgx); /* Without it closing may wait for the peer for two seconds. */
	FCGX_Free(&rq->fcgx, rq->fcgx.ipcFd >= 0);
	fynq_arena_free(&rq->arena);
	free(rq);
	*rqp = NULL;
}

bool
fynq_req_accept(struct fynq_req *rq)
{
	/* A body that never comes, or a reader that never reads, frees its worker in the end. */
	struct timeval limit = { .tv_sec = FYNQ_REQ_WAIT_SECONDS };
	int fresh = rq->fcgx.ipcFd < 0;

	if (FCGX_Accept_r(&rq->fcgx) != 0)
		return false;
	if (fresh) {
		setsockopt(rq->fcgx.ipcFd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(rq->fcgx.ipcFd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	}
	rq->started_us = fynq_clock_mono_us();
	return true;
}

/*
 * End a connection from this side and read on until the other side closes it, which Nginx does once
 * it has the answer's end: a close would break off whoever still sends before the answer was read.
 * libfcgi would do so, too, but by select(), which ends the process for a descriptor past 1023, and
 * for as long as something comes.
 */
static void
linger(int fd)
{
	int64_t end_us = fynq_clock_mono_us() + LINGER_MS * 1000, left_us;
	struct pollfd in = { .fd = fd, .events = POLLIN };
	char waste[16384];

	if (shutdown(fd, SHUT_WR) != 0)
		return;
	while ((left_us = end_us - fynq_clock_mono_us()) > 0) {
		int ready = poll(&in, 1, (int)(left_us / 1000) + 1);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || recv(fd, waste, sizeof(waste), 0) <= 0)
			return;
	}
}

bool
fynq_req_finish(struct fynq_req *rq)
{
	/* What is unread of a body would be taken for the next request. */
	bool unread = rq->fcgx.in != NULL && FCGX_HasSeenEOF(rq->fcgx.in) == 0;

	fynq_req_reset(rq);
	FCGX_Detach(&rq->fcgx); /* Where libfcgi closes it, nothing is waited for. */
	if (unread)
		rq->fcgx.keepConnection = 1;
	FCGX_Finish_r(&rq->fcgx);
	if (unread && rq->fcgx.ipcFd >= 0) {
		linger(rq->fcgx.ipcFd);
		FCGX_Free(&rq->fcgx, 1);
	}
	return rq->fcgx.ipcFd >= 0;
}

int
fynq_req_fd(const struct fynq_req *rq)
{
	return rq->cgi ? STDOUT_FILENO : rq->fcgx.ipcFd;
}

struct fynq_str
fynq_req_param(const struct fynq_req *rq, const char *name)
{
	if (rq->cgi)
		return fynq_str_of(getenv(name));
	if (rq->fcgx.envp == NULL || rq->detached != NULL)
		return (struct fynq_str){ 0 };
	return fynq_str_of(FCGX_GetParam(name, rq->fcgx.envp));
}

/* A request id that may go into headers and logs as it is: 8 to 64 of A-Z a-z 0-9 . _ - */
static bool
sane_id(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && strchr("._-", s.p[i]) == NULL)
			return false;
	return s.n >= 8 && s.n <= 64;
}

/* 00-<32 hex>-<16 hex>-<2 hex> with a trace-id that is not zero; absent where it is not. */
static struct fynq_str
valid_traceparent(struct fynq_str header)
{
	static const struct fynq_str zeros = FYNQ_STR_INIT("00-00000000000000000000000000000000");
	static const char form[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
	static const struct fynq_str none;

	if (header.n != sizeof(form) - 1 || fynq_str_starts(header, zeros))
		return none;
	for (size_t i = 0; i < header.n; i++) {
		bool hex = isxdigit((unsigned char)header.p[i]) &&
			   !isupper((unsigned char)header.p[i]);

		if (form[i] == 'x' ? !hex : header.p[i] != form[i])
			return none;
	}
	return header;
}

static bool
read_method(struct fynq_str name, enum fynq_method *method_r)
{
	for (int m = 0; m < FYNQ_METHODS; m++) {
		if (fynq_str_eq(name, fynq_str_of(methods[m]))) {
			*method_r = (enum fynq_method)m;
			return true;
		}
	}
	return false;
}

static void
read_target(struct fynq_req *rq)
{
	struct fynq_str uri = fynq_req_param(rq, "REQUEST_URI");
	struct fynq_str script = fynq_req_param(rq, "SCRIPT_NAME");
	struct fynq_str info = fynq_req_param(rq, "PATH_INFO");

	if (uri.n > 0) {
		uri = fynq_arena_copy(rq->arena, uri);
		fynq_str_cut(uri, '?', &rq->path, &rq->query);
		return;
	}
	rq->path = fynq_arena_printf(
	    rq->arena, "%.*s%.*s", FYNQ_STR_ARG(script), FYNQ_STR_ARG(info));
	rq->query = fynq_arena_copy(rq->arena, fynq_req_param(rq, "QUERY_STRING"));
}

enum fynq_err
fynq_req_head(struct fynq_req *rq)
{
	struct fynq_str id = fynq_req_param(rq, "HTTP_X_REQUEST_ID");
	struct fynq_str length = fynq_req_param(rq, "CONTENT_LENGTH");
	struct fynq_uuid made;
	int64_t n = 0;

	if (!sane_id(id)) {
		made = fynq_uuid_new();
		id = fynq_uuid_str(&made);
	}
	rq->id = fynq_arena_copy(rq->arena, id);
	rq->traceparent = fynq_arena_copy(
	    rq->arena, valid_traceparent(fynq_req_param(rq, "HTTP_TRACEPARENT")));
	rq->content_type = fynq_arena_copy(rq->arena, fynq_req_param(rq, "CONTENT_TYPE"));
	rq->origin = fynq_arena_copy(rq->arena, fynq_req_param(rq, "HTTP_ORIGIN"));
	read_target(rq);

	if (length.n > 0 && (!fynq_str_int(length, &n) || n < 0 || length.p[0] == '-'))
		return fynq_fail(rq, FYNQ_E_BAD_REQUEST, "Content-Length is not a number.");
	rq->content_length = (size_t)n;
	if (rq->path.n == 0 || rq->path.p[0] != '/' || rq->path.n > PATH_MAX_BYTES)
		return fynq_fail(rq, FYNQ_E_BAD_REQUEST, "The path is missing or too long.");
	if (rq->query.n > QUERY_MAX_BYTES)
		return fynq_fail(
		    rq, FYNQ_E_BAD_REQUEST, "The query is longer than %d bytes.", QUERY_MAX_BYTES);
	if (!read_method(fynq_req_param(rq, "REQUEST_METHOD"), &rq->method))
		return fynq_fail(rq, FYNQ_E_METHOD_NOT_ALLOWED, "The method is not known here.");
	return FYNQ_OK;
}

void
fynq_req_fingerprint(struct fynq_req *rq, char hex_r[static FYNQ_SHA256_SIZE])
{
	struct fynq_digest *d = fynq_digest_new(rq->arena);

	fynq_digest_add_framed(d, fynq_str_of(fynq_method_name(rq->method)));
	fynq_digest_add_framed(d, rq->path);
	fynq_digest_add_framed(d, rq->body);
	for (size_t i = 0; rq->form != NULL && i < rq->form->n; i++) {
		const struct fynq_form_part *part = &rq->form->parts[i];

		fynq_digest_add_framed(d, part->name);
		fynq_digest_add_framed(
		    d, part->is_file ? fynq_str_of(part->upload.sha256) : part->text);
	}
	fynq_digest_end(d, hex_r);
}

enum fynq_err
fynq_fail(struct fynq_req *rq, enum fynq_err e, const char *detail, ...)
{
	char text[512];
	va_list ap;

	rq->problem.error = e;
	rq->problem.detail = (struct fynq_str){ 0 };
	if (detail != NULL) {
		va_start(ap, detail);
		vsnprintf(text, sizeof(text), detail, ap);
		va_end(ap);
		rq->problem.detail = fynq_arena_copy(rq->arena, fynq_str_of(text));
	}
	return e;
}

void
fynq_fault(struct fynq_req *rq, struct fynq_str field, const char *code, const char *fmt, ...)
{
	struct fynq_problem *problem = &rq->problem;
	char text[512];
	va_list ap;

	if (problem->faults == NULL)
		problem->faults = fynq_arena_alloc(
		    rq->arena, FYNQ_FAULTS * sizeof(struct fynq_fault));
	if (problem->n_faults < FYNQ_FAULTS) {
		va_start(ap, fmt);
		vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		problem->faults[problem->n_faults] = (struct fynq_fault){
			.field = fynq_arena_copy(rq->arena, field),
			.message = fynq_arena_copy(rq->arena, fynq_str_of(text)),
			.code = code,
		};
	}
	problem->n_faults++;
	problem->error = FYNQ_E_INVALID;
}

void
fynq_req_detach(struct fynq_req *rq, void (*start)(struct fynq_req *rq), void *task)
{
	rq->detached = start;
	rq->task = task;
}

void
fynq_req_slim(struct fynq_req *rq)
{
	struct fynq_arena *arena = fynq_arena_new(FYNQ_ARENA_MAX);
	struct fynq_str *kept[] = { &rq->id, &rq->path, &rq->query, &rq->content_type, &rq->origin,
		&rq->traceparent, &rq->caller.id, &rq->caller.session, &rq->caller.claims };

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		*kept[i] = fynq_arena_copy(arena, *kept[i]);
	rq->body = (struct fynq_str){ 0 };
	rq->json = NULL;
	rq->form = NULL;
	memset(rq->path_args, 0, sizeof(rq->path_args));
	rq->problem = (struct fynq_problem){ 0 };
	fynq_arena_free(&rq->arena);
	rq->arena = arena;
}
