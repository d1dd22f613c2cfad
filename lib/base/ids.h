/*
 * Identifiers: UUID version 7 (RFC 9562 section 5.7), which sort by time, and random tokens.
 */
#ifndef FYNQ_BASE_IDS_H
#define FYNQ_BASE_IDS_H

#include "buf.h"

/* A UUID as text, lower case, NUL-terminated; empty when absent. */
struct fynq_uuid {
	char text[37];
};

/* A new id. Ids made by one thread ascend strictly, also within one millisecond. */
struct fynq_uuid fynq_uuid_new(void);

/* Read 8-4-4-4-12 hexadecimal digits, in either case. False where s is something else. */
bool fynq_uuid_parse(struct fynq_str s, struct fynq_uuid *id_r);

/* Its text; the absent string for an absent id. Valid as long as *id is. */
struct fynq_str fynq_uuid_str(const struct fynq_uuid *id);

/* n bytes from the kernel's generator. */
void fynq_random(void *p, size_t n);

/* Bytes that a token needs, with its NUL: 32 random bytes in base64url without padding. */
enum { FYNQ_TOKEN_SIZE = 44 };

/* A new secret of 256 bits. */
void fynq_token_new(char token_r[static FYNQ_TOKEN_SIZE]);

/* Append data in base64 with padding (RFC 4648 section 4). */
void fynq_base64(struct fynq_buf *b, const void *data, size_t n);

/* Append data in base64url without padding (RFC 4648 section 5). */
void fynq_base64url(struct fynq_buf *b, const void *data, size_t n);

/*
 * Decode base64url without padding into at most size bytes. False for any other character, an
 * impossible length, spare bits that are not zero, or more than size bytes.
 */
bool fynq_base64url_decode(struct fynq_str s, void *out_r, size_t size, size_t *n_r);

/* Bytes that a SHA-256 in hexadecimal needs, with its NUL. */
enum { FYNQ_SHA256_SIZE = 65 };

/* The SHA-256 of s, as lower-case hexadecimal. */
void fynq_sha256(struct fynq_str s, char hex_r[static FYNQ_SHA256_SIZE]);

#endif
