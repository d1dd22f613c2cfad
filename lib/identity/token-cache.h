/*
 * The tokens that were verified, so that one is verified once.
 *
 * A table of fixed size, shared by the threads of a process. A token is known by its SHA-256
 * alone: nothing that a client could present lies here. An entry may give way to another at any
 * time, and may hold a token that has expired since: who reads it looks at exp. It counts as long
 * as its key does: under the generation of keys that it was verified under (identity/keys.h).
 */
#ifndef FYNQ_IDENTITY_TOKEN_CACHE_H
#define FYNQ_IDENTITY_TOKEN_CACHE_H

#include "identity/claims.h"

/* The claims of a known token, and their text in the arena. False where it is not known. */
bool fynq_token_cache_get(struct fynq_arena *a, struct fynq_str token, uint64_t generation,
    struct fynq_claims *claims_r, struct fynq_str *text_r);

/*
 * Remember a verified token by copies of its claims and their text. The generation is the one from
 * before it was verified.
 */
void fynq_token_cache_put(struct fynq_str token, uint64_t generation,
    const struct fynq_claims *claims, struct fynq_str text);

#endif
