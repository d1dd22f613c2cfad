/*
 * Objects in a private bucket of Supabase Storage, each under its key.
 *
 * An object is there once the service has all of it, and not before: what breaks off, on either
 * side, leaves nothing that anyone could see. Where the answer to a put is lost the object may be
 * there without its row, as after a crash between the two.
 */
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "http/json.h"
#include "http/upload.h"
#include "storage/store-supabase-call.h"

enum { URL_MAX = 8192 };

/* Asked until it is so, and then not again. */
static atomic_bool known_private;

/* No key becomes a path but one of two UUIDs. */
static enum fynq_err
check_key(struct fynq_req *rq, struct fynq_str key)
{
	struct fynq_key_parts parts;

	if (fynq_key_parse(key, &parts))
		return FYNQ_OK;
	fynq_log(FYNQ_LOG_ERROR, "storage", "a key is not USERID/OBJECTID");
	return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
}

/* What an end that is not GOOD means for a request. */
static enum fynq_err
failed(struct fynq_req *rq, enum fynq_supabase_end end)
{
	bool missing = end == FYNQ_SUPABASE_NO_OBJECT || end == FYNQ_SUPABASE_NO_BUCKET;

	return fynq_fail(rq, missing ? FYNQ_E_NOT_FOUND : FYNQ_E_STORAGE_UNAVAILABLE, NULL);
}

