#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fetch.h"
#include "base/jobs.h"
#include "base/log.h"
#include "http/json.h"
#include "http/request.h"
#include "identity/jwk.h"
#include "identity/keys-file.h"
#include "identity/keys-source.h"

enum {
	URL_SIZE = 1100,
	TIMEOUT_MS = 5000,
	AGE_MIN = 60,
	AGE_MAX = 86400,
	AGAIN_SECONDS = 60, /* between two fetches, by whatever process of the host */
	EMPTY_SECONDS = 5   /* the same while there are no keys at all */
};

static const char path[] = "/auth/v1/.well-known/jwks.json";

/* Under the lock but for due_at, which everybody reads. What is published is not held here. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t fetched;
	bool fetching, posted;
	int64_t waiting;	    /* threads, for who is fetching */
	struct fynq_published last; /* without its set: that is the one of keys.c */
	_Atomic int64_t due_at;	    /* seconds since 1970 */
} remote = { .lock = PTHREAD_MUTEX_INITIALIZER, .fetched = PTHREAD_COND_INITIALIZER };

static int64_t
timeout_ms(void)
{
	return fynq_config.supabase_timeout_ms < TIMEOUT_MS ? fynq_config.supabase_timeout_ms
							    : TIMEOUT_MS;
}

static int64_t
clamp_age(int64_t age)
{
	if (age < 0)
		return FYNQ_KEYS_MAX_AGE;
	return age < AGE_MIN ? AGE_MIN : age > AGE_MAX ? AGE_MAX : age;
}

/* Since a time that a clock may have been set back behind. */
static bool
is_past(int64_t time, int64_t seconds, int64_t now)
{
	return now >= time + seconds || now < time - seconds;
}

/* Has it been kept for as long as it may? */
static bool
is_stale(const struct fynq_published *last, int64_t now)
{
	return last->fetched_at == 0 || is_past(last->fetched_at, last->max_age, now);
}

static bool
may_fetch(const struct fynq_published *last, int64_t now)
{
	return is_past(last->tried_at, last->fetched_at > 0 ? AGAIN_SECONDS : EMPTY_SECONDS, now);
}

static bool
holds(struct fynq_str kid, int64_t now)
{
	struct fynq_keyset *set = fynq_keys_hold();
	bool found = fynq_keyset_find(set, kid, now) != NULL;

	fynq_keyset_drop(&set);
	return found;
}

/* Ask Supabase. False, and nothing changes, where no JWK Set comes. */
static bool
fetch(struct fynq_published *last, int64_t now)
{
	struct fynq_arena *a = fynq_arena_new(FYNQ_ARENA_MAX);
	struct json_object *json;
	struct fynq_fetched fetched;
	struct fynq_keyset *set = NULL;
	struct fynq_str why;
	char url[URL_SIZE];

	snprintf(url, sizeof(url), "%s%s", fynq_config.supabase_url, path);
	if (fynq_fetch(a, "keys",
		&(const struct fynq_fetch){ .method = "GET",
		    .url = url,
		    .ca_file = fynq_config.supabase_ca_file,
		    .timeout_ms = timeout_ms(),
		    .max = FYNQ_JWKS_MAX },
		&fetched) == FYNQ_FETCH_DONE) {
		if (fetched.status == 200 && fynq_json_parse(a, fetched.body, &json, &why))
			set = fynq_jwks_read(json);
		if (set == NULL)
			fynq_log(FYNQ_LOG_WARN, "keys", "GET %s: status %ld and no JWK Set", url,
			    fetched.status);
	}
	if (set != NULL) {
		last->set = set;
		last->fetched_at = now;
		last->max_age = clamp_age(fetched.max_age);
	}
	fynq_arena_free(&a);
	return set != NULL;
}

/* Take over what another process has fetched since. */
static void
adopt(struct fynq_published *last)
{
	struct fynq_published found;
	bool newer;

	if (!fynq_keys_file_read(&found))
		return;
	/* A file that can be written no more is behind. Within a second who tried last is right. */
	newer = found.fetched_at > last->fetched_at ||
		(found.fetched_at == last->fetched_at && found.tried_at > last->tried_at);
	if (found.tried_at > last->tried_at)
		last->tried_at = found.tried_at;
	if (found.set == NULL || !newer) {
		fynq_keyset_drop(&found.set);
		return;
	}
	last->fetched_at = found.fetched_at;
	last->max_age = clamp_age(found.max_age);
	fynq_keys_set(found.set);
	/* Who waits may have what it waits for. */
	pthread_mutex_lock(&remote.lock);
	pthread_cond_broadcast(&remote.fetched);
	pthread_mutex_unlock(&remote.lock);
}

