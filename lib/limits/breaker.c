#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "limits/breaker.h"
#include "limits/layout.h"

enum { PROBE_SECONDS = 30, PAUSE_MAX = 120 };

static const int64_t second_us = 1000000;

/* What a call of this file did, to be logged when the lock is given back. */
enum change { NOTHING, OPENED, CLOSED };

static bool
is_off(void)
{
	return fynq_config.breaker_failures == 0;
}

static int
seconds_left(const struct fynq_breaker *b, int64_t now_us)
{
	int64_t us = b->until_us - now_us;

	return us > 0 ? (int)((us + second_us - 1) / second_us) : 0;
}

/* The counts of the last 30 s, by whole seconds. */
static void
sum(const struct fynq_breaker *b, int64_t now_us, int64_t *calls_r, int64_t *failed_r)
{
	int64_t oldest = now_us / second_us - FYNQ_BREAKER_SECONDS_KEPT + 1;

	*calls_r = *failed_r = 0;
	for (size_t i = 0; i < FYNQ_BREAKER_SECONDS_KEPT; i++) {
		if (b->seconds[i].second < oldest)
			continue;
		*calls_r += b->seconds[i].calls;
		*failed_r += b->seconds[i].failed;
	}
}

static void
count(struct fynq_breaker *b, int64_t now_us, bool failed)
{
	int64_t second = now_us / second_us;
	struct fynq_breaker_second *s = &b->seconds[second % FYNQ_BREAKER_SECONDS_KEPT];

	if (s->second != second)
		*s = (struct fynq_breaker_second){ .second = second };
	s->calls++;
	s->failed += failed;
}

static enum change
open_for(struct fynq_breaker *b, int64_t now_us, int64_t seconds)
{
	bool was_open = b->phase == FYNQ_BREAKER_OPEN;

	b->pause_s = (uint32_t)seconds;
	b->until_us = now_us + seconds * second_us;
	b->phase = FYNQ_BREAKER_OPEN;
	return was_open ? NOTHING : OPENED;
}

/* What counted before it opened is over. */
static enum change
close_it(struct fynq_breaker *b)
{
	memset(b->seconds, 0, sizeof(b->seconds));
	b->phase = FYNQ_BREAKER_CLOSED;
	return CLOSED;
}

static enum change
open_again(struct fynq_breaker *b, int64_t now_us)
{
	int64_t most = fynq_config.breaker_seconds, pause = 2 * (int64_t)b->pause_s;

	if (most < PAUSE_MAX)
		most = PAUSE_MAX;
	return open_for(b, now_us, pause < most ? pause : most);
}

static enum change
report(struct fynq_breaker *b, int64_t now_us, bool failed)
{
	int64_t calls, failures;

	if (b->phase == FYNQ_BREAKER_OPEN)
		return NOTHING;
	if (b->phase == FYNQ_BREAKER_HALF_OPEN)
		return failed ? open_again(b, now_us) : close_it(b);
	count(b, now_us, failed);
	sum(b, now_us, &calls, &failures);
	if (!failed || failures < fynq_config.breaker_failures || failures * 2 < calls)
		return NOTHING;
	return open_for(b, now_us, fynq_config.breaker_seconds);
}

static void
log_change(enum change change, const char *model, int seconds)
{
	if (change == OPENED)
		fynq_log(FYNQ_LOG_WARN, "breaker", "%s: left alone for %d s", model, seconds);
	else if (change == CLOSED)
		fynq_log(FYNQ_LOG_INFO, "breaker", "%s: works again", model);
}

/* In the phases that wait, whoever comes past the end becomes the probe. */
bool
fynq_breaker_allows(const char *model, int *retry_after_r)
{
	struct fynq_slot *s = is_off() ? NULL : fynq_host_lock(fynq_host_slot(model));
	struct fynq_breaker *b;
	int64_t now_us;

	*retry_after_r = 0;
	if (s == NULL)
		return true;
	b = &s->breaker;
	if (b->phase != FYNQ_BREAKER_CLOSED) {
		now_us = fynq_host_clock.mono_us();
		*retry_after_r = seconds_left(b, now_us);
		/* Death between the stores: it stays open, or a probe is awaited. */
		if (*retry_after_r == 0) {
			b->until_us = now_us + PROBE_SECONDS * second_us;
			b->phase = FYNQ_BREAKER_HALF_OPEN;
		}
	}
	fynq_host_unlock(s);
	return *retry_after_r == 0;
}

/* Where it was allowed before the breaker opened there are two probes then, which does no harm. */
void
fynq_breaker_return(const char *model)
{
	struct fynq_slot *s = is_off() ? NULL : fynq_host_lock(fynq_host_slot(model));

	if (s == NULL)
		return;
	if (s->breaker.phase == FYNQ_BREAKER_HALF_OPEN)
		s->breaker.until_us = fynq_host_clock.mono_us();
	fynq_host_unlock(s);
}

void
fynq_breaker_report(const char *model, bool failed)
{
	struct fynq_slot *s = is_off() ? NULL : fynq_host_lock(fynq_host_slot(model));
	enum change change;
	int64_t now_us;
	int seconds;

	if (s == NULL)
		return;
	now_us = fynq_host_clock.mono_us();
	change = report(&s->breaker, now_us, failed);
	seconds = seconds_left(&s->breaker, now_us);
	fynq_host_unlock(s);
	log_change(change, model, seconds);
}

void
fynq_breaker_open(const char *model, int64_t seconds)
{
	struct fynq_slot *s = is_off() || seconds <= 0 ? NULL
						       : fynq_host_lock(fynq_host_slot(model));
	enum change change = NOTHING;
	struct fynq_breaker *b;
	int64_t now_us;

	if (s == NULL)
		return;
	if (seconds > FYNQ_BREAKER_OPEN_MAX)
		seconds = FYNQ_BREAKER_OPEN_MAX;
	b = &s->breaker;
	now_us = fynq_host_clock.mono_us();
	if (b->phase != FYNQ_BREAKER_OPEN || b->until_us < now_us + seconds * second_us) {
		change = open_for(b, now_us, seconds);
		/* What the service asked for is no measure of what comes after it. */
		b->pause_s = (uint32_t)fynq_config.breaker_seconds;
	}
	fynq_host_unlock(s);
	log_change(change, model, (int)seconds);
}

bool
fynq_breaker_state(size_t i, struct fynq_breaker_state *state_r)
{
	static const char *const phases[] = {
		[FYNQ_BREAKER_CLOSED] = "closed",
		[FYNQ_BREAKER_OPEN] = "open",
		[FYNQ_BREAKER_HALF_OPEN] = "half-open",
	};
	struct fynq_slot *s;
	int64_t now_us;

	if (fynq_host == NULL || i >= fynq_host->slots || (s = fynq_host_lock((int)i)) == NULL)
		return false;
	now_us = fynq_host_clock.mono_us();
	*state_r = (struct fynq_breaker_state){
		.model = s->name,
		.phase = phases[s->breaker.phase],
		.retry_after = s->breaker.phase != FYNQ_BREAKER_CLOSED
				   ? seconds_left(&s->breaker, now_us)
				   : 0,
	};
	sum(&s->breaker, now_us, &state_r->calls, &state_r->failed);
	fynq_host_unlock(s);
	return true;
}
