#include <stdio.h>
#include <string.h>

#include "http/form.h"
#include "http/openapi-responses.h"
#include "http/schema.h"

static void
other_content(struct fynq_doc *d, const char *media_type)
{
	/* Binary content needs no schema (OpenAPI 3.1, Media Type Object). */
	if (strncmp(media_type, "text/", 5) != 0) {
		fynq_doc_open(d, media_type, '{');
		fynq_doc_close(d, '}');
		return;
	}
	fynq_schema_open(d, media_type);
	fynq_doc_text(d, "type", FYNQ_STR("string"));
	fynq_schema_close(d);
}

static void
open_response(struct fynq_doc *d, int status, struct fynq_str description)
{
	char name[12];

	snprintf(name, sizeof(name), "%d", status);
	fynq_doc_open(d, name, '{');
	fynq_doc_text(d, "description", description);
}

/* What paging.h makes of a list's items. */
static void
page(struct fynq_doc *d, const struct fynq_field *items)
{
	const struct fynq_field of_page[] = {
		FYNQ_OUT("items", ARRAY, "The page's items.", .sub = items),
		FYNQ_OUT("next_cursor", STRING, "The cursor of the next page; null on the last.",
		    .flags = FYNQ_NULLABLE),
		FYNQ_FIELD_END,
	};

	fynq_schema_object(d, of_page, 0);
}

static void
part(struct fynq_doc *d, const struct fynq_route *route)
{
	open_response(d, 206, FYNQ_STR("The part that was wanted."));
	fynq_doc_open(d, "content", '{');
	other_content(d, route->also);
	fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
}

static void
success(struct fynq_doc *d, const struct fynq_route *route)
{
	bool body = route->out != NULL || route->streams || route->also != NULL;

	open_response(d, route->status,
	    route->status == 302 ? FYNQ_STR("The browser goes on to Location.")
				 : FYNQ_STR("Success."));
	if (body)
		fynq_doc_open(d, "content", '{');
	if (route->out != NULL) {
		fynq_schema_open(d, "application/json");
		fynq_doc_text(d, "type", FYNQ_STR("object"));
		if (route->paged)
			page(d, route->out);
		else
			fynq_schema_object(d, route->out, 0);
		fynq_schema_close(d);
	}
	if (route->streams)
		other_content(d, "text/event-stream");
	if (route->also != NULL)
		other_content(d, route->also);
	if (body)
		fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
	if (route->ranges)
		part(d, route);
	if (route->header != NULL && strcmp(route->header, "If-None-Match") == 0) {
		open_response(d, 304, FYNQ_STR("What is had already still holds."));
		fynq_doc_close(d, '}');
	}
	if (route->status_later == 0)
		return;
	open_response(d, route->status_later, FYNQ_STR("Success; a part of it follows later."));
	fynq_doc_close(d, '}');
}

/* Mark the errors that can come of a route. */
static void
find_errors(const struct fynq_route *route, bool errors[FYNQ_E_COUNT])
{
	enum { ALWAYS, BODY, FILES, PATH, TOKEN, WHENS };
	static const struct {
		enum fynq_err e;
		int when;
	} implied[] = {
		{ FYNQ_E_BAD_REQUEST, ALWAYS },
		{ FYNQ_E_BAD_JSON, BODY },
		{ FYNQ_E_UNAUTHORIZED, TOKEN },
		{ FYNQ_E_TOKEN_EXPIRED, TOKEN },
		{ FYNQ_E_FORBIDDEN, TOKEN },
		{ FYNQ_E_NOT_FOUND, PATH },
		{ FYNQ_E_TOO_SLOW, BODY },
		{ FYNQ_E_TOO_LARGE, BODY },
		{ FYNQ_E_MEDIA_TYPE, BODY },
		{ FYNQ_E_INVALID, ALWAYS },
		{ FYNQ_E_INTERNAL, ALWAYS },
		{ FYNQ_E_DB_UNAVAILABLE, ALWAYS },
		{ FYNQ_E_DB_TIMEOUT, ALWAYS },
		{ FYNQ_E_AUTH_UNAVAILABLE, TOKEN },
		{ FYNQ_E_BUSY, ALWAYS },
		{ FYNQ_E_RESTARTING, ALWAYS },
		{ FYNQ_E_INSUFFICIENT_STORAGE, FILES },
		{ FYNQ_E_STORAGE_UNAVAILABLE, FILES },
	};
	const bool applies[WHENS] = {
		[ALWAYS] = true,
		[BODY] = fynq_schema_has(route->in, FYNQ_IN_BODY),
		[FILES] = fynq_form_wanted(route->in),
		[PATH] = fynq_schema_has(route->in, FYNQ_IN_PATH),
		[TOKEN] = route->who > FYNQ_ANYONE,
	};

	for (size_t i = 0; i < sizeof(implied) / sizeof(implied[0]); i++)
		errors[implied[i].e] = applies[implied[i].when];
	for (const enum fynq_err *e = route->errors; e != NULL && *e != FYNQ_OK; e++)
		errors[*e] = true;
}

/* The response of one status, with all the route's errors that have it. */
static void
failure(struct fynq_doc *d, const bool errors[FYNQ_E_COUNT], int status)
{
	struct fynq_buf words = FYNQ_BUF_INIT(4096);

	for (int e = 1; e < FYNQ_E_COUNT; e++) {
		const struct fynq_err_info *info = fynq_err_info((enum fynq_err)e);

		if (errors[e] && info->status == status)
			fynq_buf_printf(
			    &words, "%s%s (%s).", words.n > 0 ? " " : "", info->title, info->code);
	}
	open_response(d, status, fynq_buf_str(&words));
	fynq_doc_open(d, "content", '{');
	fynq_schema_open(d, "application/problem+json");
	fynq_doc_text(d, "$ref", FYNQ_STR("#/components/schemas/Problem"));
	fynq_schema_close(d);
	fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
	fynq_buf_release(&words);
}

static void
failures(struct fynq_doc *d, const struct fynq_route *route)
{
	bool errors[FYNQ_E_COUNT] = { false };
	int status, last = 0;

	find_errors(route, errors);
	for (int e = 1; e < FYNQ_E_COUNT; e++) {
		status = fynq_err_info((enum fynq_err)e)->status;
		/* errors.def goes by status. */
		if (errors[e] && status != last) {
			failure(d, errors, status);
			last = status;
		}
	}
}

void
fynq_openapi_responses(struct fynq_doc *d, const struct fynq_route *route)
{
	fynq_doc_open(d, "responses", '{');
	success(d, route);
	failures(d, route);
	fynq_doc_close(d, '}');
}
