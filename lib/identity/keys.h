/*
 * The keys of access tokens as they stand: fynq's own, in FYNQ_JWT_KEYS_DIR, or those that Supabase
 * Auth publishes. FYNQ_JWT_SECRET is none of them: it has no kid.
 *
 * A running process learns of changes by itself. It looks at the folder anew every three seconds
 * and when a token names a key that it does not know. What Supabase publishes is kept for as long
 * as the answer said, one minute to a day, and shared by the processes of a host in
 * FYNQ_RUN_DIR/jwks.json; a key that is not known has it fetched again, once a minute on a host.
 * Where that fails the last keys are good. Thread safe. now is in seconds since 1970.
 */
#ifndef FYNQ_IDENTITY_KEYS_H
#define FYNQ_IDENTITY_KEYS_H

#include "base/arena.h"
#include "base/err.h"
#include "identity/keyset.h"

/*
 * Prepare, and read the folder where keys are local. Once, before any thread starts. False, with a
 * line in problems_r, where no token could be verified: neither a key nor a secret, a folder that
 * cannot be read, a file in it that is no usable key, no FYNQ_SUPABASE_URL.
 */
bool fynq_keys_init(struct fynq_buf *problems_r);

/*
 * Counts how often keys were taken away: what was verified under another number is to be verified
 * again. Looks for changes where it is time to; never waits for another host.
 */
uint64_t fynq_keys_generation(int64_t now);

/*
 * The key of that kid; it lives as long as the arena. A kid that is not known may have the keys
 * fetched, for at most ten seconds. UNAUTHORIZED where there is no
 * such key; AUTH_UNAVAILABLE where there are no keys yet and none come, or too many wait already.
 */
enum fynq_err fynq_keys_find(struct fynq_arena *a, struct fynq_str kid, int64_t now,
    const struct fynq_key **key_r) FYNQ_MUST_CHECK;

/* Is there a key of that kid, as far as can be known? An absent kid names none. */
bool fynq_keys_known(struct fynq_str kid, int64_t now);

/* The key that signs now; it lives as long as the arena. NULL where none does. */
const struct fynq_key *fynq_keys_signer(struct fynq_arena *a, int64_t now);

/*
 * The public keys as a JWK Set (RFC 7517 section 5), in the arena. AUTH_UNAVAILABLE where there
 * are no keys yet and none come.
 */
enum fynq_err fynq_keys_publish(
    struct fynq_arena *a, int64_t now, struct fynq_str *jwks_r) FYNQ_MUST_CHECK;

#endif
