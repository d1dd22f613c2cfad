/*
 * Signatures of access tokens (RFC 7518 section 3, RFC 8037 section 3.1), by OpenSSL.
 *
 * A key has one algorithm, and that is the key's to say, never the token's (RFC 8725 section 3.1).
 * Nothing here leaves an error in OpenSSL's queue, where this thread's next TLS call could take it
 * for its own.
 */
#ifndef FYNQ_IDENTITY_ALG_H
#define FYNQ_IDENTITY_ALG_H

#include <openssl/evp.h>

#include "base/buf.h"

enum fynq_alg { FYNQ_HS256, FYNQ_RS256, FYNQ_ES256, FYNQ_EDDSA, FYNQ_ALGS };

/* RSA keys have 2048 bits (RFC 7518 section 3.3) to 8192, and signatures are that long. */
enum { FYNQ_RSA_BITS_MIN = 2048, FYNQ_RSA_BITS_MAX = 8192, FYNQ_SIGNATURE_MAX = 1024 };

/* "HS256", "RS256", "ES256", "EdDSA", NULL. */
extern const char *const fynq_alg_names[];

/* The algorithm of that name; names are compared as they are. False where there is none. */
bool fynq_alg_parse(struct fynq_str name, enum fynq_alg *alg_r);

/*
 * The algorithm that a public or private key serves. False where it serves none: an RSA key of
 * another size or with an exponent below 3, another curve than P-256 and Ed25519.
 */
bool fynq_alg_of(const EVP_PKEY *pkey, enum fynq_alg *alg_r);

/* A new private key; EVP_PKEY_free() it. NULL where OpenSSL makes none, and for HS256. */
EVP_PKEY *fynq_alg_generate(enum fynq_alg alg);

/*
 * Is it the key's signature of the text? One of ES256 is r and s, 32 bytes each (RFC 7518 section
 * 3.4), both from 1 to below the order of the curve.
 */
bool fynq_alg_verify(
    enum fynq_alg alg, EVP_PKEY *pkey, struct fynq_str text, struct fynq_str signature);

/* Sign the text with a private key. False where OpenSSL does not. */
bool fynq_alg_sign(enum fynq_alg alg, EVP_PKEY *pkey, struct fynq_str text,
    unsigned char signature_r[static FYNQ_SIGNATURE_MAX], size_t *n_r);

#endif
