#include <string.h>

#include <json-c/json_object_iterator.h>

#include "http/fields.h"
#include "http/form.h"
#include "http/json.h"
#include "http/query.h"
#include "http/router.h"
#include "http/text.h"
#include "http/value.h"

/* The struct that the table describes, as it is where nothing was sent; NULL for no table. */
static char *
new_struct(struct fynq_arena *a, const struct fynq_field *table)
{
	char *in;

	if (table == NULL || table->name == NULL)
		return NULL;
	in = fynq_arena_alloc(a, table->size);
	for (const struct fynq_field *f = table; f->name != NULL; f++) {
		if (f->type == FYNQ_T_INT)
			*(int64_t *)(void *)(in + f->offset) = f->fallback;
		else if (f->type == FYNQ_T_FILE)
			((struct fynq_upload *)(void *)(in + f->offset))->fd = -1;
	}
	return in;
}

static void
check_absent(struct fynq_req *rq, const struct fynq_field *f)
{
	if ((f->flags & FYNQ_REQUIRED) != 0)
		fynq_fault(rq, fynq_str_of(f->name), "missing", "It is missing.");
}

/* The parameters of the query, each marked once a field has taken it. */
struct query {
	struct fynq_param *params;
	size_t n;
};

static void
read_query(struct fynq_req *rq, const struct fynq_field *f, const struct query *query, void *member)
{
	struct fynq_str name = fynq_str_of(f->name);
	struct fynq_param *found = NULL;
	bool twice = false;

	for (size_t i = 0; i < query->n; i++) {
		if (!fynq_str_eq(query->params[i].name, name))
			continue;
		query->params[i].taken = true;
		twice = found != NULL;
		found = &query->params[i];
	}
	if (found == NULL)
		check_absent(rq, f);
	else if (twice)
		fynq_fault(rq, name, "not_unique", "It is there more than once.");
	else if (found->malformed)
		fynq_fault(rq, name, "format", "It must be percent-encoded UTF-8.");
	else
		fynq_value_read_text(rq, f, found->value, member);
}

static void
read_member(struct fynq_req *rq, const struct fynq_field *f, void *member)
{
	struct json_object *value;

	if (!json_object_object_get_ex(rq->json, f->name, &value))
		check_absent(rq, f);
	else if (value != NULL || (f->flags & FYNQ_NULLABLE) == 0)
		fynq_value_read_json(rq, f, value, member);
}

/* What a browser sends for a file that was not chosen. */
static bool
is_no_file(const struct fynq_form_part *part)
{
	return part->is_file && part->upload.bytes == 0 && part->upload.name.n == 0;
}

/* A file in place of a text, or the other way round. */
static void
fault_kind(struct fynq_req *rq, const struct fynq_field *f)
{
	bool file = f->type == FYNQ_T_FILE || f->type == FYNQ_T_FILES;

	fynq_fault(rq, fynq_str_of(f->name), "type", "It must be a part %s filename.",
	    file ? "with a" : "without a");
}

/* Files under one name. They were bounded in their number and their bytes while they came. */
static void
read_files(struct fynq_req *rq, const struct fynq_field *f, struct fynq_uploads *member)
{
	const struct fynq_form *form = rq->form;
	struct fynq_str name = fynq_str_of(f->name);
	struct fynq_field file = *f;

	member->p = fynq_arena_alloc(rq->arena, form->n * sizeof(*member->p));
	for (const struct fynq_form_part *part = form->parts; part < form->parts + form->n;
	     part++) {
		if (!fynq_str_eq(part->name, name) || is_no_file(part))
			continue;
		file.name = fynq_arena_printf(rq->arena, "%s.%zu", f->name, member->n).p;
		if (part->is_file)
			fynq_value_read_file(rq, &file, &part->upload, &member->p[member->n]);
		else
			fault_kind(rq, &file);
		member->n++;
	}
	if (member->n == 0)
		check_absent(rq, f);
}

static void
read_part(struct fynq_req *rq, const struct fynq_field *f, void *member)
{
	const struct fynq_form_part *part, *found = NULL;
	struct fynq_str name = fynq_str_of(f->name);
	bool file = f->type == FYNQ_T_FILE, twice = false;

	if (f->type == FYNQ_T_FILES) {
		read_files(rq, f, member);
		return;
	}
	for (part = rq->form->parts; part < rq->form->parts + rq->form->n; part++) {
		if (!fynq_str_eq(part->name, name))
			continue;
		twice = found != NULL;
		found = part;
	}
	if (found == NULL || (file && !twice && is_no_file(found)))
		check_absent(rq, f);
	else if (twice)
		fynq_fault(rq, name, "not_unique", "It is there more than once.");
	else if (file != found->is_file)
		fault_kind(rq, f);
	else if (file)
		fynq_value_read_file(rq, f, &found->upload, member);
	else if (!fynq_str_utf8(found->text))
		fynq_fault(rq, name, "format", "It must be UTF-8 without NUL.");
	else
		fynq_value_read_text(rq, f, found->text, member);
}

