#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>

#include "str.h"

struct fynq_str
fynq_str_of(const char *z)
{
	return (struct fynq_str){ z, z != NULL ? strlen(z) : 0 };
}

bool
fynq_str_eq(struct fynq_str a, struct fynq_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
fynq_str_ieq(struct fynq_str a, struct fynq_str b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

bool
fynq_str_same_secret(struct fynq_str a, struct fynq_str b)
{
	return a.n == b.n && CRYPTO_memcmp(a.p, b.p, a.n) == 0;
}

bool
fynq_str_starts(struct fynq_str s, struct fynq_str prefix)
{
	return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

struct fynq_str
fynq_str_trim(struct fynq_str s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.n--;
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

bool
fynq_str_cut(struct fynq_str s, char sep, struct fynq_str *head, struct fynq_str *tail)
{
	const char *at = s.n > 0 ? memchr(s.p, sep, s.n) : NULL;

	if (at == NULL) {
		*head = s;
		*tail = (struct fynq_str){ 0 };
		return false;
	}
	*head = (struct fynq_str){ s.p, (size_t)(at - s.p) };
	*tail = (struct fynq_str){ at + 1, s.n - head->n - 1 };
	return true;
}

/* The length of the code point at p, or 0 where the bytes up to end are not one. */
static size_t
code_point(const unsigned char *p, const unsigned char *end)
{
	/* What the first byte promises: the length, and the bounds of the second byte. */
	static const struct {
		unsigned char from, to, length, low, high;
	} lead[] = {
		{ 0x01, 0x7f, 1, 0, 0 },
		{ 0xc2, 0xdf, 2, 0x80, 0xbf },
		{ 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf },
		{ 0xed, 0xed, 3, 0x80, 0x9f },
		{ 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf },
		{ 0xf1, 0xf3, 4, 0x80, 0xbf },
		{ 0xf4, 0xf4, 4, 0x80, 0x8f },
	};

	for (size_t i = 0; i < sizeof(lead) / sizeof(lead[0]); i++) {
		if (*p < lead[i].from || *p > lead[i].to)
			continue;
		if ((size_t)(end - p) < lead[i].length)
			return 0;
		if (lead[i].length > 1 && (p[1] < lead[i].low || p[1] > lead[i].high))
			return 0;
		for (size_t k = 2; k < lead[i].length; k++)
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		return lead[i].length;
	}
	return 0;
}

bool
fynq_str_utf8(struct fynq_str s)
{
	const unsigned char *p = (const unsigned char *)s.p, *end;
	size_t n;

	if (s.n == 0)
		return true;
	end = p + s.n;
	for (; p < end; p += n)
		if ((n = code_point(p, end)) == 0)
			return false;
	return true;
}

size_t
fynq_str_chars(struct fynq_str s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.n; i++)
		count += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return count;
}

uint32_t
fynq_str_take_char(struct fynq_str *s)
{
	unsigned char lead = (unsigned char)s->p[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? lead : lead & (0x7fU >> n);

	for (size_t i = 1; i < n; i++)
		c = c << 6 | ((unsigned char)s->p[i] & 0x3f);
	s->p += n;
	s->n -= n;
	return c;
}

bool
fynq_str_boundary(struct fynq_str s, size_t at)
{
	return at == s.n || (at < s.n && (s.p[at] & 0xc0) != 0x80);
}

bool
fynq_str_int(struct fynq_str s, int64_t *value_r)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	int64_t value = 0;

	if (s.n == (size_t)negative)
		return false;
	for (size_t i = negative; i < s.n; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, digit, &value))
			return false;
	}
	/* Summed as a negative number, whose range is the larger one. */
	if (!negative && __builtin_sub_overflow(0, value, &value))
		return false;
	*value_r = value;
	return true;
}
