#include <stdlib.h>

#include "alloc.h"
#include "log.h"

void *
fynq_alloc(size_t size)
{
	void *p = calloc(1, size > 0 ? size : 1);

	if (p == NULL)
		fynq_log_fatal("memory", "out of memory for %zu bytes", size);
	return p;
}

void *
fynq_realloc(void *p, size_t size)
{
	if ((p = realloc(p, size > 0 ? size : 1)) == NULL)
		fynq_log_fatal("memory", "out of memory for %zu bytes", size);
	return p;
}
