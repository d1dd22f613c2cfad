/*
 * The key of access tokens, from the settings.
 */
#ifndef FYNQ_IDENTITY_TOKEN_KEY_H
#define FYNQ_IDENTITY_TOKEN_KEY_H

#include <jwt.h>

#include "base/buf.h"

enum { FYNQ_PEM_SIZE = 512 };

/* As libjwt takes it. The strings may point into the struct, so it is not to be copied. */
struct fynq_token_key {
	jwt_alg_t alg;
	struct fynq_str name;	      /* the algorithm, as a token's header has it */
	size_t signature_size;	      /* in bytes */
	struct fynq_str sign, verify; /* the secret twice, or a private and a public key as PEM */
	char pem[2][FYNQ_PEM_SIZE];
};

/*
 * The P-256 private key in FYNQ_JWT_KEYS_DIR for ES256, else FYNQ_JWT_SECRET for HS256. False,
 * with a line that names the setting, where there is no usable one.
 */
bool fynq_token_key_load(struct fynq_token_key *key_r, struct fynq_buf *problems_r);

#endif
