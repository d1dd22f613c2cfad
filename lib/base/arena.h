/*
 * The memory of one request.
 *
 * Everything that lives as long as a request is taken from its arena and is given back whole when
 * the request ends. What needs more than memory to be released (a JSON tree, a query's result, a
 * database connection) registers its release on the line after it is acquired:
 *
 *	obj = json_tokener_parse_ex(...);
 *	fynq_arena_defer(a, put_json, obj);
 *
 * Deferred calls run in reverse order. A mark lets a long-lived request give back what a part of
 * its work took. Under AddressSanitizer memory not handed out is poisoned. Not thread safe: an
 * arena belongs to one request, and a request to one thread at a time.
 */
#ifndef FYNQ_BASE_ARENA_H
#define FYNQ_BASE_ARENA_H

#include "str.h"

struct fynq_arena;

/* An empty arena that will hold at most max bytes; past that the process exits (see alloc.h). */
struct fynq_arena *fynq_arena_new(size_t max);

/* Reset, then give back the arena itself; clears the pointer. NULL is ignored. */
void fynq_arena_free(struct fynq_arena **ap);

/* Zeroed and aligned for any type; valid until the arena is reset or released. Never NULL. */
void *fynq_arena_alloc(struct fynq_arena *a, size_t size) __attribute__((malloc, returns_nonnull));

/* A copy of s, NUL-terminated for the edges of libraries. */
char *fynq_arena_strdup(struct fynq_arena *a, struct fynq_str s);

/* The same, still as a fynq_str; an absent string stays absent. */
struct fynq_str fynq_arena_copy(struct fynq_arena *a, struct fynq_str s);

struct fynq_str fynq_arena_printf(struct fynq_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Call fn(arg) when the arena is reset, or released to a mark set before this call. */
void fynq_arena_defer(struct fynq_arena *a, void (*fn)(void *), void *arg);

/* Run what was deferred, give back all memory but the first block. */
void fynq_arena_reset(struct fynq_arena *a);

/* Where the arena stands now. */
struct fynq_mark {
	void *block, *defers;
	size_t used;
};
struct fynq_mark fynq_arena_mark(const struct fynq_arena *a);

/* Back to the mark: run what was deferred since, give back what was taken since. */
void fynq_arena_release(struct fynq_arena *a, struct fynq_mark mark);

#endif
