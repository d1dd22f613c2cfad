/*
 * Percent-encoding (RFC 3986 section 2.1) and queries as forms and URLSearchParams write them
 * (application/x-www-form-urlencoded of the WHATWG URL standard).
 */
#ifndef FYNQ_HTTP_QUERY_H
#define FYNQ_HTTP_QUERY_H

#include "base/arena.h"

/*
 * Undo the percent-encoding of s; with plus, a "+" stands for a space. False where a "%" is not
 * followed by two hexadecimal digits, or where the outcome is not UTF-8 or holds a NUL. The outcome
 * is s itself where nothing was encoded, else a copy in the arena.
 */
bool fynq_percent_decode(
    struct fynq_arena *a, struct fynq_str s, bool plus, struct fynq_str *decoded_r);

/* One name=value of a query. */
struct fynq_param {
	struct fynq_str name; /* decoded; as sent where it cannot be */
	struct fynq_str value;
	bool malformed; /* the name or the value cannot be decoded */
	bool taken;	/* for the caller's marks */
};

/*
 * The n parameters of a query, in order; a name without "=" has an empty value, and empty pieces
 * between two "&" are passed over. Lives in the arena.
 */
struct fynq_param *fynq_query_parse(struct fynq_arena *a, struct fynq_str query, size_t *n_r);

#endif
