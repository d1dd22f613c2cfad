#include <openssl/err.h>
#include <openssl/hmac.h>

#include "hmac.h"

bool
fynq_hmac_sign(
    struct fynq_str secret, struct fynq_str text, unsigned char mac_r[static FYNQ_HMAC_SIZE])
{
	unsigned int n = 0;
	bool done = HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)text.p,
			text.n, mac_r, &n) != NULL;

	ERR_clear_error();
	return done && n == FYNQ_HMAC_SIZE;
}

bool
fynq_hmac_verify(struct fynq_str secret, struct fynq_str text, struct fynq_str mac)
{
	unsigned char own[FYNQ_HMAC_SIZE];

	return secret.n > 0 && fynq_hmac_sign(secret, text, own) &&
	       fynq_str_same_secret((struct fynq_str){ (const char *)own, sizeof(own) }, mac);
}
