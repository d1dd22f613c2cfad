/*
 * Answers that a browser keeps as a file, and the names of files.
 */
#ifndef FYNQ_HTTP_ATTACHMENT_H
#define FYNQ_HTTP_ATTACHMENT_H

#include "http/request.h"

/*
 * Add Content-Disposition: attachment with a file name made of name, which is well-formed UTF-8 of
 * anybody's making, and extension, ASCII without its dot: once in ASCII and once as it is (RFC 6266
 * section 4.3, RFC 8187). What the file systems or shells of some machine treat specially becomes
 * "_", and so do the characters that turn the direction of writing; dots and spaces at both ends
 * go. At most 80 code points are kept of it; a name of which nothing is left becomes "file".
 */
void fynq_reply_attachment(struct fynq_req *rq, struct fynq_str name, const char *extension);

/*
 * The same for a file that somebody sent under this name, its extension included, which stays
 * however long the name is: up to 16 letters and digits behind the last dot. shown: a browser may
 * show it in its place (inline) instead of saving it.
 */
void fynq_reply_filename(struct fynq_req *rq, struct fynq_str name, bool shown);

/* The name that such an answer has it saved under, in the request's arena. */
struct fynq_str fynq_filename(struct fynq_req *rq, struct fynq_str name);

#endif
