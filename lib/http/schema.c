#include "http/schema.h"

enum { IN_ANY = FYNQ_IN_PATH | FYNQ_IN_QUERY | FYNQ_IN_BODY };

bool
fynq_schema_picks(const struct fynq_field *f, unsigned int where)
{
	bool body = (f->flags & FYNQ_IN_BODY) != 0;

	if (where == FYNQ_SCHEMA_JSON)
		return body && f->type != FYNQ_T_FILE && f->type != FYNQ_T_FILES;
	if (where == FYNQ_SCHEMA_FORM)
		return body && f->type != FYNQ_T_OBJECT && f->type != FYNQ_T_ARRAY;
	return where == 0 || (f->flags & where) != 0;
}

bool
fynq_schema_has(const struct fynq_field *table, unsigned int where)
{
	for (; table != NULL && table->name != NULL; table++)
		if (fynq_schema_picks(table, where))
			return true;
	return false;
}

static void
add_values(struct fynq_doc *d, const struct fynq_field *f)
{
	fynq_doc_open(d, "enum", '[');
	for (size_t i = 0; f->values[i] != NULL; i++)
		fynq_doc_text(d, NULL, fynq_str_of(f->values[i]));
	if ((f->flags & FYNQ_NULLABLE) != 0)
		fynq_doc_null(d, NULL);
	fynq_doc_close(d, ']');
}

/* What a request's value must keep to; a reply's is as it is. */
static void
add_bounds(struct fynq_doc *d, const struct fynq_field *f)
{
	int64_t min, max;

	if ((f->flags & IN_ANY) == 0)
		return;
	fynq_field_bounds(f, &min, &max);
	if (f->type == FYNQ_T_INT) {
		fynq_doc_number(d, "minimum", min);
		fynq_doc_number(d, "maximum", max);
		if (f->fallback != 0)
			fynq_doc_number(d, "default", f->fallback);
	} else if (f->type == FYNQ_T_CURSOR || (f->type == FYNQ_T_STRING && f->values == NULL)) {
		fynq_doc_number(d, "minLength", min);
		fynq_doc_number(d, "maxLength", max);
	}
	if (f->type == FYNQ_T_ARRAY) {
		fynq_doc_number(d, "minItems", min);
		fynq_doc_number(d, "maxItems", max);
		fynq_doc_bool(d, "uniqueItems", (f->flags & FYNQ_UNIQUE) != 0);
	} else if (f->type == FYNQ_T_FILES) {
		fynq_doc_number(d, "minItems", 1);
		fynq_doc_number(d, "maxItems", f->items > 0 ? f->items : FYNQ_FILES_ITEMS);
	}
	if (f->type == FYNQ_T_CURSOR)
		fynq_doc_text(d, "pattern", FYNQ_STR("^[A-Za-z0-9_-]+$"));
	if ((f->flags & FYNQ_SECRET) != 0)
		fynq_doc_bool(d, "writeOnly", true);
}

/* What an array holds: values of one row, objects of several, or files. */
static void
add_items(struct fynq_doc *d, const struct fynq_field *f)
{
	struct fynq_field item = { .type = FYNQ_T_FILE };

	if (f->type == FYNQ_T_ARRAY && f->sub == NULL)
		return;
	fynq_doc_open(d, "items", '{');
	if (f->type == FYNQ_T_FILES) {
		fynq_schema_value(d, &item);
	} else if (f->sub->name[0] == '\0') {
		item = *f->sub;
		item.flags |= f->flags & IN_ANY;
		fynq_schema_value(d, &item);
	} else {
		fynq_doc_text(d, "type", FYNQ_STR("object"));
		fynq_schema_object(d, f->sub, 0);
	}
	fynq_doc_close(d, '}');
}

