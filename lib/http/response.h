/*
 * The response: the only writer of status, headers and body.
 *
 * A handler says what the answer is; the pipeline sends it when the handler has returned. Strings
 * given here must live until the request ends.
 */
#ifndef FYNQ_HTTP_RESPONSE_H
#define FYNQ_HTTP_RESPONSE_H

#include "http/request.h"

/* Answer with a JSON body, most often a query's result as it came; always FYNQ_OK. */
enum fynq_err fynq_reply_json(struct fynq_req *rq, int status, struct fynq_str body);

/* Answer with a body of another type (static string). */
enum fynq_err fynq_reply_body(
    struct fynq_req *rq, int status, const char *media_type, struct fynq_str body);

/*
 * Answer with a body of so many bytes that a writer makes when it is sent, so that it is never
 * whole in memory. The writer hands it on by fynq_reply_piece(), and blocks its worker while the
 * reader is slow, for as long as each piece takes 30 s at most. Where it fails before its first
 * piece, the answer becomes the problem that it recorded; later, or with too few bytes, the
 * connection is broken off, so that no client takes what came for the whole. arg must live until
 * the request ends. A HEAD asks for no writer.
 */
enum fynq_err fynq_reply_written(struct fynq_req *rq, int status, const char *media_type,
    int64_t bytes, fynq_reply_writer *writer, void *arg);

/* The next piece of such a body. False where the reader is gone; then the writer should end. */
bool fynq_reply_piece(struct fynq_req *rq, struct fynq_str bytes);

/*
 * The same with the first bytes of a regular file, which is read from its beginning. fd must stay
 * open until the request ends, as an upload's does.
 */
enum fynq_err fynq_reply_file(
    struct fynq_req *rq, int status, const char *media_type, int fd, int64_t bytes);

/* Answer with server-sent events, whose body comes later or is set; no proxy keeps them back. */
void fynq_reply_events(struct fynq_req *rq);

/* Answer without a body: 204, or a status such as 202. */
enum fynq_err fynq_reply_empty(struct fynq_req *rq, int status);

/* Add a header. A name or value that holds a control character is dropped and logged. */
void fynq_reply_header(struct fynq_req *rq, const char *name, struct fynq_str value);

/*
 * Give the answer its ETag (tag without quotes). Where the request is a GET or HEAD and its
 * If-None-Match holds the tag, the answer becomes a 304 without body (RFC 9110 section 13.1.2).
 */
void fynq_reply_etag(struct fynq_req *rq, struct fynq_str tag);

/*
 * The tag of If-Match without its quotes, for a PATCH to compare; absent where the header is
 * absent or "*". A list has no match: the first tag is taken.
 */
struct fynq_str fynq_req_if_match(const struct fynq_req *rq);

/* Make the answer the problem that fynq_fail() and fynq_fault() recorded. */
void fynq_reply_problem(struct fynq_req *rq);

/*
 * Append status line and headers in CGI's form (RFC 3875 section 6), with the request id, CORS
 * where the origin is allowed, and the headers that every answer has.
 */
void fynq_reply_head(const struct fynq_req *rq, struct fynq_buf *out);

/*
 * Send the whole answer, blocking. False where it did not get there whole: the client or the server
 * in front is gone, or a writer failed.
 */
bool fynq_reply_send(struct fynq_req *rq);

#endif
