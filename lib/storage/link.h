/*
 * Links to files that work for anyone who has them, until they expire.
 *
 *	/api/v1/files/{id}/link?expires=1767225600&key=1a2b3c4d&signature=...
 *
 * The signature is an HMAC-SHA256 in base64url over method, id and expiry, which is in seconds
 * since 1970. Its key is made of FYNQ_LINK_SECRET, or of FYNQ_JWT_SECRET where that is not set;
 * key in the link says which by the first 8 hexadecimal digits of the key's SHA-256. While a
 * secret is changed, FYNQ_LINK_SECRET_OLD keeps the links of the one before working. A link says
 * nothing about who made it: it ends with its time, or with its file.
 */
#ifndef FYNQ_STORAGE_LINK_H
#define FYNQ_STORAGE_LINK_H

#include "http/request.h"

/* A link lives from a minute on, and an hour where nobody says; FYNQ_LINK_DAYS bounds it. */
enum { FYNQ_LINK_SECONDS_MIN = 60, FYNQ_LINK_SECONDS = 3600 };

enum { FYNQ_LINK_KEY_SIZE = 9, FYNQ_LINK_SIGNATURE_SIZE = 44 };

/* The three parameters of a link, as they stand in it. */
struct fynq_link {
	struct fynq_str expires, key, signature;
};

/*
 * The URL of a link that reads the file until then, in the request's arena: absolute where
 * FYNQ_PUBLIC_URL is set, else its path. STORAGE_UNAVAILABLE where there is no secret; the log says
 * which setting is missing.
 */
enum fynq_err fynq_link_sign(struct fynq_req *rq, const struct fynq_uuid *file, int64_t expires,
    struct fynq_str *url_r) FYNQ_MUST_CHECK;

/*
 * May the request read the file by this link, and for how many seconds from now on? BAD_LINK where
 * it has expired or was not made so.
 */
enum fynq_err fynq_link_check(struct fynq_req *rq, const struct fynq_uuid *file,
    const struct fynq_link *link, int64_t *seconds_r) FYNQ_MUST_CHECK;

#endif
