/*
 * Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
 */
#ifndef FYNQ_IDENTITY_JWK_H
#define FYNQ_IDENTITY_JWK_H

#include <json-c/json_object.h>

#include "base/arena.h"
#include "identity/keyset.h"

/* The longest JWK Set that is read or written, in bytes. */
enum { FYNQ_JWKS_MAX = 65536 };

/*
 * Read a JWK as a public key. False where it has no kid or one of more than 128 bytes, is meant for
 * something else than signatures, names another algorithm than the key's, or is no key that
 * identity/alg.h knows; a symmetric key is none. Private members are not looked at.
 */
bool fynq_jwk_read(struct json_object *jwk, struct fynq_key *key_r);

/*
 * Read a JWK Set from its "keys". What is no usable key is left out (RFC 7517 section 5), so the
 * set may be empty. NULL where there are no "keys", or more than 32.
 */
struct fynq_keyset *fynq_jwks_read(struct json_object *jwks);

/* Append the keys that verify at that time, or may once they sign, as a JSON array: public alone.
 */
void fynq_jwks_write(struct fynq_buf *b, const struct fynq_keyset *set, int64_t now);

#endif
