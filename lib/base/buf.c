#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "buf.h"

/* Make room for n more bytes; false, and full from now on, where the maximum forbids it. */
static bool
reserve(struct fynq_buf *b, size_t n)
{
	size_t cap = b->cap > 0 ? b->cap : 64;

	if (b->full || n > b->max - b->n) {
		b->full = true;
		return false;
	}
	if (b->n + n <= b->cap)
		return true;
	while (cap < b->n + n)
		cap *= 2;
	if (cap > b->max)
		cap = b->max;
	b->p = fynq_realloc(b->p, cap);
	b->cap = cap;
	return true;
}

void
fynq_buf_add(struct fynq_buf *b, struct fynq_str s)
{
	if (s.n == 0 || !reserve(b, s.n))
		return;
	memcpy(b->p + b->n, s.p, s.n);
	b->n += s.n;
}

void
fynq_buf_add_char(struct fynq_buf *b, char c)
{
	fynq_buf_add(b, (struct fynq_str){ &c, 1 });
}

void
fynq_buf_printf(struct fynq_buf *b, const char *fmt, ...)
{
	char small[512], *text = small;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->full = true;
		return;
	}
	if ((size_t)n >= sizeof(small)) {
		text = fynq_alloc((size_t)n + 1);
		va_start(ap, fmt);
		vsnprintf(text, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	fynq_buf_add(b, (struct fynq_str){ text, (size_t)n });
	if (text != small)
		free(text);
}

void
fynq_buf_add_json(struct fynq_buf *b, struct fynq_str s)
{
	static const char escape[128] = {
		['"'] = '"',
		['\\'] = '\\',
		['\b'] = 'b',
		['\f'] = 'f',
		['\n'] = 'n',
		['\r'] = 'r',
		['\t'] = 't',
	};
	size_t from = 0;

	fynq_buf_add_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		fynq_buf_add(b, (struct fynq_str){ s.p + from, i - from });
		from = i + 1;
		if (escape[c] != 0) {
			char pair[2] = { '\\', escape[c] };

			fynq_buf_add(b, (struct fynq_str){ pair, 2 });
		} else {
			fynq_buf_printf(b, "\\u%04x", c);
		}
	}
	if (from < s.n)
		fynq_buf_add(b, (struct fynq_str){ s.p + from, s.n - from });
	fynq_buf_add_char(b, '"');
}

void
fynq_buf_add_url(struct fynq_buf *b, struct fynq_str s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "-._~";

	for (size_t i = 0; i < s.n; i++)
		if (memchr(plain, s.p[i], sizeof(plain) - 1) != NULL)
			fynq_buf_add_char(b, s.p[i]);
		else
			fynq_buf_printf(b, "%%%02X", (unsigned char)s.p[i]);
}

void
fynq_buf_add_param(struct fynq_buf *b, const char *name, struct fynq_str value)
{
	fynq_buf_printf(b, "%s=", name);
	fynq_buf_add_url(b, value);
}

void
fynq_buf_shift(struct fynq_buf *b, size_t n)
{
	b->n -= n;
	if (b->n > 0)
		memmove(b->p, b->p + n, b->n);
}

void
fynq_buf_reset(struct fynq_buf *b)
{
	b->n = 0;
	b->full = false;
}

void
fynq_buf_release(struct fynq_buf *b)
{
	free(b->p);
	*b = (struct fynq_buf)FYNQ_BUF_INIT(b->max);
}

struct fynq_str
fynq_buf_str(const struct fynq_buf *b)
{
	return (struct fynq_str){ b->p != NULL ? b->p : "", b->n };
}
