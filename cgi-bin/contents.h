/*
 * What the handlers of the library's routes share. contents.c has the routes.
 *
 *	contents-find.c	the list, and the search
 *	contents-keep.c	one content: read, add, change, delete
 */
#ifndef FYNQ_CONTENTS_H
#define FYNQ_CONTENTS_H

#include "fynq.h"

struct list_in {
	struct fynq_str q, type, tag, language, published;
	struct fynq_uuid author;
	bool mine;
	int64_t limit;
	struct fynq_cursor cursor;
};

struct content_in {
	struct fynq_uuid id;
};

/* Of a new content, and of a change to one; type and id are but one's of the two. */
struct write_in {
	struct fynq_uuid id, file_id;
	struct fynq_str type, title, description, body, url, language;
	struct fynq_array tags;
	bool published;
};

/* The members of a content c, but its text. */
#define CONTENT_MEMBERS                                                                   \
	"'id', c.id, 'author_id', c.author_id, 'type', c.type, 'title', c.title,"         \
	" 'description', c.description, 'language', c.language, 'tags', c.tags,"          \
	" 'published', c.published, 'file_id', c.file_id,"                                \
	" 'url', coalesce(c.url, '/api/v1/files/' || c.file_id || '/content'),"           \
	" 'pages', c.pages, 'extraction', c.extraction,"                                  \
	" 'extraction_error', c.extraction_error,"                                        \
	" 'created_at', " FYNQ_SQL_TIME("c.created_at") ", 'updated_at', " FYNQ_SQL_TIME( \
	    "c.updated_at")

/* contents-find.c */
fynq_handler get_contents;

/* contents-keep.c */
fynq_handler get_content, post_content, patch_content, delete_content;

#endif
