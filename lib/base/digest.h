/*
 * A SHA-256 taken piece by piece; base/ids.h has the one of a whole string.
 */
#ifndef FYNQ_BASE_DIGEST_H
#define FYNQ_BASE_DIGEST_H

#include "arena.h"
#include "ids.h"

struct fynq_digest;

/* Belongs to the arena. */
struct fynq_digest *fynq_digest_new(struct fynq_arena *a);

void fynq_digest_add(struct fynq_digest *d, struct fynq_str bytes);

/* Add the length of s, then s, so that two strings in a row are not taken for two others. */
void fynq_digest_add_framed(struct fynq_digest *d, struct fynq_str s);

/* The SHA-256 of all that was added, as lower-case hexadecimal; d is empty again. */
void fynq_digest_end(struct fynq_digest *d, char hex_r[static FYNQ_SHA256_SIZE]);

#endif
