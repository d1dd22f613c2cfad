/*
 * The body of a route that takes files: multipart/form-data, read in pieces.
 *
 * The texts of a form are kept in memory, as many bytes of them as a JSON body may have; files go
 * through to the disk (upload.h). So a request takes the same memory whatever its body's size, and
 * as many descriptors as its table has files: one for a FILE, .items for FILES. A part that its
 * table does not want is read over; http/fields.h then names its fault.
 */
#ifndef FYNQ_HTTP_FORM_H
#define FYNQ_HTTP_FORM_H

#include "http/fields.h"
#include "http/multipart.h"

struct fynq_form_part {
	struct fynq_str name;
	struct fynq_str text; /* of a text, any bytes; absent for a file */
	bool is_file;
	struct fynq_upload upload; /* of a file that its field takes */
};

struct fynq_form {
	struct fynq_form_part parts[FYNQ_MULTIPART_PARTS]; /* in the order of the body */
	size_t n;
};

/* Whether the table has a field of type FYNQ_T_FILE or FYNQ_T_FILES; not where it is NULL. */
bool fynq_form_wanted(const struct fynq_field *table);

/* Whether a form alone can have what the table requires: JSON has no files. */
bool fynq_form_alone(const struct fynq_field *table);

/*
 * Read the body of a route with this table, of at most max bytes: a form into rq->form where the
 * table has a file field and the body is multipart/form-data, else, as fynq_req_body() does, into
 * rq->body; beside a file field that has FYNQ_BODY_MAX bytes at most.
 *
 * MEDIA_TYPE where the table has a file field and the body is neither form nor JSON, or JSON where
 * a form alone will do; BAD_REQUEST where a form is malformed or a body ends early; TOO_LARGE past
 * max bytes, for texts of more than FYNQ_BODY_MAX bytes, and for a file larger than its field's
 * .max or, where that is set and less, rq->file_max; INVALID for more files than .items: each as
 * soon as it shows, and what follows is not read. INSUFFICIENT_STORAGE and STORAGE_UNAVAILABLE as
 * upload.h has them, TOO_SLOW as request.h.
 */
enum fynq_err fynq_form_body(
    struct fynq_req *rq, const struct fynq_field *table, size_t max) FYNQ_MUST_CHECK;

#endif
