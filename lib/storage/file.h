/*
 * Files of users: a row of public.files and the object that it names.
 *
 * Added, the object comes first and the row second; removed, the row goes first. So a process that
 * dies between the two leaves an object that no row names, which costs room and nothing else, and
 * never a row without its object.
 */
#ifndef FYNQ_STORAGE_FILE_H
#define FYNQ_STORAGE_FILE_H

#include "http/request.h"
#include "storage/picture.h"

/*
 * Keep a prepared picture as a file of the caller. purpose is one that public.files knows, such as
 * "chat"; name is what the client calls it, or absent: of a path its last part is kept, cut to 255
 * characters, and nothing of one that is not text. Fails as fynq_db_run() and the store do;
 * NOT_FOUND where the caller was erased meanwhile.
 */
enum fynq_err fynq_file_add(struct fynq_req *rq, struct fynq_str purpose,
    const struct fynq_picture *picture, struct fynq_str name,
    struct fynq_uuid *id_r) FYNQ_MUST_CHECK;

/*
 * Read the object of user's file into the arena. Whether the caller may see it, the caller's query
 * for its row has said. NOT_FOUND; TOO_LARGE past max bytes; STORAGE_UNAVAILABLE.
 */
enum fynq_err fynq_file_read(struct fynq_req *rq, const struct fynq_uuid *user,
    const struct fynq_uuid *id, size_t max, struct fynq_str *bytes_r) FYNQ_MUST_CHECK;

/*
 * Remove the objects of n files of user, once the deletion of their rows has committed. What cannot
 * be removed is logged and stays as an object without a row: the request does not fail by it.
 */
void fynq_file_remove(
    struct fynq_req *rq, const struct fynq_uuid *user, const struct fynq_uuid *ids, size_t n);

/*
 * Remove a file of the caller's that no message names, row and object; for what was added a moment
 * ago in vain. rq's problem stays as it is.
 */
void fynq_file_drop(struct fynq_req *rq, const struct fynq_uuid *id);

#endif
