/*
 * A ZIP that grows in a file without a name, piece by piece (PKWARE's APPNOTE, with ZIP64).
 *
 * Entries follow one another; memory grows by their names alone, of which ZIP keeps a list at its
 * end. Every function fails with INSUFFICIENT_STORAGE or STORAGE_UNAVAILABLE, recorded by
 * fynq_fail(); the log says why.
 */
#ifndef FYNQ_ACCOUNT_ZIP_H
#define FYNQ_ACCOUNT_ZIP_H

#include "http/upload.h"

struct fynq_zip {
	struct fynq_req *rq;
	struct fynq_upload file; /* open until the request ends */
	struct archive *archive;
	enum fynq_err error; /* what it failed with; nothing is written after that */
	int64_t made_at;     /* of all entries, in seconds since 1970 */
};

/* An empty archive, in the request's arena. */
enum fynq_err fynq_zip_open(struct fynq_req *rq, struct fynq_zip **z_r) FYNQ_MUST_CHECK;

/* Begin an entry whose size is not known yet; it is deflated. name is ASCII, with / for folders. */
enum fynq_err fynq_zip_text(struct fynq_zip *z, const char *name) FYNQ_MUST_CHECK;

/* Begin an entry of that many bytes, stored as they are: pictures do not get smaller. */
enum fynq_err fynq_zip_bytes(struct fynq_zip *z, const char *name, int64_t bytes) FYNQ_MUST_CHECK;

/* Append to the entry that was begun last. */
enum fynq_err fynq_zip_add(struct fynq_zip *z, struct fynq_str bytes) FYNQ_MUST_CHECK;

/* End the archive: file has all of it. */
enum fynq_err fynq_zip_close(struct fynq_zip *z) FYNQ_MUST_CHECK;

#endif
