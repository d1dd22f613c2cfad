#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "arena.h"
#include "log.h"

#if defined(__SANITIZE_ADDRESS__)
#define FYNQ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FYNQ_ASAN 1
#endif
#endif

#ifdef FYNQ_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)	  ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

enum { ALIGN = 16, FIRST_BLOCK = 1024, LARGEST_STEP = 65536 };

struct block {
	struct block *older;
	size_t size, used;
	_Alignas(ALIGN) char bytes[];
};

struct defer {
	struct defer *older;
	void (*fn)(void *);
	void *arg;
};

struct fynq_arena {
	struct block *block; /* the newest; the last of the list is the first block */
	struct defer *defers;
	size_t total, max;
};

static struct block *
new_block(struct fynq_arena *a, size_t need)
{
	size_t size = a->block != NULL ? a->block->size * 2 : FIRST_BLOCK;
	struct block *b;

	if (size > LARGEST_STEP)
		size = LARGEST_STEP;
	if (size < need)
		size = need;
	if (size > a->max - a->total)
		fynq_log_fatal("memory", "a request wants more than its %zu bytes", a->max);
	b = malloc(sizeof(*b) + size);
	if (b == NULL)
		fynq_log_fatal("memory", "out of memory for %zu bytes", size);
	*b = (struct block){ .older = a->block, .size = size };
	ASAN_POISON_MEMORY_REGION(b->bytes, size);
	a->total += size;
	return b;
}

struct fynq_arena *
fynq_arena_new(size_t max)
{
	struct fynq_arena *a = fynq_alloc(sizeof(*a));

	a->max = max;
	a->block = new_block(a, 0);
	return a;
}

void *
fynq_arena_alloc(struct fynq_arena *a, size_t size)
{
	size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	void *p;

	if (need < size)
		fynq_log_fatal("memory", "a request wants more than its %zu bytes", a->max);
	if (need > a->block->size - a->block->used)
		a->block = new_block(a, need);
	p = a->block->bytes + a->block->used;
	a->block->used += need;
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	return memset(p, 0, size);
}

char *
fynq_arena_strdup(struct fynq_arena *a, struct fynq_str s)
{
	char *p = fynq_arena_alloc(a, s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

struct fynq_str
fynq_arena_copy(struct fynq_arena *a, struct fynq_str s)
{
	return s.p == NULL ? s : (struct fynq_str){ fynq_arena_strdup(a, s), s.n };
}

struct fynq_str
fynq_arena_printf(struct fynq_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		fynq_log_fatal("format", "a format could not be printed");
	p = fynq_arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return (struct fynq_str){ p, (size_t)n };
}

void
fynq_arena_defer(struct fynq_arena *a, void (*fn)(void *), void *arg)
{
	struct defer *d = fynq_arena_alloc(a, sizeof(*d));

	*d = (struct defer){ .older = a->defers, .fn = fn, .arg = arg };
	a->defers = d;
}

struct fynq_mark
fynq_arena_mark(const struct fynq_arena *a)
{
	return (struct fynq_mark){ a->block, a->defers, a->block->used };
}

void
fynq_arena_release(struct fynq_arena *a, struct fynq_mark mark)
{
	/* A deferred call may itself defer: take each off the list before it runs. */
	while (a->defers != mark.defers) {
		struct defer *d = a->defers;

		a->defers = d->older;
		d->fn(d->arg);
	}
	while (a->block != mark.block) {
		struct block *b = a->block;

		a->block = b->older;
		a->total -= b->size;
		ASAN_UNPOISON_MEMORY_REGION(b->bytes, b->size);
		free(b);
	}
	a->block->used = mark.used;
	ASAN_POISON_MEMORY_REGION(a->block->bytes + mark.used, a->block->size - mark.used);
}

void
fynq_arena_reset(struct fynq_arena *a)
{
	struct block *first = a->block;

	while (first->older != NULL)
		first = first->older;
	fynq_arena_release(a, (struct fynq_mark){ first, NULL, 0 });
}

void
fynq_arena_free(struct fynq_arena **ap)
{
	struct fynq_arena *a = *ap;

	if (a == NULL)
		return;
	fynq_arena_reset(a);
	ASAN_UNPOISON_MEMORY_REGION(a->block->bytes, a->block->size);
	free(a->block);
	free(a);
	*ap = NULL;
}
