/*
 * Faults made on purpose, for tests that fail the Nth fallible call until none is left.
 *
 * Built in only by --enable-faults. There fynq_fault_now() counts its calls in the process and is
 * true at the call whose number FYNQ_FAULT_AT names, and at no other.
 */
#ifndef FYNQ_BASE_FAULT_H
#define FYNQ_BASE_FAULT_H

#include <stdbool.h>

#ifdef FYNQ_FAULTS
bool fynq_fault_now(void);
#else
static inline bool
fynq_fault_now(void)
{
	return false;
}
#endif

#endif
