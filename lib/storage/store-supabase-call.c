#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "http/json.h"
#include "storage/store-supabase-call.h"

enum { HEADERS = 9, TRIES = 2, ANSWER_MAX = 1 << 20, PATH_MAX_BYTES = 1024 };

/* Headers of a call; the array is as long as the longest list. */
struct headers {
	struct fynq_str lines[HEADERS];
	size_t n;
};

static const char key_hint[] = "; see FYNQ_SUPABASE_SECRET_KEY";
static const char size_hint[] = "; see the limits of the bucket and of the project";

/*
 * What the service names its errors. The status of its answer is 400 for nearly all of them; in
 * older versions the name is one for people, and stands in another member.
 */
static const struct {
	const char *code;
	enum fynq_supabase_end end;
	const char *hint;
} codes[] = {
	{ "NoSuchKey", FYNQ_SUPABASE_NO_OBJECT, "" },
	{ "not_found", FYNQ_SUPABASE_NO_OBJECT, "" },
	{ "NoSuchBucket", FYNQ_SUPABASE_NO_BUCKET, "" },
	{ "Bucket not found", FYNQ_SUPABASE_NO_BUCKET, "" },
	{ "BucketAlreadyExists", FYNQ_SUPABASE_EXISTS, "" },
	{ "ResourceAlreadyExists", FYNQ_SUPABASE_EXISTS, "" },
	{ "KeyAlreadyExists", FYNQ_SUPABASE_EXISTS, "" },
	{ "Duplicate", FYNQ_SUPABASE_EXISTS, "" },
	{ "EntityTooLarge", FYNQ_SUPABASE_FULL, size_hint },
	{ "Payload too large", FYNQ_SUPABASE_FULL, size_hint },
	{ "AccessDenied", FYNQ_SUPABASE_FAILED, key_hint },
	{ "Unauthorized", FYNQ_SUPABASE_FAILED, key_hint },
	{ "InvalidJWT", FYNQ_SUPABASE_FAILED, key_hint },
	{ "SignatureDoesNotMatch", FYNQ_SUPABASE_FAILED, key_hint },
	{ "InvalidBucketName", FYNQ_SUPABASE_FAILED, "; see FYNQ_STORAGE_BUCKET" },
	{ "InvalidMimeType", FYNQ_SUPABASE_FAILED,
	    "; the bucket must not limit the types of its files" },
};

/* The same by their status: of the body, or of the answer where it is not the service's own. */
static const struct {
	long status;
	enum fynq_supabase_end end;
	const char *hint;
} statuses[] = {
	{ 401, FYNQ_SUPABASE_FAILED, key_hint },
	{ 402, FYNQ_SUPABASE_FULL, "; the project's quota is used up" },
	{ 403, FYNQ_SUPABASE_FAILED, key_hint },
	{ 404, FYNQ_SUPABASE_FAILED, "; see FYNQ_SUPABASE_URL" },
	{ 409, FYNQ_SUPABASE_EXISTS, "" },
	{ 413, FYNQ_SUPABASE_FULL, size_hint },
	{ 507, FYNQ_SUPABASE_FULL, size_hint },
};

struct fynq_str
fynq_supabase_text(struct json_object *json, const char *name)
{
	struct json_object *value = NULL;

	if (json == NULL || !json_object_object_get_ex(json, name, &value) ||
	    !json_object_is_type(value, json_type_string))
		return (struct fynq_str){ 0 };
	return (struct fynq_str){ json_object_get_string(value),
		(size_t)json_object_get_string_len(value) };
}

static void
add_header(struct fynq_arena *a, struct headers *headers, const char *name, struct fynq_str value)
{
	if (value.n > 0)
		headers->lines[headers->n++] = fynq_arena_printf(
		    a, "%s: %.*s", name, FYNQ_STR_ARG(value));
}

/*
 * An object may be long in a cache of somebody's own, so none may keep it: it would outlive its
 * deletion there. Compressed on its way it would have no ranges.
 */
