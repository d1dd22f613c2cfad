/*
 * What the texts of a request look like. All take well-formed UTF-8.
 */
#ifndef FYNQ_HTTP_TEXT_H
#define FYNQ_HTTP_TEXT_H

#include "base/arena.h"

/* True for "" and for white space alone (Unicode's property White_Space). */
bool fynq_text_is_blank(struct fynq_str s);

/* True where s holds a control character (Unicode's category Cc) other than tab, LF and CR. */
bool fynq_text_has_control(struct fynq_str s);

/* True where nothing in s ends a line: neither a control character nor U+2028 or U+2029. */
bool fynq_text_is_line(struct fynq_str s);

/*
 * An address as mail servers and Supabase take it: RFC 5321 section 4.1.2 in ASCII, without quoted
 * local parts and address literals, within the 64 and 254 bytes of its section 4.5.3.1.
 */
bool fynq_text_is_email(struct fynq_str s);

/*
 * A language tag that is well-formed by RFC 5646 section 2.2.9: its grammar, and the grandfathered
 * tags. Whether there is such a language is not looked up. The database has the same as
 * fynq.is_locale().
 */
bool fynq_text_is_locale(struct fynq_str s);

/*
 * A name that a client made up, fit to be shown back: cut to 64 bytes, with "?" for what cannot be
 * printed. This one takes any bytes. In the arena.
 */
struct fynq_str fynq_text_shown(struct fynq_arena *a, struct fynq_str name);

#endif
