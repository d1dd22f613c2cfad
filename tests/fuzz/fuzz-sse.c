/*
 * Server-sent events cut anywhere are the events of the whole.
 *
 * The first two bytes choose where to cut, the others are the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "gemini/sse.h"

enum { SEED = 2, PIECE_MAX = 40 };

struct tape {
	struct fynq_sse sse;
	struct fynq_buf events; /* each with its length before it */
	bool ok;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
record(void *arg, struct fynq_str data)
{
	struct tape *tape = arg;

	if (data.n == 0)
		abort();
	fynq_buf_add(&tape->events, (struct fynq_str){ (const char *)&data.n, sizeof(data.n) });
	fynq_buf_add(&tape->events, data);
}

static void
start(struct tape *tape)
{
	*tape = (struct tape){ .events = FYNQ_BUF_INIT(64 << 20), .ok = true };
	fynq_sse_init(&tape->sse, record, tape);
}

/* From memory of its own length, so that a read past it is seen. */
static void
feed(struct tape *tape, const uint8_t *p, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, p, n);
	tape->ok = fynq_sse_feed(&tape->sse, (struct fynq_str){ copy, n }) && tape->ok;
	free(copy);
}

static void
stop(struct tape *tape)
{
	fynq_sse_release(&tape->sse);
	fynq_buf_release(&tape->events);
}

static void
must_equal(const struct fynq_buf *a, const struct fynq_buf *b)
{
	if (!fynq_str_eq(fynq_buf_str(a), fynq_buf_str(b)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct tape whole, cut;
	uint32_t random;

	if (n < SEED)
		return 0;
	random = (uint32_t)(data[0] << 8 | data[1]) + 1;
	data += SEED;
	n -= SEED;

	start(&whole);
	feed(&whole, data, n);
	start(&cut);
	for (size_t at = 0, piece; at < n; at += piece) {
		random = random * 1664525 + 1013904223;
		piece = (random >> 24) % PIECE_MAX;
		if (piece > n - at)
			piece = n - at;
		feed(&cut, data + at, piece);
	}
	must_equal(&whole.events, &cut.events);
	whole.ok = fynq_sse_finish(&whole.sse) && whole.ok;
	cut.ok = fynq_sse_finish(&cut.sse) && cut.ok;
	if (whole.ok != cut.ok)
		abort();
	must_equal(&whole.events, &cut.events);
	must_equal(&whole.sse.raw, &cut.sse.raw);
	stop(&whole);
	stop(&cut);
	return 0;
}
