/*
 * One value of a field: read as the field's type, checked against its bounds and its format.
 */
#ifndef FYNQ_HTTP_VALUE_H
#define FYNQ_HTTP_VALUE_H

#include "http/fields.h"

/*
 * Read a value into the struct's member. A value that is not as f says is recorded as a fault, and
 * then what the member holds means nothing. A text must be well-formed UTF-8; it is not copied and
 * must live as long as the request.
 */
void fynq_value_read_text(
    struct fynq_req *rq, const struct fynq_field *f, struct fynq_str text, void *member);

/* The same for a value of the body; value may be NULL, which is JSON's null. */
void fynq_value_read_json(
    struct fynq_req *rq, const struct fynq_field *f, struct json_object *value, void *member);

/* The same for a file, also for one of FILES; max was looked at while it came. */
void fynq_value_read_file(struct fynq_req *rq, const struct fynq_field *f,
    const struct fynq_upload *upload, void *member);

#endif
