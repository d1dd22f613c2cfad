#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "clock.h"
#include "ids.h"
#include "log.h"

/* Whole groups of three bytes. */
enum { BASE64_PIECE = 3072 };

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
fynq_random(void *p, size_t n)
{
	for (char *at = p; n > 0;) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno != EINTR)
			fynq_log_fatal("random", "the kernel gives no random bytes");
		if (got > 0) {
			at += got;
			n -= (size_t)got;
		}
	}
}

struct fynq_uuid
fynq_uuid_new(void)
{
	/* The last id's milliseconds and its 12 bits of rand_a, which count within one. */
	static _Thread_local uint64_t last_ms;
	static _Thread_local unsigned int counter;
	uint64_t ms = (uint64_t)fynq_clock_now_us() / 1000;
	struct fynq_uuid id;
	unsigned char rnd[10];

	fynq_random(rnd, sizeof(rnd));
	if (ms > last_ms) {
		last_ms = ms;
		counter = ((unsigned int)rnd[0] << 8 | rnd[1]) & 0x7ff;
	} else if (++counter > 0xfff) {
		last_ms++;
		counter = 0;
	}
	snprintf(id.text, sizeof(id.text), "%08x-%04x-7%03x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	    (unsigned int)(last_ms >> 16), (unsigned int)(last_ms & 0xffff), counter,
	    (rnd[2] & 0x3f) | 0x80, rnd[3], rnd[4], rnd[5], rnd[6], rnd[7], rnd[8], rnd[9]);
	return id;
}

bool
fynq_uuid_parse(struct fynq_str s, struct fynq_uuid *id_r)
{
	if (s.n != sizeof(id_r->text) - 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		unsigned char c = (unsigned char)s.p[i];

		if (dash ? c != '-' : !isxdigit(c))
			return false;
		id_r->text[i] = (char)tolower(c);
	}
	id_r->text[s.n] = '\0';
	return true;
}

struct fynq_str
fynq_uuid_str(const struct fynq_uuid *id)
{
	return fynq_str_of(id->text[0] != '\0' ? id->text : NULL);
}

void
fynq_token_new(char token_r[static FYNQ_TOKEN_SIZE])
{
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_TOKEN_SIZE);
	unsigned char rnd[32];

	fynq_random(rnd, sizeof(rnd));
	fynq_base64url(&b, rnd, sizeof(rnd));
	memcpy(token_r, b.p, b.n);
	token_r[b.n] = '\0';
	fynq_buf_release(&b);
}

/* By pieces, of which the last one alone is padded; pictures are large, and OpenSSL is fast. */
void
fynq_base64(struct fynq_buf *b, const void *data, size_t n)
{
	unsigned char text[BASE64_PIECE / 3 * 4 + 1];
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i += BASE64_PIECE) {
		int have = (int)(n - i < BASE64_PIECE ? n - i : BASE64_PIECE);
		int made = EVP_EncodeBlock(text, p + i, have);

		fynq_buf_add(b, (struct fynq_str){ (const char *)text, (size_t)made });
	}
}

void
fynq_base64url(struct fynq_buf *b, const void *data, size_t n)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		uint32_t bits = (uint32_t)p[i] << 16 | (have > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
				(have > 2 ? p[i + 2] : 0);

		for (size_t k = 0; k < have + 1; k++)
			fynq_buf_add_char(b, base64url[bits >> (18 - 6 * k) & 0x3f]);
	}
}

bool
fynq_base64url_decode(struct fynq_str s, void *out_r, size_t size, size_t *n_r)
{
	unsigned char *out = out_r;
	uint32_t bits = 0;
	unsigned int have = 0;
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		const char *at = s.p[i] != '\0' ? strchr(base64url, s.p[i]) : NULL;

		if (at == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(at - base64url);
		have += 6;
		if (have >= 8) {
			have -= 8;
			if (n == size)
				return false;
			out[n++] = (unsigned char)(bits >> have);
		}
	}
	*n_r = n;
	return s.n % 4 != 1 && (bits & ((1U << have) - 1)) == 0;
}

void
fynq_sha256(struct fynq_str s, char hex_r[static FYNQ_SHA256_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)s.p, s.n, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hex_r + 2 * i, 3, "%02x", digest[i]);
}
