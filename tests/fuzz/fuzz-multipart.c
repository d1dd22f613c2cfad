/*
 * A form fed whole, byte by byte and in random pieces is told alike and ends alike.
 *
 * The input is the boundary up to its first NUL, then the body; two bytes at its end choose where
 * to cut.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "http/multipart.h"

enum { SEED = 2, PIECE_MAX = 40 };

struct tape {
	struct fynq_multipart m;
	struct fynq_buf told;
	size_t parts;
	bool in_part, ok;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

static void
add(struct tape *tape, struct fynq_str s)
{
	fynq_buf_add_char(&tape->told, s.p != NULL ? '[' : '-');
	fynq_buf_add(&tape->told, s);
	fynq_buf_add_char(&tape->told, ']');
}

static void
check_name(struct fynq_str name, size_t most)
{
	check(name.n <= most && fynq_str_utf8(name));
	for (size_t i = 0; i < name.n; i++)
		check((unsigned char)name.p[i] >= ' ' || name.p[i] == '\t');
}

static bool
on_begin(void *arg, const struct fynq_part *part)
{
	struct tape *tape = arg;

	check(!tape->in_part && ++tape->parts <= FYNQ_MULTIPART_PARTS && part->name.n > 0);
	tape->in_part = true;
	check_name(part->name, FYNQ_MULTIPART_NAME);
	check_name(part->filename, FYNQ_MULTIPART_FILENAME);
	check(part->filename.n == 0 || memchr(part->filename.p, '/', part->filename.n) == NULL);
	add(tape, part->name);
	add(tape, part->filename);
	add(tape, part->media_type);
	return true;
}

static bool
on_data(void *arg, struct fynq_str bytes)
{
	struct tape *tape = arg;

	check(tape->in_part && bytes.n > 0);
	fynq_buf_add(&tape->told, bytes);
	return true;
}

static bool
on_end(void *arg)
{
	struct tape *tape = arg;

	check(tape->in_part);
	tape->in_part = false;
	fynq_buf_add(&tape->told, FYNQ_STR("\n;\n"));
	return true;
}

/* From the end of what was allocated, so that a read past it is seen. */
static void
feed(struct tape *tape, const char *p, size_t n)
{
	static char *block;
	char *copy, *large = n > PIECE_MAX ? malloc(n) : NULL;

	if (block == NULL)
		block = malloc(PIECE_MAX);
	check(block != NULL && (n <= PIECE_MAX || large != NULL));
	copy = large != NULL ? large : block + PIECE_MAX - n;
	memcpy(copy, p, n);
	tape->ok = fynq_multipart_feed(&tape->m, (struct fynq_str){ copy, n });
	free(large);
}

/* Play the body in pieces of 1 to most bytes. */
static void
play(struct tape *tape, struct fynq_str boundary, struct fynq_str body, size_t most, uint32_t seed)
{
	static const struct fynq_multipart_calls calls = { on_begin, on_data, on_end };

	fynq_buf_reset(&tape->told);
	tape->told.max = 64 << 20;
	tape->parts = 0;
	tape->in_part = false;
	tape->ok = true;
	fynq_multipart_init(&tape->m, boundary, &calls, tape);
	for (size_t at = 0, piece; at < body.n; at += piece) {
		seed = seed * 1664525 + 1013904223;
		piece = (seed >> 16) % most + 1;
		if (most > PIECE_MAX || piece > body.n - at)
			piece = body.n - at;
		feed(tape, body.p + at, piece);
	}
	tape->ok = fynq_multipart_finish(&tape->m) && tape->ok;
	check(tape->ok == (tape->m.why[0] == '\0') && (!tape->ok || !tape->in_part));
}

static void
must_agree(const struct tape *a, const struct tape *b)
{
	check(a->ok == b->ok && strcmp(a->m.why, b->m.why) == 0);
	check(fynq_str_eq(fynq_buf_str(&a->told), fynq_buf_str(&b->told)));
}

static bool
is_boundary(struct fynq_str s)
{
	static const char set[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "'()+_,-./:=? ";

	for (size_t i = 0; i < s.n; i++)
		if (memchr(set, s.p[i], sizeof(set) - 1) == NULL)
			return false;
	return s.n >= 1 && s.n <= FYNQ_MULTIPART_BOUNDARY && s.p[s.n - 1] != ' ';
}

/* As a Content-Type: what is taken of it is a boundary, and each boundary is taken as it is. */
static void
check_boundary(struct fynq_str s)
{
	struct fynq_buf type = FYNQ_BUF_INIT(1 << 20);
	struct fynq_str got;

	if (fynq_multipart_boundary(s, &got))
		check(is_boundary(got) && got.p > s.p && got.p + got.n <= s.p + s.n);
	fynq_buf_add(&type, FYNQ_STR("multipart/form-data; boundary=\""));
	fynq_buf_add(&type, s);
	fynq_buf_add(&type, FYNQ_STR("\"; charset=utf-8"));
	if (is_boundary(s))
		check(fynq_multipart_boundary(fynq_buf_str(&type), &got) && fynq_str_eq(got, s));
	fynq_buf_release(&type);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tape whole, bytes, cut;
	struct fynq_str body, boundary = { (const char *)data, n };
	uint32_t seed;

	if (n < SEED)
		return 0;
	seed = (uint32_t)(data[n - 2] << 8 | data[n - 1]);
	boundary.n -= SEED;
	check_boundary(boundary);
	if (!fynq_str_cut(boundary, '\0', &boundary, &body)) {
		body = boundary;
		boundary = FYNQ_STR("b");
	}
	check_boundary(boundary);
	if (boundary.n < 1 || boundary.n > FYNQ_MULTIPART_BOUNDARY ||
	    memchr(boundary.p, '\r', boundary.n) != NULL)
		return 0;
	play(&whole, boundary, body, PIECE_MAX + 1, seed);
	play(&bytes, boundary, body, 1, seed);
	play(&cut, boundary, body, PIECE_MAX, seed);
	must_agree(&whole, &bytes);
	must_agree(&whole, &cut);
	return 0;
}