void
fynq_schema_value(struct fynq_doc *d, const struct fynq_field *f)
{
	static const struct {
		const char *type, *format;
	} kinds[] = {
		[FYNQ_T_STRING] = { "string", NULL },
		[FYNQ_T_UUID] = { "string", "uuid" },
		[FYNQ_T_BOOL] = { "boolean", NULL },
		[FYNQ_T_INT] = { "integer", "int64" },
		[FYNQ_T_TIME] = { "string", "date-time" },
		[FYNQ_T_DATE] = { "string", "date" },
		[FYNQ_T_OBJECT] = { "object", NULL },
		[FYNQ_T_CURSOR] = { "string", NULL },
		[FYNQ_T_ARRAY] = { "array", NULL },
		[FYNQ_T_FILE] = { "string", NULL },
		[FYNQ_T_FILES] = { "array", NULL },
	};
	const char *format = f->format == FYNQ_F_EMAIL ? "email" : kinds[f->type].format;

	if ((f->flags & FYNQ_NULLABLE) != 0) {
		fynq_doc_open(d, "type", '[');
		fynq_doc_text(d, NULL, fynq_str_of(kinds[f->type].type));
		fynq_doc_text(d, NULL, FYNQ_STR("null"));
		fynq_doc_close(d, ']');
	} else {
		fynq_doc_text(d, "type", fynq_str_of(kinds[f->type].type));
	}
	if (format != NULL)
		fynq_doc_text(d, "format", fynq_str_of(format));
	if (f->type == FYNQ_T_FILE)
		fynq_doc_text(d, "contentMediaType", FYNQ_STR("application/octet-stream"));
	if (f->values != NULL)
		add_values(d, f);
	add_bounds(d, f);
	if (f->sub != NULL && f->type == FYNQ_T_OBJECT)
		fynq_schema_object(d, f->sub, f->flags & FYNQ_IN_BODY);
	if (f->type == FYNQ_T_ARRAY || f->type == FYNQ_T_FILES)
		add_items(d, f);
}

/* Of a request's object the rows say what is; a reply's has all that may not be left out. */
static bool
is_required(const struct fynq_field *f, unsigned int where)
{
	return where != 0 ? (f->flags & FYNQ_REQUIRED) != 0 : (f->flags & FYNQ_OPTIONAL) == 0;
}

static bool
is_either(const struct fynq_field *f, unsigned int where)
{
	return fynq_schema_picks(f, where) && where != 0 && (f->flags & FYNQ_EITHER) != 0;
}

/* One row that must be there. */
static void
add_choice(struct fynq_doc *d, const struct fynq_field *f)
{
	fynq_doc_open(d, NULL, '{');
	fynq_doc_open(d, "required", '[');
	fynq_doc_text(d, NULL, fynq_str_of(f->name));
	fynq_doc_close(d, ']');
	fynq_doc_close(d, '}');
}

/* Of the rows of FYNQ_EITHER those that can be there; one says at least that it must be. */
static void
add_choices(struct fynq_doc *d, const struct fynq_field *table, unsigned int where)
{
	bool any = false;

	for (const struct fynq_field *f = table; f->name != NULL; f++)
		any |= is_either(f, where);
	if (!any)
		return;
	fynq_doc_open(d, "oneOf", '[');
	for (const struct fynq_field *f = table; f->name != NULL; f++)
		if (is_either(f, where))
			add_choice(d, f);
	fynq_doc_close(d, ']');
}

void
fynq_schema_object(struct fynq_doc *d, const struct fynq_field *table, unsigned int where)
{
	fynq_doc_open(d, "properties", '{');
	for (const struct fynq_field *f = table; f->name != NULL; f++) {
		if (!fynq_schema_picks(f, where))
			continue;
		fynq_doc_open(d, f->name, '{');
		fynq_doc_text(d, "description", fynq_str_of(f->doc));
		fynq_schema_value(d, f);
		fynq_doc_close(d, '}');
	}
	fynq_doc_close(d, '}');
	fynq_doc_open(d, "required", '[');
	for (const struct fynq_field *f = table; f->name != NULL; f++)
		if (fynq_schema_picks(f, where) && is_required(f, where))
			fynq_doc_text(d, NULL, fynq_str_of(f->name));
	fynq_doc_close(d, ']');
	add_choices(d, table, where);
	if (where != 0)
		fynq_doc_bool(d, "additionalProperties", false);
}

void
fynq_schema_open(struct fynq_doc *d, const char *media_type)
{
	fynq_doc_open(d, media_type, '{');
	fynq_doc_open(d, "schema", '{');
}

void
fynq_schema_close(struct fynq_doc *d)
{
	fynq_doc_close(d, '}');
	fynq_doc_close(d, '}');
}
