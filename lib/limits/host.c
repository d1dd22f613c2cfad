#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "limits/file.h"
#include "limits/host.h"
#include "limits/layout.h"
#include "limits/quota.h"

enum { PATH_SIZE = 1088, LOCK_SECONDS = 1 };

struct fynq_host_memory *fynq_host;
struct fynq_host_clock fynq_host_clock = { fynq_clock_mono_us, fynq_clock_now_us };

static struct fynq_host_memory *
private_memory(void)
{
	struct fynq_host_memory *m = mmap(
	    NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		fynq_log_fatal("limits", "no memory for limits");
	fynq_host_format(m);
	return m;
}

bool
fynq_host_init(struct fynq_buf *problems_r)
{
	struct fynq_buf reason = FYNQ_BUF_INIT(PATH_SIZE + 256);
	const char *path = fynq_config.shared_file;
	char in_run_dir[PATH_SIZE];

	snprintf(in_run_dir, sizeof(in_run_dir), "%s/shared", fynq_config.run_dir);
	fynq_host = fynq_host_file(path[0] != '\0' ? path : in_run_dir, &reason);
	if (fynq_host == NULL) {
		fynq_log(FYNQ_LOG_WARN, "limits", "%.*s: limits hold for this process alone",
		    FYNQ_STR_ARG(fynq_buf_str(&reason)));
		fynq_host = private_memory();
	}
	fynq_buf_release(&reason);
	return fynq_quota_init(problems_r);
}

void
fynq_host_close(void)
{
	if (fynq_host != NULL)
		munmap(fynq_host, sizeof(*fynq_host));
	fynq_host = NULL;
}

/* 0 where the lock is held, also after a death; *died_r says so. */
static int
lock(pthread_mutex_t *mutex, bool *died_r)
{
	struct timespec deadline;
	int error;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += LOCK_SECONDS;
	error = pthread_mutex_timedlock(mutex, &deadline);
	*died_r = error == EOWNERDEAD;
	return *died_r ? 0 : error;
}

static int
find_slot(const char *model)
{
	uint32_t slots = fynq_host->slots;

	for (uint32_t i = 0; i < slots && i < FYNQ_HOST_MODELS; i++)
		if (strcmp(fynq_host->slot[i].name, model) == 0)
			return (int)i;
	return -1;
}

/* Death before `slots` is stored: the next writes over the name; after it: an empty slot. */
static int
add_slot(const char *model)
{
	uint32_t slots = fynq_host->slots;

	if (slots >= FYNQ_HOST_MODELS)
		return -1;
	memset(fynq_host->slot[slots].name, 0, FYNQ_HOST_NAME_SIZE);
	memcpy(fynq_host->slot[slots].name, model, strlen(model));
	fynq_host->slots = slots + 1;
	return (int)slots;
}

int
fynq_host_slot(const char *model)
{
	bool died;
	int slot;

	if (fynq_host == NULL || strlen(model) >= FYNQ_HOST_NAME_SIZE)
		return -1;
	if ((slot = find_slot(model)) >= 0 || lock(&fynq_host->mutex, &died) != 0)
		return slot;
	/* The table is whole after every store: there is nothing to repair. */
	if (died)
		pthread_mutex_consistent(&fynq_host->mutex);
	if ((slot = find_slot(model)) < 0)
		slot = add_slot(model);
	pthread_mutex_unlock(&fynq_host->mutex);
	return slot;
}

struct fynq_slot *
fynq_host_lock(int slot)
{
	struct fynq_slot *s;
	bool died;

	if (slot < 0 || slot >= FYNQ_HOST_MODELS || fynq_host == NULL)
		return NULL;
	s = &fynq_host->slot[slot];
	if (lock(&s->mutex, &died) != 0)
		return NULL;
	/* Death during the repair: the next lock finds the mutex as this one did. */
	if (died) {
		fynq_window_repair(&s->window);
		pthread_mutex_consistent(&s->mutex);
	}
	return s;
}

void
fynq_host_unlock(struct fynq_slot *slot)
{
	pthread_mutex_unlock(&slot->mutex);
}
