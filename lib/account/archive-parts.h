/*
 * What an archive has in it: one table, from which its files are made, its README, and the test
 * that no table of the database is missing.
 */
#ifndef FYNQ_ACCOUNT_ARCHIVE_PARTS_H
#define FYNQ_ACCOUNT_ARCHIVE_PARTS_H

#include "data/db.h"

enum fynq_shape {
	FYNQ_SHAPE_ONE,	 /* one value: the statement's one row has it */
	FYNQ_SHAPE_LIST, /* an array of all rows, read by pages */
	FYNQ_SHAPE_CHAT, /* a file for each row: a chat with its messages, in the file's folder */
	FYNQ_SHAPE_BYTES /* a file for each row: the object of a file, in the file's folder */
};

/*
 * Of a page's statement $1 is the user and $2 the last row's key, null at first; its rows are (item
 * json, key text), and of FYNQ_SHAPE_BYTES then the id and the name. At most FYNQ_PAGE_ROWS of
 * them, and of about a megabyte: one row has what it has.
 */
struct fynq_part {
	const char *file;   /* its path in the archive; a folder ends in / */
	const char *tables; /* what is in it, with commas between */
	const char *what;   /* for the README */
	enum fynq_shape shape;
	const struct fynq_stmt *stmt;
};

enum { FYNQ_PAGE_ITEM, FYNQ_PAGE_KEY, FYNQ_PAGE_ID, FYNQ_PAGE_NAME };

/* Ends in a row without file. */
extern const struct fynq_part fynq_parts[];

/* A page of a chat's messages on all branches: $1 user, $2 the last key or null, $3 the chat. */
extern const struct fynq_stmt fynq_part_messages;

/* Tables about users that are left out on purpose, and why; ends in a row without table. */
struct fynq_left_out {
	const char *table, *why;
};
extern const struct fynq_left_out fynq_parts_left_out[];

/*
 * What is in an archive, in plain English, and as JSON for programs; missing are the ids of files
 * without bytes, as JSON strings with commas between.
 */
void fynq_parts_words(struct fynq_buf *out, struct fynq_str missing);
void fynq_parts_json(struct fynq_buf *out, struct fynq_str missing);

#endif
