#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "http/text.h"

enum { EMAIL_MAX = 254, EMAIL_LOCAL_MAX = 64, LABEL_MAX = 63, SHOWN_MAX = 64 };

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
		if (!is_space(fynq_str_take_char(&s)))
			return false;
	return true;
}

bool
fynq_text_has_control(struct fynq_str s)
{
	while (s.n > 0) {
		uint32_t c = fynq_str_take_char(&s);

		if (is_control(c) && c != '\t' && c != '\n' && c != '\r')
			return true;
	}
	return false;
}

bool
fynq_text_is_line(struct fynq_str s)
{
	while (s.n > 0) {
		uint32_t c = fynq_str_take_char(&s);

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

/* What is left of a language tag; each part of RFC 5646 section 2.1 takes its subtags off it. */
struct subtags {
	struct fynq_str s; /* p is NULL once all is read */
	bool bad;	   /* a part lacked one that it needs */
};

static bool
is_subtag(struct fynq_str s, size_t min, size_t max, int (*is)(int))
{
	return s.n >= min && s.n <= max && all_of(s, is);
}

static struct fynq_str
peek(const struct subtags *t)
{
	struct fynq_str first = { 0 }, rest;

	if (t->s.p != NULL)
		fynq_str_cut(t->s, '-', &first, &rest);
	return first;
}

static void
skip(struct subtags *t)
{
	struct fynq_str first;

	fynq_str_cut(t->s, '-', &first, &t->s);
}

/* Up to most subtags of one kind; how many there were. */
static int
skip_each(struct subtags *t, int most, size_t min, size_t max, int (*is)(int))
{
	int n = 0;

	while (n < most && t->s.p != NULL && is_subtag(peek(t), min, max, is)) {
		skip(t);
		n++;
	}
	return n;
}

static bool
is_variant(struct fynq_str s)
{
	return is_subtag(s, 5, 8, isalnum) ||
	       (is_subtag(s, 4, 4, isalnum) && isdigit((unsigned char)s.p[0]));
}

/* A letter or digit, and subtags behind it: an extension; behind an x what is private. */
static void
skip_singletons(struct subtags *t)
{
	while (t->s.p != NULL && is_subtag(peek(t), 1, 1, isalnum) && !t->bad) {
		bool private = tolower((unsigned char)peek(t).p[0]) == 'x';

		skip(t);
		t->bad = skip_each(t, INT_MAX, private ? 1 : 2, 8, isalnum) == 0;
	}
}

/* Those of RFC 5646's grandfathered tags that its grammar does not cover. */
static bool
is_irregular(struct fynq_str s)
{
	static const char *const tags[] = { "en-GB-oed", "i-ami", "i-bnn", "i-default",
		"i-enochian", "i-hak", "i-klingon", "i-lux", "i-mingo", "i-navajo", "i-pwn",
		"i-tao", "i-tay", "i-tsu", "sgn-BE-FR", "sgn-BE-NL", "sgn-CH-DE" };

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (fynq_str_ieq(s, fynq_str_of(tags[i])))
			return true;
	return false;
}

bool
fynq_text_is_locale(struct fynq_str s)
{
	struct subtags t = { .s = s };
	struct fynq_str language = peek(&t);

	if (is_irregular(s))
		return true;
	if (is_subtag(language, 2, 8, isalpha)) {
		skip(&t);
		if (language.n <= 3)
			(void)skip_each(&t, 3, 3, 3, isalpha);
		(void)skip_each(&t, 1, 4, 4, isalpha);
		if (skip_each(&t, 1, 2, 2, isalpha) == 0)
			(void)skip_each(&t, 1, 3, 3, isdigit);
		while (t.s.p != NULL && is_variant(peek(&t)))
			skip(&t);
	} else if (!fynq_str_ieq(language, FYNQ_STR("x"))) {
		return false;
	}
	skip_singletons(&t);
	return t.s.p == NULL && !t.bad;
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
