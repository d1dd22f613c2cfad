/*
 * Where the bytes of files lie: the database has a row for each, a store has its object.
 *
 * A store is one struct of functions, picked by FYNQ_STORAGE: local keeps objects in
 * FYNQ_FILES_DIR, supabase in a bucket of Supabase Storage. A key is USERID/OBJECTID, two UUIDs
 * that fynq made; any other is refused. An object is written once and never changed.
 *
 * The object comes first and its row second, and they go the other way round: a process that dies
 * between the two leaves an object without a row, never a row without its object. storage/file.h
 * has what makes this safe beside `fynqctl storage gc`, which removes such objects.
 *
 * Each function blocks, for workers and jobs; it fails with STORAGE_UNAVAILABLE (what is wrong is
 * logged), recorded by fynq_fail(), and as listed.
 */
#ifndef FYNQ_STORAGE_STORE_H
#define FYNQ_STORAGE_STORE_H

#include "http/request.h"

/* What is put: the first bytes of a regular file. */
struct fynq_object {
	int fd; /* its position is left alone; nobody writes to it any more */
	int64_t bytes;
	const char *media_type;
};

/* Takes the pieces of an object in their order; false ends it. */
typedef bool fynq_store_take(void *arg, struct fynq_str bytes);

/*
 * Is told of one object: its key, its size, and when it was put, in seconds since 1970; false ends
 * the listing.
 */
typedef bool fynq_store_visit(void *arg, struct fynq_str key, int64_t bytes, int64_t changed_at);

struct fynq_store {
	const char *name; /* as FYNQ_STORAGE has it */

	/*
	 * Whether what the settings name is fit to hold files, as far as can be told by asking; put
	 * asks by itself. NULL where a store has nothing to ask.
	 */
	enum fynq_err (*check)(struct fynq_req *rq);

	/*
	 * Keep an object under the key; one that is there already is replaced by what must be the
	 * same bytes, so that a put whose answer was lost may be repeated. Once it returns FYNQ_OK
	 * the object outlives a crash of the machine. INSUFFICIENT_STORAGE.
	 */
	enum fynq_err (*put)(struct fynq_req *rq, struct fynq_str key, const struct fynq_object *o);

	/*
	 * A descriptor to read the object with, at its beginning, closed when the request ends. Of
	 * a store that is not local it is a copy in a file without a name. NOT_FOUND.
	 */
	enum fynq_err (*open)(struct fynq_req *rq, struct fynq_str key, int *fd_r);

	/*
	 * Hand n bytes from an offset on to take, in pieces, without holding more than one of them.
	 * The range must lie within the object. Where take ends it, INTERRUPTED. NOT_FOUND.
	 */
	enum fynq_err (*fetch)(struct fynq_req *rq, struct fynq_str key, int64_t from, int64_t n,
	    fynq_store_take *take, void *arg);

	/* How many bytes it has. NOT_FOUND. */
	enum fynq_err (*size)(struct fynq_req *rq, struct fynq_str key, int64_t *bytes_r);

	/* Remove it; one that is not there is removed already. */
	enum fynq_err (*remove)(struct fynq_req *rq, struct fynq_str key);

	/*
	 * Remove every object of that user (a UUID), also those that no row names. Where it fails
	 * some may be gone, and it may be called again.
	 */
	enum fynq_err (*remove_user)(struct fynq_req *rq, struct fynq_str user);

	/*
	 * Tell visit of every object, in no order; one that is put or removed meanwhile may be told
	 * of or not. INTERRUPTED where visit ends it.
	 */
	enum fynq_err (*list)(struct fynq_req *rq, fynq_store_visit *visit, void *arg);

	/*
	 * Remove what puts left behind that died before that time, in seconds since 1970, or only
	 * count it; NULL where they leave nothing. A put that is at it does not come to that age.
	 */
	enum fynq_err (*sweep)(struct fynq_req *rq, int64_t before, bool remove, int64_t *n_r);

	/*
	 * Where the object lies below FYNQ_FILES_DIR/objects, for a server in front to send;
	 * whether it is there is not looked at. NULL where a store has no such files.
	 */
	enum fynq_err (*path)(struct fynq_req *rq, struct fynq_str key, struct fynq_str *path_r);

	/*
	 * A link to the object that works for anyone for so many seconds, and has it saved under
	 * that name. NULL where a store has none: storage/link.h signs fynq's own. NOT_FOUND.
	 */
	enum fynq_err (*link)(struct fynq_req *rq, struct fynq_str key, struct fynq_str name,
	    int64_t seconds, struct fynq_str *url_r);
};

extern const struct fynq_store fynq_store_local, fynq_store_supabase;

/* The store of the settings. */
const struct fynq_store *fynq_store(void);

/* The store of that name; NULL for none. */
const struct fynq_store *fynq_store_named(struct fynq_str name);

/* USERID/OBJECTID, in the request's arena. */
struct fynq_str fynq_store_key(
    struct fynq_req *rq, struct fynq_str user, const struct fynq_uuid *id);

/*
 * Whether the settings suffice for that store, FYNQ_STORAGE or not. False with a line for each
 * fault in problems_r, each of which begins with about.
 */
bool fynq_store_check(
    const struct fynq_store *store, const char *about, struct fynq_buf *problems_r);

/*
 * Once at start: whether FYNQ_STORAGE names a store and its settings suffice. False with a line for
 * each fault in problems_r.
 */
bool fynq_store_init(struct fynq_buf *problems_r);

#endif
