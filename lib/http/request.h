/*
 * A request: what came in, who asks, and what goes out.
 *
 * A fynq_req belongs to one connection and serves its requests one after the other; everything a
 * request needs lives in its arena until fynq_req_reset(). One thread at a time owns it: the
 * worker that accepted it, and after fynq_req_detach() the event loop and the jobs it posts.
 *
 * It comes through FastCGI, or from the environment and standard input as CGI (RFC 3875); only
 * request.c, body.c, response.c and stream.c know the difference.
 */
#ifndef FYNQ_HTTP_REQUEST_H
#define FYNQ_HTTP_REQUEST_H

#include <fcgiapp.h>
#include <json-c/json_object.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/ids.h"
#include "http/problem.h"

struct fynq_form;
struct fynq_route;

enum fynq_method {
	FYNQ_GET,
	FYNQ_HEAD,
	FYNQ_POST,
	FYNQ_PUT,
	FYNQ_PATCH,
	FYNQ_DELETE,
	FYNQ_OPTIONS,
	FYNQ_METHODS
};

/* The method's name, static. */
const char *fynq_method_name(enum fynq_method m);

/* Whom a route serves; each row admits the callers of the rows below it too. */
enum fynq_who { FYNQ_ANYONE, FYNQ_USER, FYNQ_TEACHER, FYNQ_ADMIN };

/* Who asks: filled by the authorisation from a verified token; id is absent without one. */
struct fynq_caller {
	struct fynq_str id;	 /* sub: a UUID */
	struct fynq_str session; /* session_id: a UUID, or absent */
	struct fynq_str claims;	 /* the token's payload, as JSON, for the database's policies */
	enum fynq_who role;
};

struct fynq_req;

/* Writes a body by fynq_reply_piece(); see response.h. */
typedef enum fynq_err fynq_reply_writer(struct fynq_req *rq, void *arg);

/* What goes out; see response.h. */
struct fynq_reply {
	int status;
	const char *media_type;
	struct fynq_str body;
	fynq_reply_writer *writer; /* of the body, where that comes in pieces; see response.h */
	void *writer_arg;
	size_t writer_bytes; /* what it writes */
	bool head_sent;
	struct fynq_buf headers; /* "Name: value\r\n" lines */
	size_t bytes_sent;	 /* of the body, for the log */
};

enum {
	FYNQ_PATH_ARGS = 4,
	FYNQ_ARENA_MAX = 96 << 20,
	FYNQ_REQ_WAIT_SECONDS = 30 /* for one read of a body, one write of an answer */
};

struct fynq_req {
	FCGX_Request fcgx;
	bool cgi;
	struct fynq_arena *arena;

	int64_t started_us; /* on fynq_clock_mono_us() */
	struct fynq_str id; /* X-Request-Id, taken over or made */
	enum fynq_method method;
	struct fynq_str path, query; /* as sent, still percent-encoded */
	struct fynq_str content_type;
	struct fynq_str origin;	     /* of the page that asks; absent outside browsers */
	struct fynq_str traceparent; /* a valid one (W3C Trace Context), or absent */
	size_t content_length;
	size_t body_read; /* of its bytes */
	struct fynq_str body;
	struct json_object *json; /* the body, where the route takes JSON */
	struct fynq_form *form;	  /* the body, where it was a form; see form.h */
	int64_t file_max; /* bytes of a file that this caller may send; 0 for the field's own max */

	const struct fynq_route *route;
	struct fynq_str
	    path_args[FYNQ_PATH_ARGS]; /* what the {names} of the route's path matched */

	struct fynq_caller caller;
	struct fynq_problem problem;
	struct fynq_reply reply;
	int64_t not_before_us; /* the answer waits for it, on fynq_clock_mono_us(); 0: at once */

	void (*detached)(struct fynq_req *rq); /* see fynq_req_detach() */
	void *task;			       /* the detached work's own state */
	struct fynq_req *older, *newer;	       /* the service's lists, of which it is in one */
};

/* A request for a connection yet to be accepted on listen_fd, or for CGI. fynq_req_free() it. */
struct fynq_req *fynq_req_new(int listen_fd, bool cgi);

