/*
 * Routes: the one table of a responder.
 *
 * From a row come the routing, the authorisation, the validation, the OpenAPI document, the Nginx
 * locations and the .htaccess rules. The table ends with a row whose path is NULL.
 */
#ifndef FYNQ_HTTP_ROUTER_H
#define FYNQ_HTTP_ROUTER_H

#include "http/fields.h"
#include "http/request.h"

/*
 * A handler tells the story of one route, and answers through response.h. in is the struct that
 * the route's fields describe, in the request's arena; NULL for a route without fields.
 */
typedef enum fynq_err fynq_handler(struct fynq_req *rq, const void *in);

/*
 * What may be said before the body is read, of a request whose caller is known: a body that would
 * be refused need not travel. It may set rq->file_max.
 */
typedef enum fynq_err fynq_admit(struct fynq_req *rq);

struct fynq_route {
	enum fynq_method method;
	const char *path; /* "/api/v1/chats/{id}": {name} matches one segment; 4 at most */
	enum fynq_who who;
	const struct fynq_field *in;  /* path, query and body fields; NULL for none */
	size_t body_max;	      /* bytes; 0 for FYNQ_BODY_MAX of the settings */
	int status;		      /* of success */
	int status_later;	      /* where the rest follows, such as 202; 0 for none */
	const struct fynq_field *out; /* the reply's members; NULL for no body */
	const char *also;   /* another media type that it may answer with, such as "text/markdown";
			       the only one where out is NULL */
	bool paged;	    /* takes limit and cursor; out describes one item of the page */
	bool streams;	    /* may answer as text/event-stream */
	bool ranges;	    /* may answer with a part; see http/range.h */
	const char *header; /* a request header that it reads; one of http/openapi.c's */
	const enum fynq_err
	    *errors; /* beyond those that its other columns imply; ends in FYNQ_OK */
	const char *summary;
	fynq_handler *handler;
	fynq_admit *admit; /* NULL for none */
};

/*
 * Find the row for the request's method and path, fill rq->route and rq->path_args. NOT_FOUND
 * where no path matches; METHOD_NOT_ALLOWED, with an Allow header, where only the method differs.
 * Of paths that match, one with a literal segment goes before one with a {name} in its place,
 * wherever they stand in the table; only the rows of that path count.
 *
 * HEAD is served by the GET row. An OPTIONS request without a row of its own matches any row of
 * its path: rq->route stays NULL, the Allow header is set and the result is FYNQ_OK. A trailing
 * slash is not part of any path. Segments are matched percent-decoded, at most 16 of them; a {name}
 * matches no empty one. One that decodes to something that is not UTF-8, or that holds a NUL or a
 * slash, matches nothing.
 */
enum fynq_err fynq_route_find(struct fynq_req *rq, const struct fynq_route *routes) FYNQ_MUST_CHECK;

/* What the {name} of the route's path matched, decoded; absent where the path has no such name. */
struct fynq_str fynq_route_arg(const struct fynq_req *rq, const char *name);

/* "anyone", "user", "teacher" or "admin". */
const char *fynq_who_name(enum fynq_who who);

/* A route that takes bodies of so many bytes takes uploads, and a server in front is told so. */
enum { FYNQ_ROUTE_UPLOAD = 100000000 };

/*
 * One line a row: method, path, who, body_max in bytes, kind, "secret" or "-"; tabs between them.
 * The kind is "stream", "upload" or "-"; secret: a parameter of its query goes to no log. Where a
 * row has no body_max it is that of fynq_config, which must be loaded.
 */
void fynq_routes_print(struct fynq_buf *out, const struct fynq_route *routes);

#endif
