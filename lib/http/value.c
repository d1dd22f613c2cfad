#include <string.h>

#include <json-c/json_object_iterator.h>

#include "base/clock.h"
#include "http/text.h"
#include "http/value.h"

/* The integers that every JSON reader holds exactly (RFC 7493 section 2.2). */
#define INT_MOST INT64_C(9007199254740991)

enum { STRING_MAX = 1000, EMAIL_MAX = 254, LOCALE_MAX = 35, OBJECT_MAX = 8192, CURSOR_MAX = 512 };

enum { ITEMS_MAX = 100, FILE_MAX = 10 << 20 };

/* Any type of a member fits in. */
enum { MEMBER_SIZE = 64 };

static const struct {
	enum json_type json;
	const char *noun;
} types[] = {
	[FYNQ_T_STRING] = { json_type_string, "a string" },
	[FYNQ_T_UUID] = { json_type_string, "a UUID" },
	[FYNQ_T_BOOL] = { json_type_boolean, "true or false" },
	[FYNQ_T_INT] = { json_type_int, "a whole number" },
	[FYNQ_T_TIME] = { json_type_string, "a time, such as 2026-01-31T12:34:56Z" },
	[FYNQ_T_DATE] = { json_type_string, "a date, such as 2026-01-31" },
	[FYNQ_T_OBJECT] = { json_type_object, "an object" },
	[FYNQ_T_CURSOR] = { json_type_string, "a cursor that came with a page" },
	[FYNQ_T_ARRAY] = { json_type_array, "an array" },
	[FYNQ_T_FILE] = { json_type_null, "a file, in a form of multipart/form-data" },
	[FYNQ_T_FILES] = { json_type_null, "files, in a form of multipart/form-data" },
};

void
fynq_field_bounds(const struct fynq_field *f, int64_t *min_r, int64_t *max_r)
{
	static const int64_t string_max[] = {
		[FYNQ_F_ANY] = STRING_MAX,
		[FYNQ_F_EMAIL] = EMAIL_MAX,
		[FYNQ_F_LOCALE] = LOCALE_MAX,
		[FYNQ_F_LINE] = STRING_MAX,
	};

	*min_r = f->min;
	*max_r = f->max;
	if (f->type == FYNQ_T_STRING) {
		*min_r = f->min > 0 || f->blank ? f->min : 1;
		*max_r = f->max > 0 ? f->max : string_max[f->format];
	} else if (f->type == FYNQ_T_OBJECT) {
		*max_r = f->max > 0 ? f->max : OBJECT_MAX;
	} else if (f->type == FYNQ_T_CURSOR) {
		*min_r = 1;
		*max_r = CURSOR_MAX;
	} else if (f->type == FYNQ_T_ARRAY) {
		*max_r = f->max > 0 ? f->max : ITEMS_MAX;
	} else if (f->type == FYNQ_T_FILE || f->type == FYNQ_T_FILES) {
		*min_r = f->min > 0 ? f->min : 1;
		*max_r = f->max > 0 ? f->max : FILE_MAX;
	} else if (f->min == 0 && f->max == 0) {
		*min_r = -INT_MOST;
		*max_r = INT_MOST;
	}
}

static void
fault_type(struct fynq_req *rq, const struct fynq_field *f, const char *code)
{
	fynq_fault(rq, fynq_str_of(f->name), code, "It must be %s.", types[f->type].noun);
}

static bool
is_one_of(struct fynq_str text, const char *const *values)
{
	for (; *values != NULL; values++)
		if (fynq_str_eq(text, fynq_str_of(*values)))
			return true;
	return false;
}

static void
fault_value(struct fynq_req *rq, const struct fynq_field *f)
{
	struct fynq_str all = fynq_str_of(f->values[0]);

	for (size_t i = 1; f->values[i] != NULL; i++)
		all = fynq_arena_printf(rq->arena, "%.*s, %s", FYNQ_STR_ARG(all), f->values[i]);
	fynq_fault(
	    rq, fynq_str_of(f->name), "value", "It must be one of: %.*s.", FYNQ_STR_ARG(all));
}

/* What is wrong with the form of a string; NULL where nothing is. */
static const char *
bad_form(const struct fynq_field *f, struct fynq_str text)
{
	if (fynq_text_has_control(text))
		return "It must not contain control characters.";
	switch (f->format) {
	case FYNQ_F_ANY:
		return NULL;
	case FYNQ_F_EMAIL:
		return fynq_text_is_email(text) ? NULL : "It must be an email address.";
	case FYNQ_F_LOCALE:
		return fynq_text_is_locale(text) ? NULL : "It must be a language tag, as en-GB.";
	case FYNQ_F_LINE:
		return fynq_text_is_line(text) ? NULL : "It must be a single line.";
	}
	return NULL;
}

