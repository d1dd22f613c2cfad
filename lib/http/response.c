#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "http/response.h"

enum { PIECE = 65536 }; /* Of a file, in bytes. */

static const char *
reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].text;
	return "Status";
}

enum fynq_err
fynq_reply_body(struct fynq_req *rq, int status, const char *media_type, struct fynq_str body)
{
	rq->reply.status = status;
	rq->reply.media_type = media_type;
	rq->reply.body = body;
	rq->reply.writer = NULL;
	rq->reply.writer_bytes = 0;
	return FYNQ_OK;
}

enum fynq_err
fynq_reply_written(struct fynq_req *rq, int status, const char *media_type, int64_t bytes,
    fynq_reply_writer *writer, void *arg)
{
	(void)fynq_reply_body(rq, status, media_type, (struct fynq_str){ 0 });
	rq->reply.writer = writer;
	rq->reply.writer_arg = arg;
	rq->reply.writer_bytes = (size_t)bytes;
	return FYNQ_OK;
}

enum fynq_err
fynq_reply_json(struct fynq_req *rq, int status, struct fynq_str body)
{
	return fynq_reply_body(rq, status, "application/json", body);
}

void
fynq_reply_events(struct fynq_req *rq)
{
	(void)fynq_reply_body(rq, 200, "text/event-stream", (struct fynq_str){ 0 });
	fynq_reply_header(rq, "Cache-Control", FYNQ_STR("no-store"));
	fynq_reply_header(rq, "X-Accel-Buffering", FYNQ_STR("no"));
}

enum fynq_err
fynq_reply_empty(struct fynq_req *rq, int status)
{
	return fynq_reply_body(rq, status, NULL, (struct fynq_str){ 0 });
}

static bool
has_control(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return true;
	return false;
}

void
fynq_reply_header(struct fynq_req *rq, const char *name, struct fynq_str value)
{
	if (has_control(value)) {
		fynq_log(
		    FYNQ_LOG_WARN, "header", "dropped a %s header that would break the head", name);
		return;
	}
	fynq_buf_printf(&rq->reply.headers, "%s: %.*s\r\n", name, FYNQ_STR_ARG(value));
}

/* A list of entity tags, weak ones included, or "*": does it hold tag? */
static bool
tags_hold(struct fynq_str list, struct fynq_str tag)
{
	struct fynq_str one;

	while (list.n > 0) {
		fynq_str_cut(list, ',', &one, &list);
		one = fynq_str_trim(one);
		if (fynq_str_starts(one, FYNQ_STR("W/")))
			one = (struct fynq_str){ one.p + 2, one.n - 2 };
		if (fynq_str_eq(one, FYNQ_STR("*")))
			return true;
		if (one.n == tag.n + 2 && one.p[0] == '"' && one.p[one.n - 1] == '"' &&
		    memcmp(one.p + 1, tag.p, tag.n) == 0)
			return true;
	}
	return false;
}

void
fynq_reply_etag(struct fynq_req *rq, struct fynq_str tag)
{
	fynq_reply_header(rq, "ETag", fynq_arena_printf(rq->arena, "\"%.*s\"", FYNQ_STR_ARG(tag)));
	if ((rq->method == FYNQ_GET || rq->method == FYNQ_HEAD) &&
	    tags_hold(fynq_req_param(rq, "HTTP_IF_NONE_MATCH"), tag))
		(void)fynq_reply_empty(rq, 304);
}

struct fynq_str
fynq_req_if_match(const struct fynq_req *rq)
{
	struct fynq_str tag, rest;

	fynq_str_cut(fynq_req_param(rq, "HTTP_IF_MATCH"), ',', &tag, &rest);
	tag = fynq_str_trim(tag);
	if (tag.n == 0 || fynq_str_eq(tag, FYNQ_STR("*")))
		return (struct fynq_str){ 0 };
	if (tag.n >= 2 && tag.p[0] == '"' && tag.p[tag.n - 1] == '"')
		tag = (struct fynq_str){ tag.p + 1, tag.n - 2 };
	/* A malformed or weak one matches nothing, as it should; the database takes only UTF-8. */
	return fynq_str_utf8(tag) ? tag : FYNQ_STR("");
}