/* Ends the request, closes its connection, clears the pointer. NULL is ignored. */
void fynq_req_free(struct fynq_req **rqp);

/* Ready for the next request on the same connection: frees all that the last one took. */
void fynq_req_reset(struct fynq_req *rq);

/* Wait for the connection's next request, or for a connection. False where there is none. */
bool fynq_req_accept(struct fynq_req *rq);

/*
 * The answer is sent: end the request and reset. True where the connection stays open for the
 * next one; otherwise it is closed and rq is ready for fynq_req_free().
 */
bool fynq_req_finish(struct fynq_req *rq);

/* The connection's descriptor; standard output for CGI. */
int fynq_req_fd(const struct fynq_req *rq);

/*
 * A CGI or FastCGI parameter, such as HTTP_ACCEPT; absent where it was not sent or the request
 * was detached.
 */
struct fynq_str fynq_req_param(const struct fynq_req *rq, const char *name);

/*
 * Read method, path, query, content type and length, origin, request id and traceparent, as copies
 * that outlive FastCGI's parameters. Path and query are those of REQUEST_URI, else SCRIPT_NAME
 * with PATH_INFO and QUERY_STRING. BAD_REQUEST where the head makes no sense.
 */
enum fynq_err fynq_req_head(struct fynq_req *rq) FYNQ_MUST_CHECK;

/*
 * Read the body into the arena. TOO_LARGE past max bytes; BAD_REQUEST where fewer bytes came than
 * CONTENT_LENGTH announced; TOO_SLOW where none came for FYNQ_REQ_WAIT_SECONDS, or fewer than
 * fynq_req_body_due_us() has it.
 */
enum fynq_err fynq_req_body(struct fynq_req *rq, size_t max) FYNQ_MUST_CHECK;

/* TOO_LARGE where the body that is announced has more than max bytes. */
enum fynq_err fynq_req_body_fits(struct fynq_req *rq, size_t max) FYNQ_MUST_CHECK;

/*
 * Until when, in microseconds since the request began, a body may have brought no more than so many
 * bytes: a worker is held meanwhile.
 */
int64_t fynq_req_body_due_us(size_t bytes);

/*
 * Read the next size bytes of the body to p; fewer at its end, none behind it. BAD_REQUEST and
 * TOO_SLOW as above.
 */
enum fynq_err fynq_req_body_piece(
    struct fynq_req *rq, char *p, size_t size, struct fynq_str *piece_r) FYNQ_MUST_CHECK;

/*
 * What tells this request from another under one idempotency key: the SHA-256 over its method, its
 * path and its body. Of a form that is the name of each part with its text or its file's SHA-256,
 * since each sending of it has its own boundary. For handlers: of a request whose fields are read.
 */
void fynq_req_fingerprint(struct fynq_req *rq, char hex_r[static FYNQ_SHA256_SIZE]);

/*
 * Read and drop what is left of the body, so that the connection can serve another request. Where
 * much is left, or comes too slowly, it is left unread, and fynq_req_finish() closes.
 */
void fynq_req_drain(struct fynq_req *rq);

/*
 * Record why the request fails and return e: `return fynq_fail(rq, FYNQ_E_CONFLICT, "...")`. The
 * detail is shown to the client, so no secret and no internals go there; NULL for the title alone.
 * What only the log may see is logged where it happens.
 */
enum fynq_err fynq_fail(struct fynq_req *rq, enum fynq_err e, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/* Record one faulty field of several; the request fails with INVALID once all were looked at. */
void fynq_fault(struct fynq_req *rq, struct fynq_str field, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * Let the request outlive its worker. When the handler has returned FYNQ_OK the pipeline calls
 * start(rq) on the event loop's thread and forgets rq; from there on whoever holds it answers
 * through a fynq_stream and calls fynq_req_free(). FastCGI's own streams are gone by then: only
 * the descriptor is left. At once before it returns, the handler calls this, once.
 */
void fynq_req_detach(struct fynq_req *rq, void (*start)(struct fynq_req *rq), void *task);

/*
 * Give back all that a detached request no longer needs: body, fields, query results. What stays
 * is its head, its caller and its route. Called by the pipeline once the handler has returned.
 */
void fynq_req_slim(struct fynq_req *rq);

#endif
