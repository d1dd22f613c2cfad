/*
 * A part of what is sent, where a client asks for one (RFC 9110 section 14).
 *
 * One range of bytes is served: bytes=A-B, bytes=A- or bytes=-N. Several, another unit and what is
 * malformed are ignored, as section 14.2 allows, and the answer is the whole.
 */
#ifndef FYNQ_HTTP_RANGE_H
#define FYNQ_HTTP_RANGE_H

#include "http/request.h"

/* n bytes from an offset on; all of them where part is false. */
struct fynq_range {
	bool part;
	int64_t from, n;
};

/*
 * What a Range header asks for of so many bytes; absent is the whole. False where it begins behind
 * them, or asks for none (section 14.1.2).
 */
bool fynq_range_parse(struct fynq_str header, int64_t bytes, struct fynq_range *range_r);

/*
 * The same for a request, whose If-Range holds with that tag (without quotes) alone, compared
 * strongly (section 13.1.5); a date never does, as no answer has one. Only GET has ranges. RANGE,
 * with the answer's Content-Range.
 */
enum fynq_err fynq_range_of(struct fynq_req *rq, struct fynq_str tag, int64_t bytes,
    struct fynq_range *range_r) FYNQ_MUST_CHECK;

/* Give the answer its Accept-Ranges and, to a part, its Content-Range. Such a one is a 206. */
void fynq_reply_range(struct fynq_req *rq, const struct fynq_range *range, int64_t bytes);

#endif
