/*
 * Faults made on purpose, for tests that fail the Nth fallible call until none is left.
 *
 * Built in only by --enable-faults. There fynq_fault_now() counts its calls in the process and is
 * true at the call whose number FAULT_AT names in the environment, and at no other.
 */
#ifndef FYNQ_BASE_FAULT_H
#define FYNQ_BASE_FAULT_H

#include <stdbool.h>

#ifdef FYNQ_FAULTS_ON_PURPOSE
bool fynq_fault_now(void);
#else
static inline bool
fynq_fault_now(void)
{
	return false;
}
#endif

#endif
