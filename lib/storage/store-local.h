/*
 * What the files of the local store share. store-local.c has the paths and the objects one by one,
 * store-local-list.c what looks through folders.
 */
#ifndef FYNQ_STORAGE_STORE_LOCAL_H
#define FYNQ_STORAGE_STORE_LOCAL_H

#include "storage/store.h"

/* How many folders there are above an object, FYNQ_FILES_DIR not counted. */
enum { FYNQ_LOCAL_FOLDERS = 3 };

/*
 * The paths of one key, in the request's arena: each folder within the one before, then the object.
 */
struct fynq_local_place {
	const char *folders[FYNQ_LOCAL_FOLDERS];
	const char *object, *id;
};

/* Log what could not be done, by errno, and fail: INSUFFICIENT_STORAGE or STORAGE_UNAVAILABLE. */
enum fynq_err fynq_local_failed(struct fynq_req *rq, const char *what, const char *path);

/* The path of what lies in FYNQ_FILES_DIR. */
const char *fynq_local_path(struct fynq_req *rq, const char *name);

/* Of the folders of objects/ the one that has this user's, two characters. */
static inline const char *
fynq_local_shard(const struct fynq_uuid *user)
{
	return user->text + sizeof(user->text) - 3;
}

/* The folders down to that user's; no object yet. */
void fynq_local_folders(
    struct fynq_req *rq, const struct fynq_uuid *user, struct fynq_local_place *place_r);

/* Have the names in a folder outlive a crash of the machine. False with errno. */
bool fynq_local_sync(const char *path);

/* As store.h has them. */
enum fynq_err fynq_local_remove_user(struct fynq_req *rq, struct fynq_str user);
enum fynq_err fynq_local_list(struct fynq_req *rq, fynq_store_visit *visit, void *arg);
enum fynq_err fynq_local_sweep(struct fynq_req *rq, int64_t before, bool remove, int64_t *n_r);

#endif
