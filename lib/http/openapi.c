#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "http/form.h"
#include "http/openapi-responses.h"
#include "http/openapi.h"
#include "http/schema.h"

/* What a route's column header may name. */
static const struct fynq_field headers[] = {
	FYNQ_OUT("Idempotency-Key", STRING,
	    "A name for this request: sent again with it, it is not done again, and the first "
	    "answer comes once more.",
	    .min = 1, .max = 255),
	FYNQ_OUT("If-Match", STRING,
	    "The ETag of what is to be changed: 412 where it has changed since; any if absent."),
	FYNQ_OUT(
	    "If-None-Match", STRING, "The ETag of what is had already: 304 where it still holds."),
	FYNQ_OUT("Last-Event-ID", STRING,
	    "The id of the last event that came; the first if absent.", .min = 1, .max = 20),
	FYNQ_OUT("If-Range", STRING,
	    "The ETag of what a part is had of: all of it comes where that does not hold any "
	    "more."),
	FYNQ_OUT("Range", STRING,
	    "The part that is wanted, such as bytes=0-999; of several ranges, all of it comes."),
	FYNQ_FIELD_END,
};

static void
header_parameter(struct fynq_doc *d, const char *name)
{
	for (const struct fynq_field *f = headers; f->name != NULL; f++) {
		if (strcmp(f->name, name) != 0)
			continue;
		fynq_doc_open(d, NULL, '{');
		fynq_doc_text(d, "name", fynq_str_of(f->name));
		fynq_doc_text(d, "in", FYNQ_STR("header"));
		fynq_doc_text(d, "description", fynq_str_of(f->doc));
		fynq_doc_open(d, "schema", '{');
		fynq_schema_value(d, f);
		fynq_doc_close(d, '}');
		fynq_doc_close(d, '}');
	}
}

static void
parameters(struct fynq_doc *d, const struct fynq_route *route)
{
	static const struct fynq_field none[] = { FYNQ_FIELD_END };
	const struct fynq_field *table = route->in != NULL ? route->in : none;

	if (!fynq_schema_has(table, FYNQ_IN_PATH | FYNQ_IN_QUERY) && route->header == NULL &&
	    !route->ranges)
		return;
	fynq_doc_open(d, "parameters", '[');
	if (route->header != NULL)
		header_parameter(d, route->header);
	if (route->ranges) {
		header_parameter(d, "Range");
		header_parameter(d, "If-Range");
	}
	for (const struct fynq_field *f = table; f->name != NULL; f++) {
		bool path = fynq_schema_picks(f, FYNQ_IN_PATH);

		if (!fynq_schema_picks(f, FYNQ_IN_PATH | FYNQ_IN_QUERY))
			continue;
		fynq_doc_open(d, NULL, '{');
		fynq_doc_text(d, "name", fynq_str_of(f->name));
		fynq_doc_text(d, "in", fynq_str_of(path ? "path" : "query"));
		fynq_doc_text(d, "description", fynq_str_of(f->doc));
		fynq_doc_bool(d, "required", path || (f->flags & FYNQ_REQUIRED) != 0);
		fynq_doc_open(d, "schema", '{');
		fynq_schema_value(d, f);
		fynq_doc_close(d, '}');
		fynq_doc_close(d, '}');
	}
	fynq_doc_close(d, ']');
}

static void
body_of(
    struct fynq_doc *d, const struct fynq_field *table, const char *media_type, unsigned int where)
{
	fynq_schema_open(d, media_type);
	fynq_doc_text(d, "type", FYNQ_STR("object"));
	fynq_schema_object(d, table, where);
	fynq_schema_close(d);
}

static void
request_body(struct fynq_doc *d, const struct fynq_field *table)
{
	bool required = false;

	if (!fynq_schema_has(table, FYNQ_IN_BODY))
		return;
	for (const struct fynq_field *f = table; f->name != NULL; f++)
		if (fynq_schema_picks(f, FYNQ_IN_BODY) &&
		    (f->flags & (FYNQ_REQUIRED | FYNQ_EITHER)) != 0)
			required = true;
	fynq_doc_open(d, "requestBody", '{');
	fynq_doc_bool(d, "required", required);
	fynq_doc_open(d, "content", '{');
	if (fynq_form_wanted(table))
		body_of(d, table, "multipart/form-data", FYNQ_SCHEMA_FORM);
	if (!fynq_form_alone(table))
		body_of(d, table, "application/json", FYNQ_SCHEMA_JSON);
	fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
}

/* get_chats_id_messages for GET /api/v1/chats/{id}/messages. */
static void
operation_id(const char *method, const char *path, char *id_r, size_t size)
{
	struct fynq_str prefix = FYNQ_STR("/api/v1/");
	bool gap = true;
	size_t n;

	if (fynq_str_starts(fynq_str_of(path), prefix))
		path += prefix.n;
	n = (size_t)snprintf(id_r, size, "%s", method);
	for (; *path != 0 && n + 2 < size; path++) {
		if (!isalnum((unsigned char)*path)) {
			gap = true;
			continue;
		}
		if (gap)
			id_r[n++] = '_';
		id_r[n++] = *path;
		gap = false;
	}
	id_r[n] = 0;
}

