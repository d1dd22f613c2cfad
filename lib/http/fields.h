/*
 * Fields: tables that turn a request's path, query and body into a struct, or say all that is
 * wrong with them at once.
 *
 *	struct chat_in {
 *		struct fynq_uuid id;
 *		struct fynq_str title;
 *		bool archived;
 *	};
 *	static const struct fynq_field chat_in[] = {
 *		FYNQ_FIELD(chat_in, id, FYNQ_IN_PATH, "The chat."),
 *		FYNQ_FIELD(chat_in, title, FYNQ_IN_BODY, "Its title.", .max = 200),
 *		FYNQ_FIELD(chat_in, archived, FYNQ_IN_BODY, "Put away."),
 *		FYNQ_FIELD_END
 *	};
 *
 * The member's C type decides the field's type. A member that was not sent stays zero: an absent
 * string, an absent id, false, 0, or what .fallback says; the fd of an absent file is -1. Texts
 * come as they were sent, except that ids are in lower case and that objects and arrays are
 * written compactly. Every fault names the field as a client knows it ("title", "preferences"), an
 * item with its place counted from 0 ("tags.3", "files.0"), and has one of these codes: missing,
 * unknown, type, too_short, too_long, too_small, too_large, format, value, not_unique.
 */
#ifndef FYNQ_HTTP_FIELDS_H
#define FYNQ_HTTP_FIELDS_H

#include <stddef.h>

#include "http/request.h"
#include "http/upload.h"

/* Types of members beside fynq_str, fynq_uuid, bool, int64_t and fynq_upload (upload.h). */
struct fynq_time {
	struct fynq_str text; /* RFC 3339, checked; PostgreSQL's timestamptz takes it */
};
struct fynq_date {
	struct fynq_str text; /* YYYY-MM-DD, checked */
};
struct fynq_json {
	struct fynq_str text; /* a JSON object, as text */
};
struct fynq_cursor {
	struct fynq_str text; /* base64url, at most 512 bytes; data/paging.h knows more */
};
struct fynq_array {
	struct fynq_str text; /* a JSON array, as text for PostgreSQL's jsonb; each item checked */
	size_t n;	      /* items */
};
struct fynq_uploads {
	struct fynq_upload *p; /* in the order in which they came; each has its file */
	size_t n;
};

enum fynq_type {
	FYNQ_T_STRING,
	FYNQ_T_UUID,
	FYNQ_T_BOOL,
	FYNQ_T_INT,
	FYNQ_T_TIME,
	FYNQ_T_DATE,
	FYNQ_T_OBJECT, /* as input: free members, bounded by .max bytes; as output: sub, or free */
	FYNQ_T_CURSOR,
	FYNQ_T_ARRAY, /* of sub; as input in a JSON body only, and of strings or ids */
	FYNQ_T_FILE,  /* in the body only, as a part of multipart/form-data */
	FYNQ_T_FILES  /* several of them under one name: parts of it may repeat */
};

/* Of strings; none lets a control character pass, but FYNQ_F_ANY takes tabs and line ends. */
enum fynq_format {
	FYNQ_F_ANY,
	FYNQ_F_EMAIL,  /* an address, in ASCII; see http/text.h */
	FYNQ_F_LOCALE, /* a language tag, such as en or pt-BR; see http/text.h */
	FYNQ_F_LINE    /* one line of text, without tabs */
};

enum {
	FYNQ_IN_PATH = 1,   /* a {name} of the route's path */
	FYNQ_IN_QUERY = 2,  /* ?name=value */
	FYNQ_IN_BODY = 4,   /* a member of the JSON body, a part of the form */
	FYNQ_REQUIRED = 8,  /* query and body; a path field always is */
	FYNQ_NULLABLE = 16, /* JSON null is allowed, and counts as absent in the struct */
	FYNQ_SECRET = 32,   /* never in a log; writeOnly in the OpenAPI document */
	FYNQ_OPTIONAL = 64, /* a reply may leave it out */
	FYNQ_UNIQUE = 128,  /* ARRAY: no item is there twice */
	FYNQ_EITHER = 256   /* body: of all rows that have it one is there, and one only */
};

struct fynq_field {
	const char *name;    /* NULL ends the table */
	size_t offset, size; /* of the member in its struct; of the whole struct */
	enum fynq_type type;
	unsigned int flags;
	const char *doc;
	int64_t min, max; /* see fynq_field_bounds() */
	int64_t items;	  /* FILES: how many at most; 0 for FYNQ_FILES_ITEMS */
	enum fynq_format format;
	const char *const *values;    /* STRING: the only ones allowed; ends in NULL */
	int64_t fallback;	      /* INT: when absent */
	bool blank;		      /* STRING: "" and white space alone are allowed */
	bool past;		      /* DATE: none that is ahead, in UTC */
	const struct fynq_field *sub; /* members of an object, or of an array's items; see below */
};

