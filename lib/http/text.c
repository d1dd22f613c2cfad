#include <ctype.h>
#include <string.h>

#include "http/text.h"

enum { EMAIL_MAX = 254, EMAIL_LOCAL_MAX = 64, LABEL_MAX = 63, SHOWN_MAX = 64 };

/* Take the first code point off *s, which is UTF-8 and not empty. */
static uint32_t
next_char(struct fynq_str *s)
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

static bool
is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

static bool
is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}

bool
fynq_text_is_blank(struct fynq_str s)
{
	while (s.n > 0)
		if (!is_space(next_char(&s)))
			return false;
	return true;
}

bool
fynq_text_has_control(struct fynq_str s)
{
	while (s.n > 0) {
		uint32_t c = next_char(&s);

		if (is_control(c) && c != '\t' && c != '\n' && c != '\r')
			return true;
	}
	return false;
}

bool
fynq_text_is_line(struct fynq_str s)
{
	while (s.n > 0) {
		uint32_t c = next_char(&s);

		if (is_control(c) || c == 0x2028 || c == 0x2029)
			return false;
	}
	return true;
}

/* Atoms with single dots between them; an atom is letters, digits and the signs of RFC 5322. */
static bool
is_dot_atom(struct fynq_str s)
{
	struct fynq_str atom;

	if (s.n == 0)
		return false;
	while (s.p != NULL) {
		fynq_str_cut(s, '.', &atom, &s);
		if (atom.n == 0)
			return false;
		for (size_t i = 0; i < atom.n; i++)
			if (!isalnum((unsigned char)atom.p[i]) &&
			    strchr("!#$%&'*+-/=?^_`{|}~", atom.p[i]) == NULL)
				return false;
	}
	return true;
}

/* Labels of letters, digits and inner hyphens with single dots between them (RFC 5321's Domain). */
static bool
is_domain(struct fynq_str s)
{
	struct fynq_str label;

	if (s.n == 0)
		return false;
	while (s.p != NULL) {
		fynq_str_cut(s, '.', &label, &s);
		if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' ||
		    label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!isalnum((unsigned char)label.p[i]) && label.p[i] != '-')
				return false;
	}
	return true;
}

bool
fynq_text_is_email(struct fynq_str s)
{
	struct fynq_str local, domain;

	return s.n <= EMAIL_MAX && fynq_str_cut(s, '@', &local, &domain) &&
	       local.n <= EMAIL_LOCAL_MAX && is_dot_atom(local) && is_domain(domain);
}

static bool
all_of(struct fynq_str s, int (*is)(int))
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80 || !is((unsigned char)s.p[i]))
			return false;
	return true;
}

static bool
is_variant(struct fynq_str s)
{
	bool digit = s.n == 4 && isdigit((unsigned char)s.p[0]);

	return (digit || (s.n >= 5 && s.n <= 8)) && all_of(s, isalnum);
}

bool
fynq_text_is_locale(struct fynq_str s)
{
	struct fynq_str tag;

	fynq_str_cut(s, '-', &tag, &s);
	if (tag.n < 2 || tag.n > 8 || !all_of(tag, isalpha))
		return false;
	if (s.p == NULL)
		return true;
	fynq_str_cut(s, '-', &tag, &s);
	if (tag.n == 4 && all_of(tag, isalpha)) {
		if (s.p == NULL)
			return true;
		fynq_str_cut(s, '-', &tag, &s);
	}
	if ((tag.n == 2 && all_of(tag, isalpha)) || (tag.n == 3 && all_of(tag, isdigit))) {
		if (s.p == NULL)
			return true;
		fynq_str_cut(s, '-', &tag, &s);
	}
	while (is_variant(tag)) {
		if (s.p == NULL)
			return true;
		fynq_str_cut(s, '-', &tag, &s);
	}
	return false;
}

struct fynq_str
fynq_text_shown(struct fynq_arena *a, struct fynq_str name)
{
	bool utf8 = fynq_str_utf8(name);
	size_t n = name.n < SHOWN_MAX ? name.n : SHOWN_MAX;
	char *shown;

	/* Not in the middle of a character. */
	while (utf8 && n < name.n && n > 0 && ((unsigned char)name.p[n] & 0xc0) == 0x80)
		n--;
	shown = fynq_arena_strdup(a, (struct fynq_str){ name.p, n });
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)shown[i];

		if (c < 0x20 || c == 0x7f || (!utf8 && c >= 0x80))
			shown[i] = '?';
	}
	return (struct fynq_str){ shown, n };
}
