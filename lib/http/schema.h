/*
 * Fields as JSON Schema (the dialect of OpenAPI 3.1).
 */
#ifndef FYNQ_HTTP_SCHEMA_H
#define FYNQ_HTTP_SCHEMA_H

#include "http/document.h"
#include "http/fields.h"

/*
 * Of the body's rows those that JSON can carry: all but files; a form: all but objects and arrays.
 */
enum { FYNQ_SCHEMA_JSON = 1 << 16, FYNQ_SCHEMA_FORM = 1 << 17 };

/*
 * `where` picks rows of a table: those of FYNQ_IN_PATH, FYNQ_IN_QUERY and FYNQ_IN_BODY that it
 * names, or FYNQ_SCHEMA_JSON or FYNQ_SCHEMA_FORM alone; 0 for a table of a reply, whose rows name
 * none.
 */
bool fynq_schema_picks(const struct fynq_field *f, unsigned int where);

/* Whether there is such a row; not in a table that is NULL. */
bool fynq_schema_has(const struct fynq_field *table, unsigned int where);

/* Write the keywords of the field's own schema into the object that is open. */
void fynq_schema_value(struct fynq_doc *d, const struct fynq_field *f);

/* Write those of an object that has these rows for members; all but its type. */
void fynq_schema_object(struct fynq_doc *d, const struct fynq_field *table, unsigned int where);

/* Begin, and end, the content of this media type and its schema, in a "content" that is open. */
void fynq_schema_open(struct fynq_doc *d, const char *media_type);
void fynq_schema_close(struct fynq_doc *d);

#endif