/* Whether the body has anything for the field, sound or not. */
static bool
is_sent(const struct fynq_req *rq, const struct fynq_field *f)
{
	struct json_object *value = NULL;

	if (rq->form == NULL)
		return json_object_object_get_ex(rq->json, f->name, &value) && value != NULL;
	for (size_t i = 0; i < rq->form->n; i++)
		if (fynq_str_eq(rq->form->parts[i].name, fynq_str_of(f->name)) &&
		    !is_no_file(&rq->form->parts[i]))
			return true;
	return false;
}

/* One of the fields that stand for each other is there, and one only. */
static void
check_either(struct fynq_req *rq, const struct fynq_field *table)
{
	const struct fynq_field *first = NULL;
	struct fynq_str names = { 0 };
	int n = 0;

	for (const struct fynq_field *f = table; f != NULL && f->name != NULL; f++) {
		if ((f->flags & FYNQ_EITHER) == 0)
			continue;
		n += is_sent(rq, f);
		names = first == NULL ? fynq_str_of(f->name)
				      : fynq_arena_printf(
					    rq->arena, "%.*s and %s", FYNQ_STR_ARG(names), f->name);
		first = first == NULL ? f : first;
	}
	if (first != NULL && n != 1)
		fynq_fault(rq, fynq_str_of(first->name), n == 0 ? "missing" : "not_unique",
		    "Of %.*s one is needed, and one only.", FYNQ_STR_ARG(names));
}

static void
fault_unknown(struct fynq_req *rq, struct fynq_str name, const char *what)
{
	fynq_fault(rq, fynq_text_shown(rq->arena, name), "unknown", "There is no such %s.", what);
}

static void
check_query(struct fynq_req *rq, const struct query *query)
{
	for (size_t i = 0; i < query->n; i++)
		if (!query->params[i].taken)
			fault_unknown(rq, query->params[i].name, "parameter");
}

static bool
in_table(const struct fynq_field *table, unsigned int where, const char *name)
{
	for (const struct fynq_field *f = table; f != NULL && f->name != NULL; f++)
		if ((f->flags & where) != 0 && (name == NULL || strcmp(f->name, name) == 0))
			return true;
	return false;
}

static void
check_parts(struct fynq_req *rq, const struct fynq_field *table)
{
	for (size_t i = 0; i < rq->form->n; i++) {
		struct fynq_str name = rq->form->parts[i].name;

		if (!in_table(table, FYNQ_IN_BODY, name.p))
			fault_unknown(rq, name, "part");
	}
}

static void
check_members(struct fynq_req *rq, const struct fynq_field *table)
{
	struct json_object_iterator at = json_object_iter_begin(rq->json);
	struct json_object_iterator end = json_object_iter_end(rq->json);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);

		if (!in_table(table, FYNQ_IN_BODY, name))
			fault_unknown(rq, fynq_str_of(name), "member");
	}
}

/* Parse the body, where there are fields in it. */
static enum fynq_err
parse_body(struct fynq_req *rq)
{
	struct fynq_str why, text = rq->body.n > 0 ? rq->body : FYNQ_STR("{}");

	if (rq->body.n > 0 && !fynq_json_is_type(rq->content_type))
		return fynq_fail(rq, FYNQ_E_MEDIA_TYPE, "The body must be application/json.");
	if (!fynq_json_parse(rq->arena, text, &rq->json, &why))
		return fynq_fail(rq, FYNQ_E_BAD_JSON, "%.*s", FYNQ_STR_ARG(why));
	return FYNQ_OK;
}

enum fynq_err
fynq_fields_read(struct fynq_req *rq, const struct fynq_field *table, const void **in_r)
{
	bool body = in_table(table, FYNQ_IN_BODY, NULL);
	struct query query;
	char *in;

	if (body && rq->form == NULL)
		FYNQ_TRY(parse_body(rq));
	query.params = fynq_query_parse(rq->arena, rq->query, &query.n);
	in = new_struct(rq->arena, table);
	for (const struct fynq_field *f = table; f != NULL && f->name != NULL; f++)
		if ((f->flags & FYNQ_IN_PATH) != 0)
			fynq_value_read_text(rq, f, fynq_route_arg(rq, f->name), in + f->offset);
	for (const struct fynq_field *f = table; f != NULL && f->name != NULL; f++)
		if ((f->flags & FYNQ_IN_QUERY) != 0)
			read_query(rq, f, &query, in + f->offset);
	for (const struct fynq_field *f = table; f != NULL && f->name != NULL; f++)
		if ((f->flags & FYNQ_IN_BODY) != 0)
			(rq->form != NULL ? read_part : read_member)(rq, f, in + f->offset);
	if (body)
		check_either(rq, table);
	check_query(rq, &query);
	if (rq->form != NULL)
		check_parts(rq, table);
	else if (body)
		check_members(rq, table);
	else if (rq->body.n > 0 || rq->content_length > 0)
		fynq_fault(rq, FYNQ_STR("body"), "unknown", "This request takes no body.");
	*in_r = in;
	return rq->problem.n_faults == 0 ? FYNQ_OK : FYNQ_E_INVALID;
}
