/*
 * A file on its way in: kept in a file without a name while its size and its SHA-256 are taken.
 *
 * The file lies in the folder tmp of FYNQ_FILES_DIR, both made where they are missing, and has no
 * name there: where the process dies, at whatever step, the kernel gives its room back. Only where
 * the file system knows no O_TMPFILE has it a name, upload-XXXXXX, between two system calls; a
 * process killed between them leaves an empty file.
 *
 * A file made with O_TMPFILE can be given a name later: linkat(2) of /proc/self/fd/FD, once
 * fchmod(2) has said who may read it. One made without it cannot, and is copied.
 */
#ifndef FYNQ_HTTP_UPLOAD_H
#define FYNQ_HTTP_UPLOAD_H

#include "base/digest.h"
#include "http/request.h"

/*
 * The member of a struct that a field of type FYNQ_T_FILE fills; fd is -1 where none was sent.
 * The file can be read from fd, which stands at its beginning and is closed with the request or
 * when that is detached: whoever needs it longer takes a dup() of it. Nothing here is to be
 * trusted but bytes and sha256: name and media_type are what the client says.
 */
struct fynq_upload {
	int fd;
	int64_t bytes;
	struct fynq_str name; /* UTF-8, one line, without folders, at most 255 bytes; may be "" */
	struct fynq_str media_type; /* as image/png, lower case; absent where it was not said */
	char sha256[FYNQ_SHA256_SIZE];
};

/*
 * Open an upload of no bytes yet, in the request's arena. INSUFFICIENT_STORAGE where there is no
 * room for a file, STORAGE_UNAVAILABLE where the folder cannot be used; the log says why.
 */
enum fynq_err fynq_upload_open(struct fynq_req *rq, struct fynq_upload *u_r) FYNQ_MUST_CHECK;

/*
 * Append to it, and to the digest where d is not NULL, for which bytes must stay as
 * fynq_digest_begin() says. The same errors.
 */
enum fynq_err fynq_upload_add(struct fynq_req *rq, struct fynq_upload *u, struct fynq_digest *d,
    struct fynq_str bytes) FYNQ_MUST_CHECK;

/* All of it has come: take the digest's end, and go back to the beginning. */
void fynq_upload_end(struct fynq_upload *u, struct fynq_digest *d);

#endif
