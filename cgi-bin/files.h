/*
 * What the handlers of the file routes share. files.c has the routes.
 *
 *	files-keep.c	the list of files, and their deletion
 *	files-read.c	what is known of files, and their bytes
 *	files-upload.c	files that come in
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

/* files-keep.c */
fynq_handler get_files, delete_file;

/* files-read.c */
fynq_handler get_file, get_content;

/* files-upload.c */
fynq_admit admit_upload;
fynq_handler post_upload;

#endif
