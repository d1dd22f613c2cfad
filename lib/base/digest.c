#include <stdio.h>

#include <openssl/evp.h>

#include "digest.h"
#include "log.h"

struct fynq_digest {
	EVP_MD_CTX *ctx;
};

/* OpenSSL fails here only where memory is out or SHA-256 is not to be had. */
static void
must(int ok)
{
	if (ok != 1)
		fynq_log_fatal("digest", "OpenSSL makes no SHA-256");
}

static void
free_digest(void *arg)
{
	struct fynq_digest *d = arg;

	EVP_MD_CTX_free(d->ctx);
}

struct fynq_digest *
fynq_digest_new(struct fynq_arena *a)
{
	struct fynq_digest *d = fynq_arena_alloc(a, sizeof(*d));

	d->ctx = EVP_MD_CTX_new();
	fynq_arena_defer(a, free_digest, d);
	must(d->ctx != NULL);
	must(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
	return d;
}

void
fynq_digest_add(struct fynq_digest *d, struct fynq_str bytes)
{
	if (bytes.n > 0)
		must(EVP_DigestUpdate(d->ctx, bytes.p, bytes.n));
}

void
fynq_digest_add_framed(struct fynq_digest *d, struct fynq_str s)
{
	char length[24];
	int n = snprintf(length, sizeof(length), "%zu:", s.n);

	fynq_digest_add(d, (struct fynq_str){ length, (size_t)n });
	fynq_digest_add(d, s);
}

void
fynq_digest_end(struct fynq_digest *d, char hex_r[static FYNQ_SHA256_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n;

	must(EVP_DigestFinal_ex(d->ctx, digest, &n));
	for (unsigned int i = 0; i < n; i++)
		snprintf(hex_r + 2 * i, 3, "%02x", digest[i]);
	must(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
}