/* Keys that have been kept for too long are still good for a kid that is among them. */
static bool
must_fetch(const struct fynq_published *last, struct fynq_str kid, int64_t now)
{
	return may_fetch(last, now) && (kid.n > 0 ? !holds(kid, now) : is_stale(last, now));
}

static void
fetch_and_share(struct fynq_published *last, int64_t now, bool share)
{
	struct fynq_published found;

	last->tried_at = now;
	found = *last;
	if (fetch(&found, now)) {
		*last = found;
		last->set = NULL;
		fynq_keys_set(found.set);
	}
	/* Also without new keys: the others need not try it then. */
	found.set = fynq_keys_hold();
	if (share)
		(void)fynq_keys_file_write(&found);
	fynq_keyset_drop(&found.set);
}

/* Bring the keys up to date. Only one thread at a time comes here, and one process at a time on. */
static void
update(struct fynq_published *last, struct fynq_str kid, int64_t now)
{
	int lock;

	adopt(last);
	if (!must_fetch(last, kid, now))
		return;
	lock = fynq_keys_file_lock(timeout_ms());
	adopt(last);
	if (must_fetch(last, kid, now))
		fetch_and_share(last, now, lock >= 0);
	if (lock >= 0)
		close(lock);
}

static void
update_once(struct fynq_str kid, int64_t now)
{
	struct fynq_published last = remote.last;
	int64_t due_at;

	pthread_mutex_unlock(&remote.lock);
	update(&last, kid, now);
	due_at = last.fetched_at + last.max_age;
	if (due_at < last.tried_at + AGAIN_SECONDS)
		due_at = last.tried_at + AGAIN_SECONDS;
	pthread_mutex_lock(&remote.lock);
	remote.last = last;
	atomic_store(&remote.due_at, last.fetched_at > 0 ? due_at : 0);
}

/*
 * Where there are no keys at all, whoever needs one waits. With some, half of the threads go on, or
 * tokens with keys that nobody knows could keep all of them waiting.
 */
static bool
may_wait(void)
{
	struct fynq_keyset *set = fynq_keys_hold();
	bool may = set == NULL || remote.waiting < fynq_config.threads / 2;

	fynq_keyset_drop(&set);
	return may;
}

/* With the lock held. */
static bool
wait_for_others(void)
{
	struct timespec deadline;
	bool in_time = true;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 2 * TIMEOUT_MS / 1000;
	remote.waiting++;
	while (remote.fetching && in_time && may_wait())
		in_time = pthread_cond_timedwait(&remote.fetched, &remote.lock, &deadline) !=
			  ETIMEDOUT;
	remote.waiting--;
	return !remote.fetching;
}

static bool
seek(struct fynq_str kid, int64_t now)
{
	bool sought = true;

	pthread_mutex_lock(&remote.lock);
	if (remote.fetching)
		sought = wait_for_others();
	/* They may have looked for another key, found that in the file, and asked nobody. */
	if (sought && may_fetch(&remote.last, now)) {
		remote.fetching = true;
		update_once(kid, now);
		remote.fetching = false;
		pthread_cond_broadcast(&remote.fetched);
	}
	pthread_mutex_unlock(&remote.lock);
	return sought;
}

static void
refresh(void *arg)
{
	(void)seek((struct fynq_str){ 0 }, (int64_t)(intptr_t)arg);
	pthread_mutex_lock(&remote.lock);
	remote.posted = false;
	pthread_mutex_unlock(&remote.lock);
}

/*
 * Keys that have been kept for long enough are fetched by a job, and nobody waits. The first ones
 * are fetched by who needs one.
 */
static void
look(int64_t now)
{
	int64_t due_at = atomic_load_explicit(&remote.due_at, memory_order_relaxed);

	if (due_at == 0 || (now < due_at && due_at <= now + AGE_MAX) ||
	    pthread_mutex_trylock(&remote.lock) != 0)
		return;
	if (!remote.posted && !remote.fetching && may_fetch(&remote.last, now)) {
		remote.posted = true;
		fynq_jobs_post(refresh, (void *)(intptr_t)now);
	}
	pthread_mutex_unlock(&remote.lock);
}

static bool
init(struct fynq_buf *problems_r)
{
	if (strncmp(fynq_config.supabase_url, "https://", 8) != 0 &&
	    strncmp(fynq_config.supabase_url, "http://", 7) != 0) {
		fynq_buf_add(problems_r,
		    FYNQ_STR("FYNQ_SUPABASE_URL: it must be set, and begin with https://\n"));
		return false;
	}
	remote.last = (struct fynq_published){ 0 };
	atomic_store(&remote.due_at, 0);
	fynq_keys_set(NULL);
	return true;
}

const struct fynq_keys_source fynq_keys_remote = { init, look, seek };