static void
security(struct fynq_doc *d, enum fynq_who who)
{
	fynq_doc_open(d, "security", '[');
	if (who > FYNQ_ANYONE) {
		fynq_doc_open(d, NULL, '{');
		fynq_doc_open(d, "bearerAuth", '[');
		if (who > FYNQ_USER)
			fynq_doc_text(d, NULL, fynq_str_of(fynq_who_name(who)));
		fynq_doc_close(d, ']');
		fynq_doc_close(d, '}');
	}
	fynq_doc_close(d, ']');
}

static void
operation(struct fynq_doc *d, const struct fynq_route *route)
{
	char method[8] = "", id[128];

	for (size_t i = 0; i < sizeof(method) - 1 && fynq_method_name(route->method)[i] != 0; i++)
		method[i] = (char)tolower((unsigned char)fynq_method_name(route->method)[i]);
	operation_id(method, route->path, id, sizeof(id));
	fynq_doc_open(d, method, '{');
	fynq_doc_text(d, "operationId", fynq_str_of(id));
	fynq_doc_text(d, "summary", fynq_str_of(route->summary));
	security(d, route->who);
	parameters(d, route);
	request_body(d, route->in);
	fynq_openapi_responses(d, route);
	fynq_doc_close(d, '}');
}

/* The operations of all rows that have the path of the first. */
static void
path_item(struct fynq_doc *d, const struct fynq_route *first)
{
	fynq_doc_open(d, first->path, '{');
	for (const struct fynq_route *route = first; route->path != NULL; route++)
		if (strcmp(route->path, first->path) == 0)
			operation(d, route);
	fynq_doc_close(d, '}');
}

static void
paths(struct fynq_doc *d, const struct fynq_route *routes)
{
	const struct fynq_route *earlier;

	fynq_doc_open(d, "paths", '{');
	for (const struct fynq_route *route = routes; route->path != NULL; route++) {
		for (earlier = routes; strcmp(earlier->path, route->path) != 0; earlier++)
			;
		if (earlier == route)
			path_item(d, route);
	}
	fynq_doc_close(d, '}');
}

static void
components(struct fynq_doc *d)
{
	static const char *const codes[] = {
#define FYNQ_ERROR(name, code, status, title) code,
#include "base/errors.def"
#undef FYNQ_ERROR
		NULL
	};
	static const struct fynq_field fault[] = {
		FYNQ_OUT("field", STRING, "The member or parameter."),
		FYNQ_OUT("code", STRING, "What is wrong with it, for programs."),
		FYNQ_OUT("message", STRING, "What is wrong with it, for people."),
		FYNQ_FIELD_END,
	};
	static const struct fynq_field problem[] = {
		FYNQ_OUT("type", STRING, "urn:fynq:problem: and the code."),
		FYNQ_OUT("title", STRING, "What the code means."),
		FYNQ_OUT("status", INT, "The HTTP status."),
		FYNQ_OUT("detail", STRING, "What went wrong here.", .flags = FYNQ_OPTIONAL),
		FYNQ_OUT("instance", STRING, "The request's id."),
		FYNQ_OUT("code", STRING, "The error, for programs.", .values = codes),
		FYNQ_OUT("retry_after", INT, "When to try again, in seconds, as Retry-After.",
		    .flags = FYNQ_OPTIONAL),
		FYNQ_OUT(
		    "errors", ARRAY, "The fields at fault.", .flags = FYNQ_OPTIONAL, .sub = fault),
		FYNQ_FIELD_END,
	};

	fynq_doc_open(d, "components", '{');
	fynq_doc_open(d, "schemas", '{');
	fynq_doc_open(d, "Problem", '{');
	fynq_doc_text(d, "description", FYNQ_STR("Why a request failed (RFC 9457)."));
	fynq_doc_text(d, "type", FYNQ_STR("object"));
	fynq_schema_object(d, problem, 0);
	fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
	fynq_doc_open(d, "securitySchemes", '{');
	fynq_doc_open(d, "bearerAuth", '{');
	fynq_doc_text(d, "type", FYNQ_STR("http"));
	fynq_doc_text(d, "scheme", FYNQ_STR("bearer"));
	fynq_doc_text(d, "bearerFormat", FYNQ_STR("JWT"));
	fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
}

void
fynq_openapi(struct fynq_buf *out, const char *name, const struct fynq_route *routes)
{
	struct fynq_doc d = { .out = out };
	char title[64];

	snprintf(title, sizeof(title), "fynq: %s", name);
	fynq_doc_open(&d, NULL, '{');
	fynq_doc_text(&d, "openapi", FYNQ_STR("3.1.0"));
	fynq_doc_open(&d, "info", '{');
	fynq_doc_text(&d, "title", fynq_str_of(title));
	fynq_doc_text(&d, "version", FYNQ_STR(FYNQ_VERSION));
	fynq_doc_close(&d, '}');
	fynq_doc_open(&d, "servers", '[');
	fynq_doc_open(&d, NULL, '{');
	fynq_doc_text(&d, "url", FYNQ_STR("/"));
	fynq_doc_close(&d, '}');
	fynq_doc_close(&d, ']');
	paths(&d, routes);
	components(&d);
	fynq_doc_close(&d, '}');
	fynq_buf_add_char(out, '\n');
}
