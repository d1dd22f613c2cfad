/*
 * What the handlers of the file routes share. files.c has the routes.
 *
 *	files-keep.c	the list of files, and their deletion
 *	files-read.c	what is known of files, and their bytes
 *	files-upload.c	files that come in
 *	files-link.c	links that read them without a token
 */
#ifndef FYNQ_FILES_H
#define FYNQ_FILES_H

#include "fynq.h"

/* How many files one request may bring. */
enum { FILES_AT_ONCE = 20 };

/* A row f of public.files as the JSON that clients see. */
#define FILE_MADE FYNQ_SQL_TIME("f.created_at")
#define FILE_JSON                                                             \
	"json_build_object('id', f.id, 'purpose', f.purpose, 'name', f.name," \
	" 'media_type', f.media_type, 'bytes', f.bytes, 'sha256', f.sha256,"  \
	" 'width', f.width, 'height', f.height, 'created_at', " FILE_MADE "," \
	" 'url', '/api/v1/files/' || f.id || '/content')"

struct file_in {
	struct fynq_uuid id;
};

struct list_in {
	struct fynq_str purpose;
	int64_t limit;
	struct fynq_cursor cursor;
};

struct upload_in {
	struct fynq_upload file;
	struct fynq_uploads files;
	struct fynq_str purpose; /* absent: document */
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

/*
 * Whom a row f is for, beside who has a link: its owner, and who sees a content that refers to it.
 * Asked as the service, since row security lets nobody else's file be seen. FILE_FOR is $1 to $3.
 */
#define FILE_SEEN                                                                          \
	" from public.files f where f.id = $1::uuid and (f.user_id = $2::uuid or exists (" \
	"select from public.contents c where c.file_id = f.id"                             \
	" and (c.published or c.author_id = $2::uuid or $3::boolean)))"
#define FILE_FOR(rq, file) \
	fynq_uuid_str(&(file)), (rq)->caller.id, fynq_arg_bool((rq)->caller.role == FYNQ_ADMIN)

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
 * What a file is saved as: its name or, where it has none, "file"; with an extension of its type.
 */
struct fynq_str file_name(struct fynq_req *rq, const struct file_row *f);

/*
 * Answer with a file's bytes, or with a part of them, so that no browser takes them for a page of
 * ours. cache is the answer's Cache-Control.
 */
enum fynq_err send_file(struct fynq_req *rq, const struct file_row *f, struct fynq_str cache);

/* files-keep.c */
fynq_handler get_files, delete_file;

/* files-read.c */
fynq_handler get_file, get_content;

/* files-upload.c */
fynq_admit admit_upload;
fynq_handler post_upload;

/* files-link.c */
fynq_handler post_sign, get_link;

#endif
