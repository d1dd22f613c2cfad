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
	size_t length = strlen(fynq_config.supabase_url);
	struct json_object *json;
	struct fynq_fetched fetched;
	struct fynq_keyset *set = NULL;
	struct fynq_str why;
	char url[URL_SIZE];

	while (length > 0 && fynq_config.supabase_url[length - 1] == '/')
		length--;
	snprintf(url, sizeof(url), "%.*s%s", (int)length, fynq_config.supabase_url, path);
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

/*
 * Bring the keys up to date, first by what another process has fetched since. Keys that have been
 * kept too long are still good for one that is among them. Only one thread at a time comes here.
 */
static void
update(struct fynq_published *last, struct fynq_str kid, int64_t now)
{
	int lock = fynq_keys_file_lock(timeout_ms());
	struct fynq_published found;

	if (fynq_keys_file_read(&found)) {
		last->tried_at = found.tried_at;
		if (found.set != NULL && found.fetched_at != last->fetched_at) {
			last->fetched_at = found.fetched_at;
			last->max_age = clamp_age(found.max_age);
			fynq_keys_set(found.set);
		} else {
			fynq_keyset_drop(&found.set);
		}
	}
	if (may_fetch(last, now) && (kid.n > 0 ? !holds(kid, now) : is_stale(last, now))) {
		last->tried_at = now;
		found = *last;
		found.set = NULL;
		if (fetch(&found, now))
			*last = found;
		/* Also without new keys: the others need not try it then. */
		found.set = found.set != NULL ? fynq_keyset_hold(found.set) : fynq_keys_hold();
		if (lock >= 0)
			(void)fynq_keys_file_write(&found);
		fynq_keyset_drop(&found.set);
		if (last->set != NULL)
			fynq_keys_set(last->set);
		last->set = NULL;
	}
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

static void
seek(struct fynq_str kid, int64_t now)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 2 * TIMEOUT_MS / 1000;
	pthread_mutex_lock(&remote.lock);
	if (remote.fetching) {
		while (remote.fetching && pthread_cond_timedwait(&remote.fetched, &remote.lock,
					      &deadline) != ETIMEDOUT)
			continue;
	} else if (may_fetch(&remote.last, now)) {
		remote.fetching = true;
		update_once(kid, now);
		remote.fetching = false;
		pthread_cond_broadcast(&remote.fetched);
	}
	pthread_mutex_unlock(&remote.lock);
}

static void
refresh(void *arg)
{
	seek((struct fynq_str){ 0 }, (int64_t)(intptr_t)arg);
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
