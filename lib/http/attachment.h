/*
 * Answers that a browser keeps as a file.
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

#endif
