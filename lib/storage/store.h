/*
 * Where the bytes of files lie: the database has a row for each, a store has its object.
 *
 * A store is one struct of functions, picked by the settings; the local one keeps objects in
 * FYNQ_FILES_DIR. A key is USERID/OBJECTID, two UUIDs that fynq made; any other is refused. An
 * object is written once and never changed.
 *
 * The object comes first and its row second, and they go the other way round: a process that dies
 * between the two leaves an object without a row, never a row without its object.
 *
 * Each function fails with STORAGE_UNAVAILABLE (what is wrong is logged), recorded by fynq_fail(),
 * and as listed.
 */
#ifndef FYNQ_STORAGE_STORE_H
#define FYNQ_STORAGE_STORE_H

#include "http/request.h"

struct fynq_store {
	/*
	 * Keep the first bytes of a regular file under the key; fd's position is left alone. Once
	 * it returns FYNQ_OK the object outlives a crash of the machine.
	 */
	enum fynq_err (*put)(struct fynq_req *rq, struct fynq_str key, int fd, int64_t bytes);

	/* A descriptor to read the object with, closed when the request ends. NOT_FOUND. */
	enum fynq_err (*open)(struct fynq_req *rq, struct fynq_str key, int *fd_r);

	/* How many bytes it has. NOT_FOUND. */
	enum fynq_err (*size)(struct fynq_req *rq, struct fynq_str key, int64_t *bytes_r);

	/* Remove it; one that is not there is removed already. */
	enum fynq_err (*remove)(struct fynq_req *rq, struct fynq_str key);

	/*
	 * Remove every object of that user (a UUID), also those that no row names. Where it fails
	 * some may be gone, and it may be called again.
	 */
	enum fynq_err (*remove_user)(struct fynq_req *rq, struct fynq_str user);
};

extern const struct fynq_store fynq_store_local;

/* The store of the settings. */
const struct fynq_store *fynq_store(void);

#endif
