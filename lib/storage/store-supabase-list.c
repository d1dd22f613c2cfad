/*
 * Many objects at a time. Pages are those of a cursor, not of an offset: what is removed between
 * two of them would make the second begin too late.
 */
#include <string.h>

#include "base/clock.h"
#include "http/json.h"
#include "storage/store-supabase-call.h"

/* A page's JSON must keep within FYNQ_JSON_VALUES, and has 40 names and values for an object. */
enum { PAGE = 200, PAGE_MEMORY = 16 << 20, CURSOR_MAX = 1024, BODY_MAX = 65536 };

/* A listing under way: what it lists, and where the next page begins. */
struct listing {
	struct fynq_str prefix;
	char cursor[CURSOR_MAX + 1];
	bool more;
};

/* Told of one page, whose JSON lives until it returns. */
typedef enum fynq_err on_page(
    struct fynq_req *rq, struct fynq_arena *a, struct json_object *objects, void *arg);

static struct fynq_str
page_body(struct fynq_arena *a, const struct listing *listing)
{
	struct fynq_buf b = FYNQ_BUF_INIT(BODY_MAX);
	struct fynq_str body;

	fynq_buf_printf(&b, "{\"limit\":%d,\"prefix\":", PAGE);
	fynq_buf_add_json(&b, listing->prefix);
	if (listing->cursor[0] != '\0') {
		fynq_buf_add(&b, FYNQ_STR(",\"cursor\":"));
		fynq_buf_add_json(&b, fynq_str_of(listing->cursor));
	}
	fynq_buf_add_char(&b, '}');
	body = fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return body;
}

/* False where there must be a next page and nothing says where, or where it leads nowhere. */
static bool
read_cursor(struct json_object *json, struct listing *listing)
{
	struct fynq_str cursor = fynq_supabase_text(json, "nextCursor");
	struct json_object *more = NULL;

	if (!json_object_object_get_ex(json, "hasNext", &more) ||
	    !json_object_is_type(more, json_type_boolean))
		return false;
	listing->more = json_object_get_boolean(more);
	if (!listing->more)
		return true;
	if (cursor.n == 0 || cursor.n > CURSOR_MAX || memchr(cursor.p, '\0', cursor.n) != NULL ||
	    fynq_str_eq(cursor, fynq_str_of(listing->cursor)))
		return false;
	memcpy(listing->cursor, cursor.p, cursor.n);
	listing->cursor[cursor.n] = '\0';
	return true;
}

static enum fynq_err
read_page(
    struct fynq_req *rq, struct fynq_arena *a, struct listing *listing, on_page *tell, void *arg)
{
	struct fynq_supabase_call call = { .method = "POST",
		.path = fynq_supabase_path(a, "/object/list-v2", (struct fynq_str){ 0 }),
		.body = page_body(a, listing) };
	struct json_object *json = NULL, *objects = NULL;
	struct fynq_str text, why;

	switch (fynq_supabase_call(rq, a, &call, &text)) {
	case FYNQ_SUPABASE_GOOD:
		break;
	case FYNQ_SUPABASE_NO_BUCKET: /* Nothing was ever put there. */
		listing->more = false;
		return FYNQ_OK;
	default:
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	}
	if (!fynq_json_parse(a, text, &json, &why) || !read_cursor(json, listing) ||
	    !json_object_object_get_ex(json, "objects", &objects) ||
	    !json_object_is_type(objects, json_type_array))
		return fynq_supabase_odd(rq, &call);
	return tell(rq, a, objects, arg);
}

/* Each page has memory of its own, so that a long listing takes no more than a short one. */
static enum fynq_err
read_pages(struct fynq_req *rq, struct fynq_str prefix, on_page *tell, void *arg)
{
	struct listing listing = { .prefix = prefix, .more = true };
	enum fynq_err e = FYNQ_OK;

	while (e == FYNQ_OK && listing.more) {
		struct fynq_arena *a = fynq_arena_new(PAGE_MEMORY);

		e = read_page(rq, a, &listing, tell, arg);
		fynq_arena_free(&a);
	}
	return e;
}

static enum fynq_err
remove_page(struct fynq_req *rq, struct fynq_arena *a, struct json_object *objects, void *arg)
{
	struct fynq_buf keys = FYNQ_BUF_INIT(BODY_MAX);
	size_t n = json_object_array_length(objects);
	enum fynq_err e = FYNQ_OK;

	(void)arg;
	for (size_t i = 0; i < n; i++) {
		struct json_object *object = json_object_array_get_idx(objects, i);

		fynq_buf_add_char(&keys, i == 0 ? '[' : ',');
		fynq_buf_add_json(&keys, fynq_supabase_text(object, "name"));
	}
	fynq_buf_add_char(&keys, ']');
	if (keys.full)
		e = fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	else if (n > 0)
		e = fynq_supabase_remove(rq, a, fynq_buf_str(&keys));
	fynq_buf_release(&keys);
	return e;
}

/*
 * Page by page; a process that dies between two has removed those before it. A page begins after
 * the last one's end, so the objects that are gone by then change nothing.
 */
enum fynq_err
fynq_supabase_remove_user(struct fynq_req *rq, struct fynq_str user_text)
{
	struct fynq_uuid user;

	if (!fynq_uuid_parse(user_text, &user))
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	return read_pages(rq, fynq_arena_printf(rq->arena, "%s/", user.text), remove_page, NULL);
}

struct visitor {
	fynq_store_visit *visit;
	void *arg;
};

/* Of metadata; what has none yet has no bytes either. */
static int64_t
bytes_of(struct json_object *object)
{
	struct json_object *metadata = NULL, *size = NULL;

	if (json_object_object_get_ex(object, "metadata", &metadata) &&
	    json_object_object_get_ex(metadata, "size", &size))
		return json_object_get_int64(size);
	return 0;
}

/* In seconds; of a time that cannot be read, now: such an object is too young for anything. */
static int64_t
changed_at(struct json_object *object)
{
	int64_t us;

	if (!fynq_time_parse(fynq_supabase_text(object, "updated_at"), &us) &&
	    !fynq_time_parse(fynq_supabase_text(object, "created_at"), &us))
		us = fynq_clock_now_us();
	return us / 1000000;
}

/* Whatever else lies in the bucket is not fynq's. */
static enum fynq_err
visit_page(struct fynq_req *rq, struct fynq_arena *a, struct json_object *objects, void *arg)
{
	struct visitor *visitor = arg;
	size_t n = json_object_array_length(objects);

	(void)a;
	for (size_t i = 0; i < n; i++) {
		struct json_object *object = json_object_array_get_idx(objects, i);
		struct fynq_str key = fynq_supabase_text(object, "name");
		struct fynq_key_parts parts;

		if (fynq_key_parse(key, &parts) &&
		    !visitor->visit(visitor->arg, key, bytes_of(object), changed_at(object)))
			return fynq_fail(rq, FYNQ_E_INTERRUPTED, NULL);
	}
	return FYNQ_OK;
}

enum fynq_err
fynq_supabase_list(struct fynq_req *rq, fynq_store_visit *visit, void *arg)
{
	struct visitor visitor = { visit, arg };

	return read_pages(rq, FYNQ_STR(""), visit_page, &visitor);
}