/* Private, whoever makes it: what lies in a public one anyone may read. */
static enum fynq_supabase_end
make_bucket(struct fynq_req *rq)
{
	struct fynq_supabase_call call = { .method = "POST", .path = FYNQ_STR("/bucket") };
	struct fynq_buf b = FYNQ_BUF_INIT(1024);
	struct fynq_str name = fynq_str_of(fynq_config.storage_bucket), body;
	enum fynq_supabase_end end;

	fynq_buf_add(&b, FYNQ_STR("{\"id\":"));
	fynq_buf_add_json(&b, name);
	fynq_buf_add(&b, FYNQ_STR(",\"name\":"));
	fynq_buf_add_json(&b, name);
	fynq_buf_add(&b, FYNQ_STR(",\"public\":false}"));
	call.body = fynq_arena_copy(rq->arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	end = fynq_supabase_call(rq, rq->arena, &call, &body);
	return end == FYNQ_SUPABASE_EXISTS ? FYNQ_SUPABASE_GOOD : end;
}

/* What lies in a public bucket anyone may read. One that is not there yet will be a private one. */
static enum fynq_err
check_bucket(struct fynq_req *rq)
{
	struct fynq_supabase_call call = { .method = "GET",
		.path = fynq_supabase_path(rq->arena, "/bucket", (struct fynq_str){ 0 }) };
	struct json_object *json = NULL, *public = NULL;
	enum fynq_supabase_end end;
	struct fynq_str body, why;

	end = fynq_supabase_call(rq, rq->arena, &call, &body);
	if (end == FYNQ_SUPABASE_NO_BUCKET || end == FYNQ_SUPABASE_NO_OBJECT)
		return FYNQ_OK;
	if (end != FYNQ_SUPABASE_GOOD)
		return failed(rq, end);
	if (!fynq_json_parse(rq->arena, body, &json, &why) ||
	    !json_object_object_get_ex(json, "public", &public) ||
	    !json_object_is_type(public, json_type_boolean))
		return fynq_supabase_odd(rq, &call);
	if (!json_object_get_boolean(public)) {
		known_private = true;
		return FYNQ_OK;
	}
	fynq_log(FYNQ_LOG_ERROR, "storage",
	    "the bucket of FYNQ_STORAGE_BUCKET is public, and must be private: no file is stored");
	return failed(rq, FYNQ_SUPABASE_FAILED);
}

/* {"Key": "BUCKET/KEY"}: a page of some other server is not taken for a promise. */
static bool
is_stored(struct fynq_req *rq, struct fynq_str key, struct fynq_str body)
{
	struct fynq_str stored = fynq_arena_printf(
	    rq->arena, "%s/%.*s", fynq_config.storage_bucket, FYNQ_STR_ARG(key));
	struct json_object *json = NULL;
	struct fynq_str why;

	return fynq_json_parse(rq->arena, body, &json, &why) &&
	       fynq_str_eq(fynq_supabase_text(json, "Key"), stored);
}

static enum fynq_err
put(struct fynq_req *rq, struct fynq_str key, const struct fynq_object *o)
{
	struct fynq_supabase_call call = { .method = "POST", .object = o };
	enum fynq_supabase_end end;
	struct fynq_str body;

	FYNQ_TRY(check_key(rq, key));
	if (!known_private)
		FYNQ_TRY(check_bucket(rq));
	call.path = fynq_supabase_path(rq->arena, "/object", key);
	end = fynq_supabase_call(rq, rq->arena, &call, &body);
	if (end == FYNQ_SUPABASE_NO_BUCKET) {
		end = make_bucket(rq);
		if (end == FYNQ_SUPABASE_GOOD)
			end = fynq_supabase_call(rq, rq->arena, &call, &body);
	}
	if (end == FYNQ_SUPABASE_FULL)
		return fynq_fail(rq, FYNQ_E_INSUFFICIENT_STORAGE, NULL);
	if (end == FYNQ_SUPABASE_FAILED)
		return failed(rq, end);
	return end == FYNQ_SUPABASE_GOOD && is_stored(rq, key, body) ? FYNQ_OK
								     : fynq_supabase_odd(rq, &call);
}

/* What is wanted of an object, and how far it has come. */
struct part {
	int64_t from, n;
	int64_t skip, given;
	bool begun, refused, ended;
	fynq_store_take *take;
	void *arg;
};

/* Just what was asked for, or all of the object, as servers that know no ranges answer. */
static bool
begin(struct part *part, const struct fynq_fetched *head)
{
	int64_t end = part->from + part->n;

	part->begun = true;
	if (head->status == 206)
		return head->range_from == part->from && head->range_last == end - 1;
	part->skip = part->from;
	return head->status == 200 && (head->length < 0 || head->length >= end);
}

/* False also where all has come and the rest is not wanted. */
static bool
take_part(void *arg, const struct fynq_fetched *head, struct fynq_str bytes)
{
	struct part *part = arg;
	int64_t left = part->n - part->given, skip;

	if (!part->begun && !begin(part, head)) {
		part->refused = true;
		return false;
	}
	if (left == 0)
		return false;
	skip = part->skip < (int64_t)bytes.n ? part->skip : (int64_t)bytes.n;
	part->skip -= skip;
	bytes = (struct fynq_str){ bytes.p + skip, bytes.n - (size_t)skip };
	if ((int64_t)bytes.n > left)
		bytes.n = (size_t)left;
	part->given += (int64_t)bytes.n;
	part->ended = bytes.n > 0 && !part->take(part->arg, bytes);
	return !part->ended;
}

static enum fynq_err
size_of(struct fynq_req *rq, struct fynq_str key, int64_t *bytes_r)
{
	struct fynq_supabase_call call = { .method = "GET" };
	struct json_object *json = NULL, *size = NULL;
	enum fynq_supabase_end end;
	struct fynq_str body, why;

	FYNQ_TRY(check_key(rq, key));
	call.path = fynq_supabase_path(rq->arena, "/object/info", key);
	end = fynq_supabase_call(rq, rq->arena, &call, &body);
	if (end != FYNQ_SUPABASE_GOOD)
		return failed(rq, end);
	if (!fynq_json_parse(rq->arena, body, &json, &why) ||
	    !json_object_object_get_ex(json, "size", &size) ||
	    !json_object_is_type(size, json_type_int))
		return fynq_supabase_odd(rq, &call);
	*bytes_r = json_object_get_int64(size);
	return FYNQ_OK;
}

static enum fynq_err
fetch(struct fynq_req *rq, struct fynq_str key, int64_t from, int64_t n, fynq_store_take *take,
    void *arg)
{
	struct part part = { .from = from, .n = n, .take = take, .arg = arg };
	struct fynq_supabase_call call = { .method = "GET", .take = take_part, .take_arg = &part };
	enum fynq_supabase_end end;
	struct fynq_str body;
	int64_t bytes;

	if (n == 0) /* Ranges of no bytes do not exist (RFC 9110 section 14.1.1). */
		return size_of(rq, key, &bytes);
	FYNQ_TRY(check_key(rq, key));
	call.path = fynq_supabase_path(rq->arena, "/object/authenticated", key);
	call.range = fynq_arena_printf(
	    rq->arena, "bytes=%lld-%lld", (long long)from, (long long)(from + n - 1));
	end = fynq_supabase_call(rq, rq->arena, &call, &body);
	if (part.ended)
		return fynq_fail(rq, FYNQ_E_INTERRUPTED, NULL);
	if (end != FYNQ_SUPABASE_GOOD && end != FYNQ_SUPABASE_STOPPED)
		return failed(rq, end);
	return !part.refused && part.given == n ? FYNQ_OK : fynq_supabase_odd(rq, &call);
}

struct spool {
	struct fynq_req *rq;
	struct fynq_upload file;
	enum fynq_err e;
};

static bool
spool(void *arg, const struct fynq_fetched *head, struct fynq_str bytes)
{
	struct spool *s = arg;

	if (head->status != 200)
		return false;
	s->e = fynq_upload_add(s->rq, &s->file, NULL, bytes);
	return s->e == FYNQ_OK;
}

/* The file has no name, so its room is given back when the request ends, or the process. */
static enum fynq_err
open_object(struct fynq_req *rq, struct fynq_str key, int *fd_r)
{
	struct spool s = { .rq = rq };
	struct fynq_supabase_call call = { .method = "GET", .take = spool, .take_arg = &s };
	enum fynq_supabase_end end;
	struct fynq_str body;

	FYNQ_TRY(check_key(rq, key));
	FYNQ_TRY(fynq_upload_open(rq, &s.file));
	call.path = fynq_supabase_path(rq->arena, "/object/authenticated", key);
	end = fynq_supabase_call(rq, rq->arena, &call, &body);
	if (s.e != FYNQ_OK)
		return s.e;
	if (end == FYNQ_SUPABASE_STOPPED)
		return fynq_supabase_odd(rq, &call);
	if (end != FYNQ_SUPABASE_GOOD)
		return failed(rq, end);
	*fd_r = s.file.fd;
	return lseek(s.file.fd, 0, SEEK_SET) == 0 ? FYNQ_OK : failed(rq, FYNQ_SUPABASE_FAILED);
}

enum fynq_err
fynq_supabase_remove(struct fynq_req *rq, struct fynq_arena *a, struct fynq_str keys)
{
	struct fynq_supabase_call call = { .method = "DELETE",
		.path = fynq_supabase_path(a, "/object", (struct fynq_str){ 0 }),
		.body = fynq_arena_printf(a, "{\"prefixes\":%.*s}", FYNQ_STR_ARG(keys)) };
	enum fynq_supabase_end end;
	struct fynq_str body;

	end = fynq_supabase_call(rq, a, &call, &body);
	if (end == FYNQ_SUPABASE_NO_BUCKET || end == FYNQ_SUPABASE_NO_OBJECT)
		return FYNQ_OK;
	if (end != FYNQ_SUPABASE_GOOD)
		return failed(rq, end);
	/* A list of those that were there, whichever they were. */
	body = fynq_str_trim(body);
	return body.n >= 2 && body.p[0] == '[' && body.p[body.n - 1] == ']'
		   ? FYNQ_OK
		   : fynq_supabase_odd(rq, &call);
}

static enum fynq_err
remove_object(struct fynq_req *rq, struct fynq_str key)
{
	FYNQ_TRY(check_key(rq, key));
	return fynq_supabase_remove(
	    rq, rq->arena, fynq_arena_printf(rq->arena, "[\"%.*s\"]", FYNQ_STR_ARG(key)));
}

/* A path and a token, in which nothing must be escaped: it goes into an answer as it is. */
static bool
is_signed_path(struct fynq_str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] <= 0x20 || path.p[i] >= 0x7f || strchr("\"<>\\^`{|}#", path.p[i]))
			return false;
	return fynq_str_starts(path, FYNQ_STR("/object/sign/")) &&
	       memmem(path.p, path.n, "?token=", 7) != NULL;
}

