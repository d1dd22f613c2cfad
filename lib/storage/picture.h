/*
 * Pictures that users send, made ready to be kept and shown.
 *
 * What comes in is decoded and written anew by libvips' programs, each run as a child under limits
 * (base/child.h): no decoder ever runs in a responder, and nothing of the file survives but its
 * pixels. What comes out is a JPEG or PNG, upright, in sRGB, at most FYNQ_IMAGE_SIDE wide and high,
 * without metadata.
 */
#ifndef FYNQ_STORAGE_PICTURE_H
#define FYNQ_STORAGE_PICTURE_H

#include "base/ids.h"
#include "http/request.h"

/* No prepared picture is larger, in bytes. */
enum { FYNQ_PICTURE_MAX = 8 << 20 };

struct fynq_picture {
	int fd;			/* a file without a name; closed when the request ends */
	const char *media_type; /* static: "image/jpeg" or "image/png" */
	int64_t bytes;
	char sha256[FYNQ_SHA256_SIZE];
	int width, height; /* pixels */
};

/*
 * Prepare the picture in fd_in, a regular file of so many bytes; its position moves. JPEG, WebP and
 * HEIC become a JPEG; PNG stays one, unless that would be large: then it is a JPEG on white. Of a
 * file with several pictures the first is taken. Blocks, for up to twice FYNQ_IMAGE_SECONDS. field
 * is the request's, for a fault to name.
 *
 *	MEDIA_TYPE            not one of these, by its content; a fault "type" of the field
 *	INVALID               a fault of that field: "too_large" (its pixels, or what they would
 *	                      take), "format" (it cannot be decoded, as when it is cut off)
 *	BUSY                  FYNQ_IMAGE_PROCESSES are at work, or the machine is too slow
 *	PICTURES_UNAVAILABLE  libvips' programs do not run here; the log says what to install
 *	STORAGE_UNAVAILABLE   FYNQ_FILES_DIR cannot be written
 */
enum fynq_err fynq_picture_prepare(struct fynq_req *rq, struct fynq_str field, int fd_in,
    int64_t bytes, struct fynq_picture *picture_r) FYNQ_MUST_CHECK;

#endif