static void
add_object_headers(
    struct fynq_arena *a, const struct fynq_supabase_call *call, struct headers *headers)
{
	if (call->object != NULL) {
		add_header(a, headers, "Content-Type", fynq_str_of(call->object->media_type));
		add_header(a, headers, "Cache-Control", FYNQ_STR("private, no-store"));
		add_header(a, headers, "x-upsert", FYNQ_STR("true"));
	}
	if (call->take != NULL)
		add_header(a, headers, "Accept-Encoding", FYNQ_STR("identity"));
	add_header(a, headers, "Range", call->range);
}

/*
 * A key sb_secret_... is no token: the gateway in front puts one in its place. The older key is a
 * JSON Web Token and goes into both headers.
 */
static void
add_headers(struct fynq_req *rq, struct fynq_arena *a, const struct fynq_supabase_call *call,
    struct headers *headers)
{
	struct fynq_str key = fynq_str_of(fynq_config.supabase_secret_key);

	add_header(a, headers, "apikey", key);
	if (fynq_str_starts(key, FYNQ_STR("eyJ")))
		add_header(a, headers, "Authorization",
		    fynq_arena_printf(a, "Bearer %.*s", FYNQ_STR_ARG(key)));
	if (call->body.p != NULL)
		add_header(a, headers, "Content-Type", FYNQ_STR("application/json"));
	add_object_headers(a, call, headers);
	add_header(a, headers, "traceparent", rq->traceparent);
}

struct fynq_str
fynq_supabase_path(struct fynq_arena *a, const char *prefix, struct fynq_str key)
{
	struct fynq_buf b = FYNQ_BUF_INIT(PATH_MAX_BYTES);
	struct fynq_str path;

	fynq_buf_printf(&b, "%s/", prefix);
	fynq_buf_add_url(&b, fynq_str_of(fynq_config.storage_bucket));
	if (key.p != NULL)
		fynq_buf_printf(&b, "/%.*s", FYNQ_STR_ARG(key));
	path = fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return path;
}

/* What take is called through, so that it is known whether it was. */
struct taker {
	const struct fynq_supabase_call *call;
	bool taken;
};

static bool
take(void *arg, const struct fynq_fetched *head, struct fynq_str bytes)
{
	struct taker *taker = arg;

	taker->taken = true;
	return taker->call->take(taker->call->take_arg, head, bytes);
}

/* A second try has what the first has left of the time, unless it is a stream. */
static enum fynq_fetch_end
fetch(struct fynq_req *rq, struct fynq_arena *a, const struct fynq_supabase_call *call,
    struct fynq_fetched *fetched_r)
{
	int64_t deadline_us = fynq_clock_mono_us() + fynq_config.supabase_timeout_ms * 1000;
	bool stream = call->object != NULL || call->take != NULL;
	struct headers headers = { .n = 0 };
	struct taker taker = { .call = call };
	struct fynq_fetch_file file = { 0 };
	struct fynq_fetch fetch = {
		.method = call->method,
		.url = fynq_arena_printf(
		    a, "%s/storage/v1%.*s", fynq_config.supabase_url, FYNQ_STR_ARG(call->path))
			   .p,
		.headers = headers.lines,
		.body = call->body,
		.take = call->take != NULL ? take : NULL,
		.take_arg = &taker,
		.ca_file = fynq_config.supabase_ca_file,
		.timeout_ms = fynq_config.supabase_timeout_ms,
		.idle_ms = fynq_config.storage_idle_ms,
		.max = ANSWER_MAX,
	};
	enum fynq_fetch_end end = FYNQ_FETCH_UNREACHABLE;

