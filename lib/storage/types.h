/*
 * What files may be, by what they are for: one table of media types.
 *
 * A file is what its content says. It is kept, and handed out again, under the table's own name for
 * that type; what no row has is refused, and so is a file that its sender calls something else. The
 * table has nothing that a browser runs: no HTML, SVG or other XML, no scripts, and no archives;
 * what is JavaScript to libmagic is text, and goes out as that. A file that is two things at once,
 * as a picture with a page of HTML behind it, is here but the one that its first bytes say, and
 * goes out as that.
 */
#ifndef FYNQ_STORAGE_TYPES_H
#define FYNQ_STORAGE_TYPES_H

#include "http/upload.h"

/* What files are for, as public.files and clients have it; ends in NULL. */
extern const char *const fynq_purposes[];

/*
 * What the upload of the field so called is, by its content, for that purpose: the media type as it
 * is kept, static. What its sender says counts only where it is something else: no type and
 * application/octet-stream say nothing, and names that mean one thing, as image/jpg and image/jpeg,
 * are one. Text is text/plain, whatever kind of it is meant: UTF-8, of which the first and the last
 * FYNQ_SNIFF_BYTES are looked at. One that is binary in its middle is taken, and does no harm:
 * nobody is told that it is anything but text.
 *
 * MEDIA_TYPE, with a fault "type" of the field; STORAGE_UNAVAILABLE where the file cannot be read
 * or libmagic does not work here.
 */
enum fynq_err fynq_type_check(struct fynq_req *rq, struct fynq_str field, struct fynq_str purpose,
    const struct fynq_upload *upload, const char **media_type_r) FYNQ_MUST_CHECK;

/* What the names of such files end in, as ".jpg"; "" for a type that the table does not have. */
const char *fynq_type_extension(struct fynq_str media_type);

/*
 * What a file of that type may be saved as: name, where it ends in an extension of the type, else
 * with the type's own behind it. A system opens what was saved by its extension: a PDF with a page
 * of HTML in it, called a.html, would be that page there. ".bin" for a type that the table does not
 * have. In the request's arena, or name itself.
 */
struct fynq_str fynq_type_name(
    struct fynq_req *rq, struct fynq_str media_type, struct fynq_str name);

#endif
