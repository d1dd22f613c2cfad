/*
 * The memory that the processes of a host share: Gemini's quotas (limits/quota.h) and breakers
 * (limits/breaker.h), exact across all threads and processes.
 *
 * It is the file of FYNQ_SHARED_FILE, by default FYNQ_RUN_DIR/shared, mapped by each process. No
 * process owns it, and any may die at any time; limits/layout.h says what keeps it whole. Each
 * model has one of 16 slots for the file's life. All calls of this floor are safe in any thread
 * once fynq_host_init() returned; they take microseconds, and a second at most, where a process
 * was stopped in the midst of one.
 */
#ifndef FYNQ_LIMITS_HOST_H
#define FYNQ_LIMITS_HOST_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * Check FYNQ_GEMINI_QUOTAS and map the memory; called once, when settings and log are there and
 * before threads are. False, with a line for each fault in problems_r, where the process must not
 * start. Where the file cannot be had, the process has memory of its own and logs a warning: its
 * limits then hold for itself alone.
 */
bool fynq_host_init(struct fynq_buf *problems_r);

#endif