static enum fynq_err
link_object(struct fynq_req *rq, struct fynq_str key, struct fynq_str name, int64_t seconds,
    struct fynq_str *url_r)
{
	struct fynq_supabase_call call = { .method = "POST" };
	struct fynq_buf url = FYNQ_BUF_INIT(URL_MAX);
	struct json_object *json = NULL;
	enum fynq_supabase_end end;
	struct fynq_str body, path = { 0 }, why;
	bool full;

	FYNQ_TRY(check_key(rq, key));
	call.path = fynq_supabase_path(rq->arena, "/object/sign", key);
	call.body = fynq_arena_printf(rq->arena, "{\"expiresIn\":%lld}", (long long)seconds);
	end = fynq_supabase_call(rq, rq->arena, &call, &body);
	if (end != FYNQ_SUPABASE_GOOD)
		return failed(rq, end);
	if (fynq_json_parse(rq->arena, body, &json, &why))
		path = fynq_supabase_text(json, "signedURL");
	if (!is_signed_path(path))
		return fynq_supabase_odd(rq, &call);
	fynq_buf_printf(&url, "%s/storage/v1%.*s", fynq_config.supabase_url, FYNQ_STR_ARG(path));
	fynq_buf_add_param(&url, "&download", name);
	*url_r = fynq_arena_copy(rq->arena, fynq_buf_str(&url));
	full = url.full;
	fynq_buf_release(&url);
	return full ? fynq_supabase_odd(rq, &call) : FYNQ_OK;
}

const struct fynq_store fynq_store_supabase = {
	.name = "supabase",
	.check = check_bucket,
	.put = put,
	.open = open_object,
	.fetch = fetch,
	.size = size_of,
	.remove = remove_object,
	.remove_user = fynq_supabase_remove_user,
	.list = fynq_supabase_list,
	.link = link_object,
};
