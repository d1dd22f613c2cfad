#include <stdatomic.h>

#include "account/erasure.h"
#include "account/upkeep.h"
#include "base/evloop.h"
#include "base/jobs.h"
#include "identity/audit.h"
#include "identity/outbox.h"
#include "identity/standing.h"
#include "limits/attempts.h"

enum { EVERY_MS = 60000 };

static void on_timer(struct fynq_timer *t);

static struct {
	struct fynq_timer timer;
	atomic_bool running;
} upkeep = { .timer.fire = on_timer };

int
fynq_upkeep_run(struct fynq_req *rq, bool now)
{
	fynq_outbox_run(rq);
	fynq_attempts_forget(rq);
	fynq_audit_forget(rq);
	fynq_standing_sweep(rq);
	return fynq_erasure_run(rq, now);
}

static void
upkeep_job(void *arg)
{
	struct fynq_req *rq = fynq_req_new(-1, true);

	(void)arg;
	(void)fynq_upkeep_run(rq, false);
	fynq_req_free(&rq);
	upkeep.running = false;
}

static void
on_timer(struct fynq_timer *t)
{
	/* One that waits for a service that is away is enough. */
	if (!upkeep.running) {
		upkeep.running = true;
		fynq_jobs_post(upkeep_job, NULL);
	}
	fynq_evloop_timer_set(t, EVERY_MS);
}

static void
start(void)
{
	fynq_evloop_timer_set(&upkeep.timer, 0);
}

/* It needs no time to end: what is cut off is done again. */
static size_t
active(void)
{
	return 0;
}

static void
nothing(void)
{
}

const struct fynq_companion fynq_upkeep = {
	.start = start,
	.active = active,
	.cancel = nothing,
	.stop = nothing,
};
