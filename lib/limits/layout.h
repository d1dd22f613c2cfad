/*
 * What the shared memory holds. For this floor and its tests.
 *
 * A model has a slot, found by name; slots are added and never given up. All of a slot but its name
 * is changed under its mutex. The mutexes are robust: when a process dies with one, the next to
 * lock it repairs the slot (fynq_host_lock) and goes on. Each member says why it can be repaired
 * or needs no repair.
 */
#ifndef FYNQ_LIMITS_LAYOUT_H
#define FYNQ_LIMITS_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "limits/window.h"

enum {
	FYNQ_HOST_LAYOUT = 1, /* add 1 for every change in this file or of struct fynq_window */
	FYNQ_HOST_MODELS = 16,
	FYNQ_HOST_NAME_SIZE = 129, /* FYNQ_GEMINI_MODEL's most, and a NUL */
	FYNQ_HOST_BOOT_SIZE = 40,
	FYNQ_BREAKER_SECONDS_KEPT = 30,
};

#define FYNQ_HOST_MAGIC "fynqhost"

/* What came to an end in one second. The two counts may differ from the truth by a death. */
struct fynq_breaker_second {
	int64_t second; /* of the monotonic clock */
	uint32_t calls, failed;
};

enum fynq_breaker_phase { FYNQ_BREAKER_CLOSED, FYNQ_BREAKER_OPEN, FYNQ_BREAKER_HALF_OPEN };

/* Any mixture of these that a death leaves is a state that could have been. */
struct fynq_breaker {
	uint32_t phase;
	uint32_t pause_s; /* how long it was opened for when it opened last */
	int64_t until_us; /* open: when it may be tried; half-open: when the probe counts as lost */
	struct fynq_breaker_second seconds[FYNQ_BREAKER_SECONDS_KEPT];
};

struct fynq_slot {
	char name[FYNQ_HOST_NAME_SIZE]; /* written before `slots` counts it, then constant */
	pthread_mutex_t mutex;
	/*
	 * The calls of a Pacific day: the day in the upper half, their number in the lower; stored
	 * as one. A call is counted before it is logged, and given back in the log before it is
	 * uncounted: a death between counts one too many, never one too few.
	 */
	_Atomic uint64_t day;
	struct fynq_breaker breaker;
	struct fynq_window window;
};

struct fynq_host_header {
	char magic[8];
	uint32_t layout, unused;
	uint64_t size;
	char boot[FYNQ_HOST_BOOT_SIZE]; /* the boot whose monotonic clock the times are of */
};

struct fynq_host_memory {
	struct fynq_host_header header;
	pthread_mutex_t mutex;	/* for adding a slot */
	_Atomic uint32_t slots; /* in use */
	struct fynq_slot slot[FYNQ_HOST_MODELS];
};

/* The memory of this process; NULL before fynq_host_init(). */
extern struct fynq_host_memory *fynq_host;

/* The clocks that this floor reads; tests have their own. */
struct fynq_host_clock {
	int64_t (*mono_us)(void);
	int64_t (*now_us)(void);
};
extern struct fynq_host_clock fynq_host_clock;

/* The slot of a model's name, added where there is none; -1 where that is not possible. */
int fynq_host_slot(const char *model);

/*
 * Lock a slot, and repair it where its last holder died. NULL for slot -1, and where another holds
 * it for a second, as only a process that was stopped does.
 */
struct fynq_slot *fynq_host_lock(int slot);
void fynq_host_unlock(struct fynq_slot *slot);

/* Give the memory back; fynq_host_init() may be called again. */
void fynq_host_close(void);

#endif
