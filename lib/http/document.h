/*
 * A JSON document for people to read and compare: a member a line, two spaces a level.
 *
 * What stands in an object has a name; in an array, and at the top, it is NULL. Whether all of it
 * found room the buffer knows (base/buf.h).
 */
#ifndef FYNQ_HTTP_DOCUMENT_H
#define FYNQ_HTTP_DOCUMENT_H

#include "base/buf.h"

struct fynq_doc {
	struct fynq_buf *out;
	int depth;
	bool fresh; /* nothing stands yet in what was opened last */
};

/* Begin an object with '{' or an array with '['; close it with the same kind of bracket. */
void fynq_doc_open(struct fynq_doc *d, const char *name, char bracket);
void fynq_doc_close(struct fynq_doc *d, char bracket);

void fynq_doc_text(struct fynq_doc *d, const char *name, struct fynq_str text);
void fynq_doc_number(struct fynq_doc *d, const char *name, int64_t number);
void fynq_doc_bool(struct fynq_doc *d, const char *name, bool value);
void fynq_doc_null(struct fynq_doc *d, const char *name);

#endif
