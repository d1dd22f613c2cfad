/*
 * Message authentication by HMAC-SHA256 (RFC 2104), by OpenSSL.
 *
 * Nothing here leaves an error in OpenSSL's queue, where this thread's next TLS call could take it
 * for its own.
 */
#ifndef FYNQ_BASE_HMAC_H
#define FYNQ_BASE_HMAC_H

#include "str.h"

enum { FYNQ_HMAC_SIZE = 32 };

/* The text's code under a secret. False where OpenSSL makes none. */
bool fynq_hmac_sign(
    struct fynq_str secret, struct fynq_str text, unsigned char mac_r[static FYNQ_HMAC_SIZE]);

/*
 * Is it that code? In a time that does not depend on where it differs; no code is an empty
 * secret's.
 */
bool fynq_hmac_verify(struct fynq_str secret, struct fynq_str text, struct fynq_str mac);

#endif