void
fynq_reply_problem(struct fynq_req *rq)
{
	struct fynq_problem *problem = &rq->problem;
	struct fynq_buf body = FYNQ_BUF_INIT(65536);
	struct fynq_str text;
	int status, retry_after;

	if (problem->error == FYNQ_OK)
		problem->error = FYNQ_E_INTERNAL;
	status = fynq_err_info(problem->error)->status;
	retry_after = fynq_problem_retry_after(problem);
	fynq_problem_json(&body, problem, rq->id);
	text = fynq_arena_copy(rq->arena, fynq_buf_str(&body));
	fynq_buf_release(&body);
	(void)fynq_reply_body(rq, status, "application/problem+json", text);
	if (retry_after > 0)
		fynq_reply_header(
		    rq, "Retry-After", fynq_arena_printf(rq->arena, "%d", retry_after));
}

/* The request's origin where the settings list it; absent otherwise. */
static struct fynq_str
allowed_origin(const struct fynq_req *rq)
{
	struct fynq_str list = fynq_str_of(fynq_config.cors_origins), one;

	while (rq->origin.n > 0 && list.n > 0) {
		fynq_str_cut(list, ',', &one, &list);
		if (fynq_str_eq(fynq_str_trim(one), rq->origin))
			return rq->origin;
	}
	return (struct fynq_str){ 0 };
}

static void
cors_headers(const struct fynq_req *rq, struct fynq_buf *out)
{
	struct fynq_str origin = allowed_origin(rq);

	if (fynq_config.cors_origins[0] == '\0')
		return;
	fynq_buf_add(out, FYNQ_STR("Vary: Origin\r\n"));
	if (origin.n == 0)
		return;
	fynq_buf_printf(out, "Access-Control-Allow-Origin: %.*s\r\n", FYNQ_STR_ARG(origin));
	fynq_buf_add(out, FYNQ_STR("Access-Control-Allow-Credentials: true\r\n"));
	fynq_buf_add(
	    out, FYNQ_STR("Access-Control-Expose-Headers: Accept-Ranges, Content-Disposition, "
			  "Content-Range, ETag, Idempotent-Replayed, Link, Location, "
			  "RateLimit-Limit, RateLimit-Remaining, "
			  "RateLimit-Reset, Retry-After, X-Request-Id\r\n"));
	if (rq->method != FYNQ_OPTIONS)
		return;
	fynq_buf_add(out, FYNQ_STR("Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, "
				   "DELETE\r\n"));
	fynq_buf_add(out, FYNQ_STR("Access-Control-Allow-Headers: Authorization, Content-Type, "
				   "Idempotency-Key, If-Match, If-None-Match, If-Range, "
				   "Last-Event-ID, Range, X-Request-Id\r\n"));
	fynq_buf_add(out, FYNQ_STR("Access-Control-Max-Age: 7200\r\n"));
}

void
fynq_reply_head(const struct fynq_req *rq, struct fynq_buf *out)
{
	const struct fynq_reply *reply = &rq->reply;

	fynq_buf_printf(out, "Status: %d %s\r\n", reply->status, reason(reply->status));
	if (reply->media_type != NULL)
		fynq_buf_printf(out, "Content-Type: %s\r\n", reply->media_type);
	fynq_buf_printf(out, "X-Request-Id: %.*s\r\n", FYNQ_STR_ARG(rq->id));
	if (rq->traceparent.n > 0)
		fynq_buf_printf(out, "traceparent: %.*s\r\n", FYNQ_STR_ARG(rq->traceparent));
	fynq_buf_add(out, FYNQ_STR("X-Content-Type-Options: nosniff\r\n"));
	if (reply->headers.n == 0 ||
	    memmem(reply->headers.p, reply->headers.n, "Cache-Control:", 14) == NULL)
		fynq_buf_add(out, FYNQ_STR("Cache-Control: private, no-cache\r\n"));
	cors_headers(rq, out);
	fynq_buf_add(out, fynq_buf_str(&reply->headers));
}

