/*
 * Passwords, as bcrypt hashes of crypt(5).
 *
 * These are what Supabase Auth stores, so accounts move either way. bcrypt reads 72 bytes at most:
 * a longer password is refused, never cut.
 */
#ifndef FYNQ_IDENTITY_PASSWORD_H
#define FYNQ_IDENTITY_PASSWORD_H

#include "base/str.h"

/* The shortest password that is accepted anew, in characters, and the longest, in bytes. */
enum { FYNQ_PASSWORD_MIN = 8, FYNQ_PASSWORD_MAX = 72 };

/* Bytes that a hash needs, with its NUL. */
enum { FYNQ_PASSWORD_HASH_SIZE = 61 };

/*
 * Hash a password with a fresh salt and the cost FYNQ_BCRYPT_COST, which takes tens of
 * milliseconds. False where it is longer than 72 bytes or holds a NUL.
 */
bool fynq_password_hash(struct fynq_str password, char hash_r[static FYNQ_PASSWORD_HASH_SIZE])
    __attribute__((warn_unused_result));

/*
 * True when hash ($2a$, $2b$ or $2y$) is the password's. Where it is absent or something else, and
 * where the password cannot have one, the answer is false after the time that a hash of the
 * cost FYNQ_BCRYPT_COST takes: who waits for it does not learn whether there is an account.
 */
bool fynq_password_check(struct fynq_str password, struct fynq_str hash)
    __attribute__((warn_unused_result));

#endif
