/*
 * One call of Supabase Storage's interface, blocking, with the secret key of the settings.
 *
 * All that the store asks for may be done twice without harm, so a call whose connection broke is
 * made once more, unless a part of an answer was handed on already. A whole answer is never asked
 * for again, whatever it says: what a request fails with now, the next one may succeed with.
 */
#ifndef FYNQ_STORAGE_STORE_SUPABASE_CALL_H
#define FYNQ_STORAGE_STORE_SUPABASE_CALL_H

#include <json-c/json_object.h>

#include "base/fetch.h"
#include "storage/store.h"

struct fynq_supabase_call {
	const char *method;
	struct fynq_str path;		  /* below /storage/v1, escaped where it must be */
	struct fynq_str body;		  /* JSON; absent for none */
	const struct fynq_object *object; /* is sent instead; NULL for none */
	struct fynq_str range;		  /* as "bytes=0-99"; absent for all of it */
	fynq_fetch_take *take;		  /* of a good answer; NULL where it is JSON */
	void *take_arg;
};

/* What became of it. Whatever is not listed has FAILED, and the log says why. */
enum fynq_supabase_end {
	FYNQ_SUPABASE_GOOD,
	FYNQ_SUPABASE_NO_OBJECT,
	FYNQ_SUPABASE_NO_BUCKET,
	FYNQ_SUPABASE_EXISTS,
	FYNQ_SUPABASE_FULL,    /* too large for the bucket or the project, or no room; logged */
	FYNQ_SUPABASE_STOPPED, /* take has ended it */
	FYNQ_SUPABASE_FAILED
};

/* The answer's body lives in the arena a; it is set with GOOD alone. */
enum fynq_supabase_end fynq_supabase_call(struct fynq_req *rq, struct fynq_arena *a,
    const struct fynq_supabase_call *call, struct fynq_str *body_r) FYNQ_MUST_CHECK;

/* PREFIX/BUCKET, or PREFIX/BUCKET/KEY; key is absent, or two UUIDs. In the arena a. */
struct fynq_str fynq_supabase_path(
    struct fynq_arena *a, const char *prefix, struct fynq_str key) FYNQ_MUST_CHECK;

/* A good answer that says something else than it must: STORAGE_UNAVAILABLE, logged. */
enum fynq_err fynq_supabase_odd(struct fynq_req *rq, const struct fynq_supabase_call *call);

/* The string that a member of an object holds; absent where it is missing or no string. */
struct fynq_str fynq_supabase_text(struct json_object *json, const char *name);

/* The rest of the store, in store-supabase-list.c. */
enum fynq_err fynq_supabase_remove_user(struct fynq_req *rq, struct fynq_str user);
enum fynq_err fynq_supabase_list(struct fynq_req *rq, fynq_store_visit *visit, void *arg);

/* Remove objects: a JSON array of their keys. What is not there is removed already. */
enum fynq_err fynq_supabase_remove(
    struct fynq_req *rq, struct fynq_arena *a, struct fynq_str keys) FYNQ_MUST_CHECK;

#endif
