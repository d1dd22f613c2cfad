#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "alloc.h"
#include "jobs.h"
#include "log.h"

struct job {
	struct job *next;
	void (*fn)(void *);
	void *arg;
};

static struct {
	pthread_mutex_t lock;
	struct job *first, **last;
	int fd; /* a semaphore: counts the jobs in the list */
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .last = &queue.first, .fd = -1 };

void
fynq_jobs_init(void)
{
	queue.fd = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue.fd < 0)
		fynq_log_fatal("jobs", "cannot make an eventfd");
}

void
fynq_jobs_post(void (*fn)(void *), void *arg)
{
	struct job *job = fynq_alloc(sizeof(*job));
	uint64_t one = 1;

	*job = (struct job){ .fn = fn, .arg = arg };
	pthread_mutex_lock(&queue.lock);
	*queue.last = job;
	queue.last = &job->next;
	pthread_mutex_unlock(&queue.lock);
	if (write(queue.fd, &one, sizeof(one)) != sizeof(one))
		fynq_log_fatal("jobs", "cannot wake a worker");
}

int
fynq_jobs_fd(void)
{
	return queue.fd;
}

bool
fynq_jobs_run(void)
{
	struct job *job;
	uint64_t one;

	if (read(queue.fd, &one, sizeof(one)) != sizeof(one))
		return false;
	pthread_mutex_lock(&queue.lock);
	job = queue.first;
	queue.first = job->next;
	if (queue.first == NULL)
		queue.last = &queue.first;
	pthread_mutex_unlock(&queue.lock);
	job->fn(job->arg);
	free(job);
	return true;
}
