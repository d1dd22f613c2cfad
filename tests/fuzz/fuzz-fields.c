/*
 * Any path, query and body against a table with every type: whatever comes in, the outcome is a
 * struct within the table's bounds, or an error that is the client's.
 *
 * The input's first byte says how many sixteenths of the rest are the query. Then comes the path's
 * segment with a NUL at its end, then the body; where there is no NUL, all of it is the body.
 */
#include <stdlib.h>

#include <json-c/json_tokener.h>

#include "base/clock.h"
#include "http/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct all_in {
	struct fynq_uuid id, chat;
	int64_t limit, grade, any;
	struct fynq_cursor cursor;
	struct fynq_str q, title, email, locale, name, note, kind;
	bool archived, stream;
	struct fynq_time from, at;
	struct fynq_date day, born;
	struct fynq_json free, made;
	struct fynq_array tags, ids;
};

static const char *const kinds[] = { "text", "image", NULL };

enum { TAGS = 5, TAG_CHARS = 8, IDS = 3 };

static const struct fynq_field tag[] = {
	FYNQ_ITEM(STRING, .max = TAG_CHARS, .format = FYNQ_F_LINE),
	FYNQ_FIELD_END,
};
static const struct fynq_field id_item[] = { FYNQ_ITEM(UUID), FYNQ_FIELD_END };
static const struct fynq_field in_made[] = {
	FYNQ_OUT("tags", ARRAY, ".", .max = TAGS, .sub = tag),
	FYNQ_OUT("n", INT, ".", .max = 9),
	FYNQ_FIELD_END,
};