static bool
write_all(struct fynq_req *rq, struct fynq_str s)
{
	ssize_t n;

	if (!rq->cgi)
		return FCGX_PutStr(s.p, (int)s.n, rq->fcgx.out) == (int)s.n;
	while (s.n > 0) {
		n = write(STDOUT_FILENO, s.p, s.n);
		if (n < 0 && errno != EINTR)
			return false;
		s.p += n > 0 ? n : 0;
		s.n -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Once; what it is of a body that is written is settled when the first piece has come. */
static bool
send_head(struct fynq_req *rq)
{
	struct fynq_reply *reply = &rq->reply;
	struct fynq_buf head = FYNQ_BUF_INIT(16384);
	bool sent;

	if (reply->head_sent)
		return true;
	reply->head_sent = true;
	fynq_reply_head(rq, &head);
	if (reply->status != 204 && reply->status != 304)
		fynq_buf_printf(
		    &head, "Content-Length: %zu\r\n", reply->body.n + reply->writer_bytes);
	fynq_buf_add(&head, FYNQ_STR("\r\n"));
	sent = write_all(rq, fynq_buf_str(&head));
	fynq_buf_release(&head);
	return sent;
}

bool
fynq_reply_piece(struct fynq_req *rq, struct fynq_str bytes)
{
	struct fynq_reply *reply = &rq->reply;

	if (bytes.n > reply->writer_bytes - reply->bytes_sent) {
		fynq_log(FYNQ_LOG_ERROR, "response", "a body is longer than was said");
		return false;
	}
	if (!send_head(rq) || !write_all(rq, bytes))
		return false;
	reply->bytes_sent += bytes.n;
	return true;
}

/* What is whole in memory, or nothing: of a HEAD, a 304. */
static bool
send_whole(struct fynq_req *rq)
{
	struct fynq_reply *reply = &rq->reply;

	if (!send_head(rq))
		return false;
	if (rq->method == FYNQ_HEAD || reply->body.n == 0)
		return true;
	reply->bytes_sent = reply->body.n;
	return write_all(rq, reply->body);
}

static bool
send_written(struct fynq_req *rq)
{
	struct fynq_reply *reply = &rq->reply;
	enum fynq_err e = reply->writer(rq, reply->writer_arg);

	if (e == FYNQ_OK && reply->bytes_sent == reply->writer_bytes)
		return send_head(rq);
	if (e != FYNQ_OK && !reply->head_sent) {
		rq->problem.error = e;
		fynq_buf_reset(&reply->headers);
		fynq_reply_problem(rq);
		return send_whole(rq);
	}
	if (e == FYNQ_OK)
		fynq_log(FYNQ_LOG_ERROR, "response", "a body is shorter than was said");
	return false;
}

bool
fynq_reply_send(struct fynq_req *rq)
{
	fynq_req_drain(rq);
	if (rq->reply.writer == NULL || rq->method == FYNQ_HEAD)
		return send_whole(rq);
	return send_written(rq);
}

/* A descriptor and how much to send of it. */
struct file {
	int fd;
	size_t bytes;
};

/* From where it begins, whatever the descriptor's position, which is left alone. */
static enum fynq_err
write_file(struct fynq_req *rq, void *arg)
{
	const struct file *f = arg;
	char piece[PIECE];
	ssize_t n;

	for (size_t at = 0; at < f->bytes; at += (size_t)n) {
		n = pread(f->fd, piece, f->bytes - at < PIECE ? f->bytes - at : PIECE, (off_t)at);
		if (n < 0 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n <= 0) {
			fynq_log(FYNQ_LOG_ERROR, "response", "a file ended before its end");
			return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
		}
		if (!fynq_reply_piece(rq, (struct fynq_str){ piece, (size_t)n }))
			return fynq_fail(rq, FYNQ_E_INTERRUPTED, NULL);
	}
	return FYNQ_OK;
}

enum fynq_err
fynq_reply_file(struct fynq_req *rq, int status, const char *media_type, int fd, int64_t bytes)
{
	struct file *f = fynq_arena_alloc(rq->arena, sizeof(*f));

	*f = (struct file){ fd, (size_t)bytes };
	return fynq_reply_written(rq, status, media_type, bytes, write_file, f);
}
