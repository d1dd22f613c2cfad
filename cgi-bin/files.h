/*
 * What the handlers of the file routes share. files.c has the routes.
 *
 *	files-read.c	what is known of files, and their bytes
 *	files-link.c	links that read them without a token
 */
#ifndef FYNQ_FILES_H
#define FYNQ_FILES_H

#include "fynq.h"

struct file_in {
	struct fynq_uuid id;
};

struct sign_in {
	struct fynq_uuid id;
	int64_t expires_in;
};

struct link_in {
	struct fynq_uuid id;
	struct fynq_str expires, key, signature;
};

/* What sending a file's bytes takes, of its row f; the columns are numbered. */
#define FILE_ROW "f.user_id, f.name, f.media_type, f.sha256, f.bytes"
enum { FILE_USER, FILE_NAME, FILE_TYPE, FILE_SHA256, FILE_BYTES, FILE_COLUMNS };

/* Valid as long as the rows. */
struct file_row {
	struct fynq_str key; /* of its object in the store */
	struct fynq_str name, media_type, sha256;
	int64_t bytes;
};

/* The first of rows that begin with FILE_ROW. NOT_FOUND where there is none. */
enum fynq_err read_file_row(struct fynq_req *rq, const struct fynq_rows *rows,
    const struct fynq_uuid *id, struct file_row *f_r);

/*
 * Answer with a file's bytes, or with a part of them, so that no browser takes them for a page of
 * ours. cache is the answer's Cache-Control.
 */
enum fynq_err send_file(struct fynq_req *rq, const struct file_row *f, struct fynq_str cache);

/* files-read.c */
fynq_handler get_file, get_content;

/* files-link.c */
fynq_handler post_sign, get_link;

#endif
