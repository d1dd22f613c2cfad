/*
 * What a responder runs beside its workers, such as the tutor's streams.
 */
#ifndef FYNQ_BASE_COMPANION_H
#define FYNQ_BASE_COMPANION_H

#include <stddef.h>

struct fynq_companion {
	void (*start)(void);	/* on the main thread, before any request */
	void (*drain)(void);	/* on it, once the process is told to end: begin nothing; or NULL */
	size_t (*active)(void); /* detached requests still running; from any thread */
	void (*cancel)(void);	/* on the event loop's thread: end them now, keep what there is */
	void (*stop)(void);	/* on the main thread, after the last request */
};

#endif
