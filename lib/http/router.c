#include <string.h>

#include "base/config.h"
#include "http/query.h"
#include "http/response.h"
#include "http/router.h"

enum { SEGMENTS_MAX = 16 };

/* A request's path, cut at its slashes and decoded. */
struct segments {
	struct fynq_str s[SEGMENTS_MAX];
	size_t n;
};

/* False where no route's path can be like it. */
static bool
split_path(struct fynq_arena *a, struct fynq_str path, struct segments *segments_r)
{
	struct fynq_str rest = path, one;

	segments_r->n = 0;
	if (path.n == 0 || path.p[0] != '/')
		return false;
	fynq_str_cut(path, '/', &one, &rest);
	while (rest.p != NULL) {
		fynq_str_cut(rest, '/', &one, &rest);
		if (segments_r->n == SEGMENTS_MAX || !fynq_percent_decode(a, one, false, &one) ||
		    (one.n > 0 && memchr(one.p, '/', one.n) != NULL))
			return false;
		segments_r->s[segments_r->n++] = one;
	}
	return true;
}

/* The next segment of a route's path; with braces where it is a name. */
static bool
next_segment(struct fynq_str *rest, struct fynq_str *segment_r)
{
	if (rest->p == NULL)
		return false;
	fynq_str_cut(*rest, '/', segment_r, rest);
	return true;
}

static bool
is_name(struct fynq_str segment)
{
	return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

/*
 * How well a route's path matches: 0 where it does not, else a number with one bit for each
 * segment, set where it is literal, so that of two matches the one with the earlier literal counts
 * more. What the names matched goes to args.
 */
static uint32_t
match(const char *path, const struct segments *segments, struct fynq_str args[FYNQ_PATH_ARGS])
{
	struct fynq_str rest = fynq_str_of(path + 1), segment;
	size_t at = 0, n_args = 0;
	uint32_t score = 1;

	memset(args, 0, FYNQ_PATH_ARGS * sizeof(*args));
	while (next_segment(&rest, &segment)) {
		if (at == segments->n)
			return 0;
		if (!is_name(segment)) {
			if (!fynq_str_eq(segment, segments->s[at]))
				return 0;
		} else {
			if (segments->s[at].n == 0 || n_args == FYNQ_PATH_ARGS)
				return 0;
			args[n_args++] = segments->s[at];
		}
		score = score << 1 | !is_name(segment);
		at++;
	}
	return at == segments->n ? score : 0;
}

static bool
serves(const struct fynq_route *route, enum fynq_method method)
{
	return route->method == method || (method == FYNQ_HEAD && route->method == FYNQ_GET);
}

/* The Allow header (RFC 9110 section 10.2.1) for the methods of a path. */
static void
allow(struct fynq_req *rq, const bool methods[FYNQ_METHODS])
{
	struct fynq_str list = { 0 };

	for (int m = 0; m < FYNQ_METHODS; m++)
		if (methods[m])
			list = fynq_arena_printf(rq->arena, "%.*s%s%s", FYNQ_STR_ARG(list),
			    list.n > 0 ? ", " : "", fynq_method_name((enum fynq_method)m));
	fynq_reply_header(rq, "Allow", list);
}

enum fynq_err
fynq_route_find(struct fynq_req *rq, const struct fynq_route *routes)
{
	bool methods[FYNQ_METHODS] = { [FYNQ_OPTIONS] = true };
	struct segments segments;
	uint32_t best = 0, score;

	rq->route = NULL;
	if (!split_path(rq->arena, rq->path, &segments))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	for (const struct fynq_route *route = routes; route->path != NULL; route++)
		if ((score = match(route->path, &segments, rq->path_args)) > best)
			best = score;
	if (best == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	for (const struct fynq_route *route = routes; route->path != NULL; route++) {
		if (match(route->path, &segments, rq->path_args) != best)
			continue;
		methods[route->method] = true;
		if (!serves(route, rq->method))
			continue;
		rq->route = route;
		return FYNQ_OK;
	}
	methods[FYNQ_HEAD] = methods[FYNQ_GET];
	allow(rq, methods);
	return rq->method == FYNQ_OPTIONS ? FYNQ_OK
					  : fynq_fail(rq, FYNQ_E_METHOD_NOT_ALLOWED, NULL);
}

struct fynq_str
fynq_route_arg(const struct fynq_req *rq, const char *name)
{
	struct fynq_str rest = fynq_str_of(rq->route->path), segment;
	size_t at = 0;

	while (next_segment(&rest, &segment)) {
		if (!is_name(segment))
			continue;
		segment = (struct fynq_str){ segment.p + 1, segment.n - 2 };
		if (fynq_str_eq(segment, fynq_str_of(name)))
			return rq->path_args[at];
		at++;
	}
	return (struct fynq_str){ 0 };
}

const char *
fynq_who_name(enum fynq_who who)
{
	static const char *const names[] = {
		[FYNQ_ANYONE] = "anyone",
		[FYNQ_USER] = "user",
		[FYNQ_TEACHER] = "teacher",
		[FYNQ_ADMIN] = "admin",
	};

	return names[who];
}

static const char *
kind_of(const struct fynq_route *route)
{
	if (route->streams)
		return "stream";
	return route->body_max >= FYNQ_ROUTE_UPLOAD ? "upload" : "-";
}

static bool
has_secret_query(const struct fynq_route *route)
{
	enum { SECRET_QUERY = FYNQ_IN_QUERY | FYNQ_SECRET };

	for (const struct fynq_field *f = route->in; f != NULL && f->name != NULL; f++)
		if ((f->flags & SECRET_QUERY) == SECRET_QUERY)
			return true;
	return false;
}

void
fynq_routes_print(struct fynq_buf *out, const struct fynq_route *routes)
{
	for (; routes->path != NULL; routes++)
		fynq_buf_printf(out, "%s\t%s\t%s\t%zu\t%s\t%s\n", fynq_method_name(routes->method),
		    routes->path, fynq_who_name(routes->who),
		    routes->body_max > 0 ? routes->body_max : (size_t)fynq_config.body_max,
		    kind_of(routes), has_secret_query(routes) ? "secret" : "-");
}
