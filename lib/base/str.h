/*
 * Strings as pointer and length.
 *
 * Inside fynq a string is never searched for its NUL. A fynq_str owns nothing: whoever made the
 * bytes says how long they live, most often "until the request ends". An absent string has p ==
 * NULL; an empty one has p != NULL and n == 0.
 */
#ifndef FYNQ_BASE_STR_H
#define FYNQ_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fynq_str {
	const char *p;
	size_t n;
};

/* A string literal as a fynq_str; the form with _INIT serves static initialisers. */
#define FYNQ_STR_INIT(literal)                 \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}
#define FYNQ_STR(literal) ((struct fynq_str)FYNQ_STR_INIT(literal))

/* For "%.*s". */
#define FYNQ_STR_ARG(s) (int)(s).n, (s).p != NULL ? (s).p : ""

/* A NUL-terminated string seen as a fynq_str; NULL becomes the absent string. */
struct fynq_str fynq_str_of(const char *z);

bool fynq_str_eq(struct fynq_str a, struct fynq_str b);

/* Equal but for the case of ASCII letters, as names of HTTP headers are compared. */
bool fynq_str_ieq(struct fynq_str a, struct fynq_str b);

/* Equal, in a time that depends on the lengths alone. For secrets. */
bool fynq_str_same_secret(struct fynq_str a, struct fynq_str b);

bool fynq_str_starts(struct fynq_str s, struct fynq_str prefix);

/* Without the spaces and tabs at both ends. */
struct fynq_str fynq_str_trim(struct fynq_str s);

/*
 * Cut s at its first sep: what comes before goes to head, what comes after to tail. Without a
 * sep, head is all of s, tail is absent, and the result is false. head or tail may be &s.
 */
bool fynq_str_cut(struct fynq_str s, char sep, struct fynq_str *head, struct fynq_str *tail);

/*
 * True when s is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF)
 * and holds no NUL, which PostgreSQL's text cannot store.
 */
bool fynq_str_utf8(struct fynq_str s);

/* How many code points s holds; s must be well-formed UTF-8. */
size_t fynq_str_chars(struct fynq_str s);

/* Take the first code point off *s, which must be well-formed UTF-8 and not empty. */
uint32_t fynq_str_take_char(struct fynq_str *s);

/* At that byte s ends, or begins a character; s must be well-formed UTF-8. */
bool fynq_str_boundary(struct fynq_str s, size_t at);

/* A decimal integer with an optional minus sign and nothing else; false when it is not one. */
bool fynq_str_int(struct fynq_str s, int64_t *value_r);

#endif
