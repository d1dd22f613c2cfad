/*
 * Files of users: a row of public.files and the object that it names.
 *
 * Added, the object comes first and the row second; removed, the row goes first. So a process that
 * dies between the two leaves an object that no row names, which costs room and nothing else, and
 * never a row without its object. Before an object is put, a row of fynq.uploads says that it
 * comes: `fynqctl storage gc`, which removes objects that no row names, removes that row first, and
 * then the upload can add none any more.
 */
#ifndef FYNQ_STORAGE_FILE_H
#define FYNQ_STORAGE_FILE_H

#include "data/claim.h"
#include "storage/picture.h"

/* A file that is to be kept: what is found of its bytes, and what its sender says. */
struct fynq_new_file {
	struct fynq_str purpose; /* one of fynq_purposes; see types.h */
	struct fynq_str field;	 /* of the request, for a refusal to name */
	struct fynq_str name;	 /* or absent: of a path its last part is kept, cut to 255
				    characters, and nothing of one that is not text */
	const char *media_type;
	int fd; /* stands at the beginning of so many bytes */
	int64_t bytes;
	const char *sha256;  /* in hexadecimal */
	int width, height;   /* of a picture, in pixels; else 0 */
	struct fynq_uuid id; /* is filled in */
};

/* What a prepared picture becomes; it refers to the picture. */
struct fynq_new_file fynq_file_of_picture(const struct fynq_picture *picture,
    struct fynq_str purpose, struct fynq_str field, struct fynq_str name);

struct fynq_stored {
	struct fynq_str ids; /* in their order, as an array of PostgreSQL */
	bool earlier;	     /* an earlier request with the same Idempotency-Key stored them */
};

/*
 * Keep n files of the caller, all of them or none: their objects are on the disk and their rows
 * committed when it returns FYNQ_OK. Their sizes and their number must fit into what is left of the
 * caller's limits, now and once they are put; of two requests at once for the last room one has it.
 *
 * claim, or NULL, is the request's Idempotency-Key, which is stored with them. Where another
 * request with the key was faster nothing is kept, and stored_r, which may be NULL too, has what
 * that one stored.
 *
 * Fails as fynq_db_run(), fynq_room_refusal() and the store do; KEY_REUSED; NOT_FOUND where the
 * caller was erased meanwhile. Then no object of it is left, but for one whose row may have been
 * committed though the answer was lost, and one that the store would not remove: gc has an eye on
 * both.
 */
enum fynq_err fynq_files_add(struct fynq_req *rq, struct fynq_new_file *files, size_t n,
    const struct fynq_claim *claim, struct fynq_stored *stored_r) FYNQ_MUST_CHECK;

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
 * Delete a file of the caller's, row and object. NOT_FOUND; CONFLICT where something in the library
 * is made of it. A message whose picture it was stays.
 */
enum fynq_err fynq_file_delete(struct fynq_req *rq, const struct fynq_uuid *id) FYNQ_MUST_CHECK;

/*
 * Remove a file of the caller's that no message names, row and object; for what was added a moment
 * ago in vain. rq's problem stays as it is.
 */
void fynq_file_drop(struct fynq_req *rq, const struct fynq_uuid *id);

#endif
