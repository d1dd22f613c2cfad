/*
 * What a parser of forms tells, as one string, for tests of it.
 */
#ifndef TAPE_H
#define TAPE_H

#include <stdio.h>

#include "base/buf.h"
#include "http/multipart.h"
#include "unit.h"

#define D(rest)	   "Content-Disposition: form-data; " rest "\r\n"
#define PART(name) "--b\r\n" D("name=" name) "\r\n"
#define END	   "\r\n--b--"

/* What the calls were told, "[name,filename,type]bytes;" for each part; "-" for what is absent. */
struct tape {
	struct fynq_buf told;
	bool in_part;
	int calls_left; /* before one says that it is enough */
};

static inline bool
add(struct tape *tape, struct fynq_str s)
{
	fynq_buf_add(&tape->told, s.p != NULL ? s : FYNQ_STR("-"));
	return tape->calls_left == 0 || --tape->calls_left > 0;
}

static inline bool
begin(void *arg, const struct fynq_part *part)
{
	struct tape *tape = arg;

	assert_false(tape->in_part);
	tape->in_part = true;
	fynq_buf_add_char(&tape->told, '[');
	add(tape, part->name);
	fynq_buf_add_char(&tape->told, ',');
	add(tape, part->filename);
	fynq_buf_add_char(&tape->told, ',');
	add(tape, part->media_type);
	return add(tape, FYNQ_STR("]"));
}

static inline bool
data(void *arg, struct fynq_str bytes)
{
	assert_true(((struct tape *)arg)->in_part);
	assert_true(bytes.n > 0);
	return add(arg, bytes);
}

static inline bool
end(void *arg)
{
	struct tape *tape = arg;

	assert_true(tape->in_part);
	tape->in_part = false;
	return add(tape, FYNQ_STR(";"));
}

static const struct fynq_multipart_calls calls = { begin, data, end };

/* The next of the pieces in which a body is fed: how long it is, at most. */
typedef size_t next_piece(size_t at, const void *arg);

/* Parse body, fed in pieces; told is then what was told, or why it is refused. */
static inline const char *
parse_in(struct fynq_str boundary, struct fynq_str body, next_piece *next, const void *arg)
{
	static char told[1 << 17];
	static struct tape tape = { .told = FYNQ_BUF_INIT(1 << 16) };
	struct fynq_multipart m;
	bool ok = true;

	fynq_buf_reset(&tape.told);
	tape.in_part = false;
	fynq_multipart_init(&m, boundary, &calls, &tape);
	for (size_t at = 0, n; ok && at < body.n; at += n) {
		char *copy; /* its own, so that a read past it is seen */

		n = next(at, arg);
		n = body.n - at < n ? body.n - at : n;
		copy = malloc(n);
		memcpy(copy, body.p + at, n);
		ok = fynq_multipart_feed(&m, (struct fynq_str){ copy, n });
		free(copy);
	}
	ok = fynq_multipart_finish(&m) && ok;
	assert_int_equal(ok, m.why[0] == '\0');
	assert_false(tape.told.full);
	assert_true(!ok || !tape.in_part);
	snprintf(told, sizeof(told), "%.*s", FYNQ_STR_ARG(fynq_buf_str(&tape.told)));
	return ok ? told : memcpy(told, m.why, sizeof(m.why));
}

static inline size_t
same_piece(size_t at, const void *arg)
{
	(void)at;
	return *(const size_t *)arg;
}

/* The same in pieces of that many bytes. */
static inline const char *
parse(struct fynq_str boundary, struct fynq_str body, size_t piece)
{
	return parse_in(boundary, body, same_piece, &piece);
}

#endif