static void
read_string(struct fynq_req *rq, const struct fynq_field *f, struct fynq_str text, void *member)
{
	int64_t chars = (int64_t)fynq_str_chars(text), min, max;
	struct fynq_str name = fynq_str_of(f->name);
	const char *message;

	fynq_field_bounds(f, &min, &max);
	*(struct fynq_str *)member = text;
	if (f->values != NULL) {
		if (!is_one_of(text, f->values))
			fault_value(rq, f);
	} else if (!f->blank && fynq_text_is_blank(text)) {
		fynq_fault(rq, name, "too_short", "It must not be blank.");
	} else if (chars < min) {
		fynq_fault(rq, name, "too_short", "It must have at least %lld characters.",
		    (long long)min);
	} else if (chars > max) {
		fynq_fault(
		    rq, name, "too_long", "It must have at most %lld characters.", (long long)max);
	} else if ((message = bad_form(f, text)) != NULL) {
		fynq_fault(rq, name, "format", "%s", message);
	}
}

static void
read_int(struct fynq_req *rq, const struct fynq_field *f, int64_t value, void *member)
{
	struct fynq_str name = fynq_str_of(f->name);
	int64_t min, max;

	fynq_field_bounds(f, &min, &max);
	if (value < min)
		fynq_fault(rq, name, "too_small", "It must be at least %lld.", (long long)min);
	else if (value > max)
		fynq_fault(rq, name, "too_large", "It must be at most %lld.", (long long)max);
	*(int64_t *)member = value;
}

/* RFC 3339, but only what PostgreSQL's timestamptz takes: its offsets end at 15:59. */
static bool
is_time(struct fynq_str s)
{
	int64_t us;

	if (s.n > 40 || !fynq_time_parse(s, &us))
		return false;
	return s.p[s.n - 1] == 'Z' || s.p[s.n - 1] == 'z' || memcmp(s.p + s.n - 5, "16", 2) < 0;
}

static bool
is_cursor(struct fynq_str s)
{
	static const char set[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < s.n; i++)
		if (memchr(set, s.p[i], sizeof(set) - 1) == NULL)
			return false;
	return s.n >= 1 && s.n <= CURSOR_MAX;
}

void
fynq_value_read_text(
    struct fynq_req *rq, const struct fynq_field *f, struct fynq_str text, void *member)
{
	const char *fault = NULL;
	int64_t number;
	int y, m, d;

	switch (f->type) {
	case FYNQ_T_STRING:
		read_string(rq, f, text, member);
		break;
	case FYNQ_T_INT:
		if (fynq_str_int(text, &number))
			read_int(rq, f, number, member);
		else
			fault = "type";
		break;
	case FYNQ_T_BOOL:
		*(bool *)member = fynq_str_eq(text, FYNQ_STR("true"));
		if (!*(bool *)member && !fynq_str_eq(text, FYNQ_STR("false")))
			fault = "type";
		break;
	case FYNQ_T_UUID:
		if (!fynq_uuid_parse(text, member))
			fault = "format";
		break;
	case FYNQ_T_TIME:
		((struct fynq_time *)member)->text = text;
		if (!is_time(text))
			fault = "format";
		break;
	case FYNQ_T_DATE:
		((struct fynq_date *)member)->text = text;
		if (!fynq_date_parse(text, &y, &m, &d))
			fault = "format";
		else if (f->past && fynq_date_age(text) < 0)
			fynq_fault(rq, fynq_str_of(f->name), "too_large", "It must not be ahead.");
		break;
	case FYNQ_T_CURSOR:
		((struct fynq_cursor *)member)->text = text;
		if (!is_cursor(text))
			fault = "format";
		break;
	case FYNQ_T_OBJECT:
	case FYNQ_T_ARRAY:
	case FYNQ_T_FILE:
	case FYNQ_T_FILES:
		fault = "type";
		break;
	}
	if (fault != NULL)
		fault_type(rq, f, fault);
}

void
fynq_value_read_file(
    struct fynq_req *rq, const struct fynq_field *f, const struct fynq_upload *upload, void *member)
{
	struct fynq_str name = fynq_str_of(f->name);
	int64_t min, max;

	fynq_field_bounds(f, &min, &max);
	*(struct fynq_upload *)member = *upload;
	if (upload->bytes < min)
		fynq_fault(
		    rq, name, "too_small", "It must have at least %lld bytes.", (long long)min);
}

/* A member of an object in the body: a value of its row, or a fault under both their names. */
static void
check_member(
    struct fynq_req *rq, const struct fynq_field *f, const char *name, struct json_object *value)
{
	const struct fynq_field *row = f->sub;
	struct fynq_str path = fynq_arena_printf(rq->arena, "%s.%.*s", f->name,
	    FYNQ_STR_ARG(fynq_text_shown(rq->arena, fynq_str_of(name))));
	struct fynq_field member;

