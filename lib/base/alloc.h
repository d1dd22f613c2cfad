/*
 * Memory from the heap that is always there.
 *
 * Caps on every input keep a client from exhausting memory, so an allocation that fails means
 * that the machine is out of it: the process logs that and exits, and its pool starts another.
 */
#ifndef FYNQ_BASE_ALLOC_H
#define FYNQ_BASE_ALLOC_H

#include <stddef.h>

/* Zeroed memory of size bytes; free() it. Never NULL. */
void *fynq_alloc(size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc(); what is added is not zeroed. Never NULL. */
void *fynq_realloc(void *p, size_t size) __attribute__((returns_nonnull));

#endif
