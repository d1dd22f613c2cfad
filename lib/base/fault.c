#include "fault.h"

#ifdef FYNQ_FAULTS_ON_PURPOSE
#include <stdatomic.h>
#include <stdlib.h>

bool
fynq_fault_now(void)
{
	static atomic_long calls;
	const char *at = getenv("FAULT_AT");

	return at != NULL && ++calls == atol(at);
}
#else
/* ISO C wants a translation unit to hold something. */
typedef int fynq_no_faults;
#endif