	while (row->name != NULL && strcmp(row->name, name) != 0)
		row++;
	if (row->name == NULL) {
		fynq_fault(rq, path, "unknown", "There is no such member.");
	} else if (value != NULL || (row->flags & FYNQ_NULLABLE) == 0) {
		member = *row;
		member.name = path.p;
		fynq_value_read_json(rq, &member, value, fynq_arena_alloc(rq->arena, MEMBER_SIZE));
	}
}

static void
check_members(struct fynq_req *rq, const struct fynq_field *f, struct json_object *value)
{
	struct json_object_iterator at = json_object_iter_begin(value);
	struct json_object_iterator end = json_object_iter_end(value);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		check_member(
		    rq, f, json_object_iter_peek_name(&at), json_object_iter_peek_value(&at));
}

/* Its compact text, in the request's arena. */
static struct fynq_str
compact(struct fynq_req *rq, struct json_object *value)
{
	struct fynq_str text;

	text.p = json_object_to_json_string_length(
	    value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &text.n);
	return fynq_arena_copy(rq->arena, text);
}

static void
read_object(
    struct fynq_req *rq, const struct fynq_field *f, struct json_object *value, void *member)
{
	struct fynq_str text = compact(rq, value);
	int64_t min, max;

	fynq_field_bounds(f, &min, &max);
	((struct fynq_json *)member)->text = text;
	if ((int64_t)text.n > max)
		fynq_fault(rq, fynq_str_of(f->name), "too_large",
		    "It must have at most %lld bytes as JSON.", (long long)max);
	else if (f->sub != NULL)
		check_members(rq, f, value);
}

static struct fynq_str
text_of(struct json_object *value)
{
	return (struct fynq_str){ json_object_get_string(value),
		(size_t)json_object_get_string_len(value) };
}

/* An item of an array, read as its row says; an id is written back in lower case. */
static void
read_item(struct fynq_req *rq, const struct fynq_field *f, struct json_object *array, size_t i)
{
	struct json_object *value = json_object_array_get_idx(array, i), *earlier;
	struct fynq_str path = fynq_arena_printf(rq->arena, "%s.%zu", f->name, i);
	void *member = fynq_arena_alloc(rq->arena, MEMBER_SIZE);
	size_t faults = rq->problem.n_faults;
	struct fynq_field row = *f->sub;

	row.name = path.p;
	fynq_value_read_json(rq, &row, value, member);
	if (rq->problem.n_faults > faults)
		return;
	if (row.type == FYNQ_T_UUID)
		json_object_set_string(value, ((struct fynq_uuid *)member)->text);
	for (size_t k = 0; (f->flags & FYNQ_UNIQUE) != 0 && k < i; k++) {
		earlier = json_object_array_get_idx(array, k);
		if (json_object_get_type(earlier) != json_type_string ||
		    !fynq_str_eq(text_of(earlier), text_of(value)))
			continue;
		fynq_fault(rq, path, "not_unique", "It is there more than once.");
		return;
	}
}

static void
read_array(struct fynq_req *rq, const struct fynq_field *f, struct json_object *value, void *member)
{
	struct fynq_str name = fynq_str_of(f->name);
	size_t n = json_object_array_length(value);
	int64_t min, max;

	fynq_field_bounds(f, &min, &max);
	if ((int64_t)n < min) {
		fynq_fault(
		    rq, name, "too_short", "It must have at least %lld items.", (long long)min);
	} else if ((int64_t)n > max) {
		fynq_fault(
		    rq, name, "too_long", "It must have at most %lld items.", (long long)max);
	} else {
		for (size_t i = 0; i < n; i++)
			read_item(rq, f, value, i);
		*(struct fynq_array *)member = (struct fynq_array){ compact(rq, value), n };
	}
}

void
fynq_value_read_json(
    struct fynq_req *rq, const struct fynq_field *f, struct json_object *value, void *member)
{
	if (f->type == FYNQ_T_FILE || f->type == FYNQ_T_FILES ||
	    json_object_get_type(value) != types[f->type].json)
		fault_type(rq, f, "type");
	else if (f->type == FYNQ_T_BOOL)
		*(bool *)member = json_object_get_boolean(value);
	else if (f->type == FYNQ_T_INT)
		read_int(rq, f, json_object_get_int64(value), member);
	else if (f->type == FYNQ_T_OBJECT)
		read_object(rq, f, value, member);
	else if (f->type == FYNQ_T_ARRAY)
		read_array(rq, f, value, member);
	else
		fynq_value_read_text(rq, f, text_of(value), member);
}