enum { FYNQ_FILES_ITEMS = 10 };

/* The table's row for member of struct s; flags and bounds as .max = 200 follow the sentence. */
#define FYNQ_FIELD(s, member, where, sentence, ...)                                              \
	{                                                                                        \
		.name = #member, .offset = offsetof(struct s, member), .size = sizeof(struct s), \
		.type = _Generic(((struct s *)0)->member, struct fynq_str                        \
				 : FYNQ_T_STRING, struct fynq_uuid                               \
				 : FYNQ_T_UUID, bool                                             \
				 : FYNQ_T_BOOL, int64_t                                          \
				 : FYNQ_T_INT, struct fynq_time                                  \
				 : FYNQ_T_TIME, struct fynq_date                                 \
				 : FYNQ_T_DATE, struct fynq_json                                 \
				 : FYNQ_T_OBJECT, struct fynq_cursor                             \
				 : FYNQ_T_CURSOR, struct fynq_array                              \
				 : FYNQ_T_ARRAY, struct fynq_upload                              \
				 : FYNQ_T_FILE, struct fynq_uploads                              \
				 : FYNQ_T_FILES),                                                \
		.flags = (where), .doc = (sentence), ##__VA_ARGS__                               \
	}

/*
 * A member of a reply, for the OpenAPI document: FYNQ_OUT("id", UUID, "The chat's id."). Every
 * reply has it unless .flags say FYNQ_OPTIONAL; it is null only where they say FYNQ_NULLABLE.
 *
 * The rows of .sub are such rows, too. Of an object in a body they are checked as fields are, with
 * .flags that hold FYNQ_IN_BODY, and the struct has the object's text; none of them is required. A
 * fault names both: "limits.tokens_day".
 */
#define FYNQ_OUT(member, kind, sentence, ...)                                             \
	{                                                                                 \
		.name = (member), .type = FYNQ_T_##kind, .doc = (sentence), ##__VA_ARGS__ \
	}

/*
 * The row of .sub of an array whose items are no objects, before FYNQ_FIELD_END: FYNQ_ITEM(STRING,
 * .max = 50, .format = FYNQ_F_LINE). It serves fields and replies; a field takes STRING and UUID,
 * and an item is never null.
 */
#define FYNQ_ITEM(kind, ...)                                     \
	{                                                        \
		.name = "", .type = FYNQ_T_##kind, ##__VA_ARGS__ \
	}

#define FYNQ_FIELD_END       \
	{                    \
		.name = NULL \
	}

/* The two rows of every list: the struct has int64_t limit and struct fynq_cursor cursor. */
#define FYNQ_FIELDS_PAGE(s)                                                                     \
	FYNQ_FIELD(                                                                             \
	    s, limit, FYNQ_IN_QUERY, "Items in a page.", .min = 1, .max = 100, .fallback = 20), \
	    FYNQ_FIELD(                                                                         \
		s, cursor, FYNQ_IN_QUERY, "Where the page begins: next_cursor of the last.")

/*
 * The bounds in force: code points of a STRING, the value of an INT, bytes of an OBJECT's compact
 * text, items of an ARRAY, bytes of a FILE and of each of FILES. A row without them means 1 to 1000
 * code points (254 of an email address, 35 of a locale; an empty string needs .blank), integers
 * that a double holds (RFC 7493), 8192 bytes of an object, 0 to 100 items, 1 byte to 10 MB (2^20)
 * of a file.
 */
void fynq_field_bounds(const struct fynq_field *f, int64_t *min_r, int64_t *max_r);

/*
 * Read the fields of rq->path_args, rq->query and rq->body into a struct in the arena; NULL for a
 * table that is NULL or empty. A query is read as forms are: "+" is a space.
 *
 * Where the table has body fields the body must be a JSON object sent as application/json
 * (MEDIA_TYPE) and sound as http/json.h has it: well-formed, UTF-8, at most 16 levels deep, with no
 * name twice and no \u0000 (BAD_JSON); rq->json is then its tree. An empty body, of whatever type,
 * is read as {}: what is required of it is missing.
 *
 * Where rq->form is set (form.h), its parts are the body instead. A text is read as a parameter of
 * a query is; so neither an object nor an array can be sent in one. A file without a name and
 * without bytes, which is what a browser sends for a file that was not chosen, is absent.
 *
 * Faults are a field that is not as the table says, a body where the table has none, any member or
 * query parameter that the table does not name, a query parameter or a part that comes twice (but
 * for parts of FILES), a file in place of a text and a text in place of a file. Of rows with
 * FYNQ_EITHER the first is named where none is there (missing), or more than one (not_unique).
 * INVALID, with every fault recorded in the order of path, query, body and the unnamed, where there
 * is one.
 */
enum fynq_err fynq_fields_read(
    struct fynq_req *rq, const struct fynq_field *table, const void **in_r) FYNQ_MUST_CHECK;

#endif