	add_headers(rq, a, call, &headers);
	fetch.n_headers = headers.n;
	if (call->object != NULL) {
		file = (struct fynq_fetch_file){ .fd = call->object->fd,
			.bytes = call->object->bytes };
		fetch.file = &file;
	}
	for (int try = 0; try < TRIES && fetch.timeout_ms > 0; try++) {
		end = fynq_fetch(a, "storage", &fetch, fetched_r);
		if ((end != FYNQ_FETCH_UNREACHABLE && end != FYNQ_FETCH_BROKEN) || taker.taken)
			break;
		if (!stream)
			fetch.timeout_ms = (deadline_us - fynq_clock_mono_us()) / 1000;
	}
	return end;
}

/* Of an error's names the first that is known decides. */
static bool
find_code(struct json_object *json, enum fynq_supabase_end *end_r, const char **hint_r)
{
	static const char *const members[] = { "code", "error", "message" };

	for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++)
		for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
			if (fynq_str_eq(
				fynq_supabase_text(json, members[m]), fynq_str_of(codes[i].code))) {
				*end_r = codes[i].end;
				*hint_r = codes[i].hint;
				return true;
			}
	return false;
}

static enum fynq_supabase_end
find_status(long status, const char **hint_r)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status) {
			*hint_r = statuses[i].hint;
			return statuses[i].end;
		}
	return FYNQ_SUPABASE_FAILED;
}

/* A name of the service's, which has nothing of the request in it; else nothing. */
static struct fynq_str
name_of(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 'a' || s.p[i] > 'z') && (s.p[i] < 'A' || s.p[i] > 'Z') &&
		    (s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '_')
			return (struct fynq_str){ 0 };
	return s.n <= 64 ? s : (struct fynq_str){ 0 };
}

/*
 * That there is no object is taken from the service alone: a 404 of what stands before it says that
 * the URL is wrong, and whoever compares objects with rows must not believe that all are lost.
 */
static enum fynq_supabase_end
read_error(
    struct fynq_arena *a, const struct fynq_supabase_call *call, const struct fynq_fetched *fetched)
{
	enum fynq_supabase_end end = FYNQ_SUPABASE_FAILED;
	struct json_object *json = NULL;
	struct fynq_str why, said;
	int64_t status;
	const char *hint = "";
	bool own; /* the service's answer, of no matter what version */

	if (!fynq_json_parse(a, fetched->body, &json, &why))
		json = NULL;
	own = fynq_str_int(fynq_supabase_text(json, "statusCode"), &status);
	if (!own)
		status = fetched->status;
	if (!find_code(json, &end, &hint))
		end = own && status == 404 ? FYNQ_SUPABASE_NO_OBJECT
					   : find_status((long)status, &hint);
	if (end != FYNQ_SUPABASE_FAILED && end != FYNQ_SUPABASE_FULL)
		return end;
	said = name_of(fynq_supabase_text(json, "code"));
	fynq_log(FYNQ_LOG_ERROR, "storage", "%s %.*s: Supabase answers %ld%s%.*s%s", call->method,
	    FYNQ_STR_ARG(call->path), (long)status, said.n > 0 ? " " : "", FYNQ_STR_ARG(said),
	    hint);
	return end;
}

enum fynq_supabase_end
fynq_supabase_call(struct fynq_req *rq, struct fynq_arena *a, const struct fynq_supabase_call *call,
    struct fynq_str *body_r)
{
	struct fynq_fetched fetched;
	enum fynq_fetch_end end = fetch(rq, a, call, &fetched);

	if (end == FYNQ_FETCH_STOPPED)
		return FYNQ_SUPABASE_STOPPED;
	if (end != FYNQ_FETCH_DONE)
		return FYNQ_SUPABASE_FAILED; /* fynq_fetch() has logged why. */
	if (fetched.status / 100 != 2)
		return read_error(a, call, &fetched);
	*body_r = fetched.body;
	return FYNQ_SUPABASE_GOOD;
}

enum fynq_err
fynq_supabase_odd(struct fynq_req *rq, const struct fynq_supabase_call *call)
{
	fynq_log(FYNQ_LOG_ERROR, "storage", "%s %.*s: not the answer that it must be", call->method,
	    FYNQ_STR_ARG(call->path));
	return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
}
