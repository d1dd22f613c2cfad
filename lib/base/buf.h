/*
 * A byte buffer that grows up to the maximum it was born with.
 *
 * What would go past the maximum is not appended, not even in part, and `full` is set and stays
 * set until the buffer is reset: a writer makes all its calls and looks once, at the end. p is
 * not NUL-terminated; it moves as the buffer grows.
 *
 *	struct fynq_buf b = FYNQ_BUF_INIT(65536);
 *	fynq_buf_add(&b, FYNQ_STR("hello"));
 *	...
 *	fynq_buf_release(&b);
 */
#ifndef FYNQ_BASE_BUF_H
#define FYNQ_BASE_BUF_H

#include "str.h"

struct fynq_buf {
	char *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* n never exceeds it */
	bool full;  /* something did not fit */
};

#define FYNQ_BUF_INIT(maximum)   \
	{                        \
		.max = (maximum) \
	}

void fynq_buf_add(struct fynq_buf *b, struct fynq_str s);
void fynq_buf_add_char(struct fynq_buf *b, char c);
void fynq_buf_printf(struct fynq_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Append s as a JSON string with its quotes (RFC 8259 section 7); s must be UTF-8. */
void fynq_buf_add_json(struct fynq_buf *b, struct fynq_str s);

/* Append s percent-encoded, as a parameter of a query or of a header (RFC 3986 section 2.1, RFC
 * 8187). */
void fynq_buf_add_url(struct fynq_buf *b, struct fynq_str s);

/* Append a parameter of a URL: name as it is, with the "?" or "&" before it, then value, encoded.
 */
void fynq_buf_add_param(struct fynq_buf *b, const char *name, struct fynq_str value);

/* Take the first n bytes away. */
void fynq_buf_shift(struct fynq_buf *b, size_t n);

/* Empty it; the memory stays for the next use. */
void fynq_buf_reset(struct fynq_buf *b);

/* Empty it and give its memory back; it may be used again. */
void fynq_buf_release(struct fynq_buf *b);

/* What it holds; valid until the next call that changes it. */
struct fynq_str fynq_buf_str(const struct fynq_buf *b);

#endif
