/*
 * A SHA-256 taken piece by piece; base/ids.h has the one of a whole string.
 *
 * A thread takes some 2 GB of it in a second, which is about what else an upload costs. So a long
 * one is taken beside the caller's other work, by a thread that the digest starts for itself and
 * that ends with it.
 */
#ifndef FYNQ_BASE_DIGEST_H
#define FYNQ_BASE_DIGEST_H

#include "arena.h"
#include "ids.h"

struct fynq_digest;

/* Belongs to the arena, and to one thread at a time. */
struct fynq_digest *fynq_digest_new(struct fynq_arena *a);

void fynq_digest_add(struct fynq_digest *d, struct fynq_str bytes);

/*
 * The same, but bytes must stay as they are until the next call for d, its end or the arena's: past
 * FYNQ_DIGEST_LONG bytes it returns before they are taken.
 */
void fynq_digest_begin(struct fynq_digest *d, struct fynq_str bytes);

enum { FYNQ_DIGEST_LONG = 4 << 20 };

/* Add the length of s, then s, so that two strings in a row are not taken for two others. */
void fynq_digest_add_framed(struct fynq_digest *d, struct fynq_str s);

/* The SHA-256 of all that was added, as lower-case hexadecimal; d is empty again. */
void fynq_digest_end(struct fynq_digest *d, char hex_r[static FYNQ_SHA256_SIZE]);

#endif