static const struct fynq_field table[] = {
	FYNQ_FIELD(all_in, id, FYNQ_IN_PATH, "."),
	FYNQ_FIELDS_PAGE(all_in),
	FYNQ_FIELD(all_in, q, FYNQ_IN_QUERY, ".", .max = 20),
	FYNQ_FIELD(all_in, archived, FYNQ_IN_QUERY, "."),
	FYNQ_FIELD(all_in, from, FYNQ_IN_QUERY, "."),
	FYNQ_FIELD(all_in, day, FYNQ_IN_QUERY, "."),
	FYNQ_FIELD(all_in, title, FYNQ_IN_BODY, ".", .max = 20),
	FYNQ_FIELD(all_in, email, FYNQ_IN_BODY, ".", .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(all_in, locale, FYNQ_IN_BODY, ".", .format = FYNQ_F_LOCALE),
	FYNQ_FIELD(all_in, name, FYNQ_IN_BODY, ".", .format = FYNQ_F_LINE),
	FYNQ_FIELD(all_in, note, FYNQ_IN_BODY | FYNQ_NULLABLE, ".", .blank = true),
	FYNQ_FIELD(all_in, kind, FYNQ_IN_BODY, ".", .values = kinds),
	FYNQ_FIELD(all_in, chat, FYNQ_IN_BODY, "."),
	FYNQ_FIELD(all_in, stream, FYNQ_IN_BODY, "."),
	FYNQ_FIELD(all_in, grade, FYNQ_IN_BODY, ".", .min = -1, .max = 13),
	FYNQ_FIELD(all_in, any, FYNQ_IN_BODY, "."),
	FYNQ_FIELD(all_in, at, FYNQ_IN_BODY, "."),
	FYNQ_FIELD(all_in, born, FYNQ_IN_BODY, "."),
	FYNQ_FIELD(all_in, free, FYNQ_IN_BODY | FYNQ_NULLABLE, ".", .max = 64),
	FYNQ_FIELD(all_in, made, FYNQ_IN_BODY, ".", .max = 64, .sub = in_made),
	FYNQ_FIELD(
	    all_in, tags, FYNQ_IN_BODY | FYNQ_NULLABLE | FYNQ_UNIQUE, ".", .max = TAGS, .sub = tag),
	FYNQ_FIELD(
	    all_in, ids, FYNQ_IN_BODY | FYNQ_UNIQUE, ".", .min = 1, .max = IDS, .sub = id_item),
	FYNQ_FIELD_END,
};

static const struct fynq_route routes[] = {
	{ .method = FYNQ_POST, .path = "/{id}", .in = table },
	{ .path = NULL },
};

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
check_text(struct fynq_str s, size_t least, size_t most)
{
	check(s.p == NULL ||
	      (fynq_str_utf8(s) && fynq_str_chars(s) >= least && fynq_str_chars(s) <= most));
}

static void
check_time(struct fynq_time time)
{
	int64_t us;

	check(time.text.p == NULL || fynq_time_parse(time.text, &us));
}

static void
check_date(struct fynq_date date)
{
	int y, m, d;

	check(date.text.p == NULL || fynq_date_parse(date.text, &y, &m, &d));
}

static void
check_free(struct fynq_json json)
{
	struct json_object *object;

	if (json.text.p == NULL)
		return;
	check(json.text.n <= 64 && json.text.p[json.text.n] == '\0');
	object = json_tokener_parse(json.text.p);
	check(json_object_get_type(object) == json_type_object);
	json_object_put(object);
}

static struct fynq_str
item_of(struct json_object *array, size_t i)
{
	struct json_object *item = json_object_array_get_idx(array, i);

	check(json_object_get_type(item) == json_type_string);
	return (struct fynq_str){ json_object_get_string(item),
		(size_t)json_object_get_string_len(item) };
}

/* No item twice, each as its row says; ids in lower case. */
static void
check_array(struct fynq_array array, size_t least, size_t most, bool ids)
{
	struct json_object *json;
	struct fynq_uuid id;

	check((array.text.p != NULL) || array.n == 0);
	if (array.text.p == NULL)
		return;
	check(array.n >= least && array.n <= most && array.text.p[array.text.n] == '\0');
	json = json_tokener_parse(array.text.p);
	check(json_object_get_type(json) == json_type_array);
	check(json_object_array_length(json) == array.n);
	for (size_t i = 0; i < array.n; i++) {
		struct fynq_str item = item_of(json, i);

		if (ids)
			check(fynq_uuid_parse(item, &id) && fynq_str_eq(fynq_uuid_str(&id), item));
		else
			check_text(item, 1, TAG_CHARS);
		for (size_t k = 0; k < i; k++)
			check(!fynq_str_eq(item_of(json, k), item));
	}
	json_object_put(json);
}

static void
check_struct(const struct all_in *in)
{
	struct fynq_uuid id;

	check(fynq_uuid_parse(fynq_uuid_str(&in->id), &id));
	check(in->chat.text[0] == '\0' || fynq_uuid_parse(fynq_uuid_str(&in->chat), &id));
	check(in->limit >= 1 && in->limit <= 100);
	check(in->grade >= -1 && in->grade <= 13);
	check(in->any >= -(INT64_C(1) << 53) && in->any <= INT64_C(1) << 53);
	check_text(in->cursor.text, 1, 512);
	check_text(in->q, 1, 20);
	check_text(in->title, 1, 20);
	check_text(in->email, 3, 254);
	check_text(in->locale, 2, 35);
	check_text(in->name, 1, 1000);
	check_text(in->note, 0, 1000);
	check_text(in->kind, 4, 5);
	check_time(in->from);
	check_time(in->at);
	check_date(in->day);
	check_date(in->born);
	check_free(in->free);
	check_free(in->made);
	check_array(in->tags, 0, TAGS, false);
	check_array(in->ids, 1, IDS, true);
}

static void
check_faults(const struct fynq_req *rq)
{
	struct fynq_buf out = FYNQ_BUF_INIT(1 << 20);
	struct json_object *problem;

	fynq_problem_json(&out, &rq->problem, FYNQ_STR("fuzz"));
	check(!out.full && fynq_str_utf8(fynq_buf_str(&out)));
	fynq_buf_add_char(&out, '\0');
	problem = json_tokener_parse(out.p);
	check(json_object_get_type(problem) == json_type_object);
	json_object_put(problem);
	fynq_buf_release(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fynq_str input = { (const char *)data, size }, path;
	struct fynq_req *rq;
	const void *in;
	enum fynq_err e;
	size_t n;

	if (size == 0)
		return 0;
	rq = fynq_req_new(-1, true);
	n = (size - 1) * (data[0] & 15) / 16;
	rq->method = FYNQ_POST;
	rq->query = fynq_arena_copy(rq->arena, (struct fynq_str){ input.p + 1, n });
	input = (struct fynq_str){ input.p + 1 + n, size - 1 - n };
	if (!fynq_str_cut(input, '\0', &path, &input)) {
		input = path;
		path = FYNQ_STR("0190163d-8694-739b-aea5-966c26f8ad90");
	}
	rq->path = fynq_arena_printf(rq->arena, "/%.*s", FYNQ_STR_ARG(path));
	rq->body = fynq_arena_copy(rq->arena, input);
	rq->content_type = FYNQ_STR("application/json");

	e = fynq_route_find(rq, routes);
	if (e == FYNQ_OK)
		e = fynq_fields_read(rq, table, &in);
	if (e == FYNQ_OK)
		check_struct(in);
	else
		check_faults(rq);
	check(e == FYNQ_OK || fynq_err_info(e)->status < 500);
	fynq_req_free(&rq);
	return 0;
}
