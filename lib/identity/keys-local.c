#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/config.h"
#include "base/log.h"
#include "identity/keydir.h"
#include "identity/keys-source.h"

enum { PROBLEMS_MAX = 4096, WARN_SECONDS = 60, WAIT_SECONDS = 3 };

/* What was seen last. Under the lock but for looked_at, which everybody reads. */
static struct {
	pthread_mutex_t lock;
	struct fynq_keydir dir;
	bool faulty; /* something there was no usable key */
	int64_t warned_at;
	_Atomic int64_t looked_at;
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool
has_folder(void)
{
	return fynq_config.jwt_keys_dir[0] != '\0';
}

/* What the admin must hear of, but not every three seconds. */
static void
warn(const struct fynq_buf *problems, int64_t now)
{
	if (problems->n == 0 || (now >= seen.warned_at && now < seen.warned_at + WARN_SECONDS))
		return;
	seen.warned_at = now;
	fynq_log(FYNQ_LOG_WARN, "keys", "%.*s", (int)problems->n, problems->p);
}

/* With the lock held. What cannot be read now is read the next time. */
static void
take(const struct fynq_keydir *dir, struct fynq_buf *problems)
{
	struct fynq_keyset *set = fynq_keydir_load(fynq_config.jwt_keys_dir, dir, problems);

	if (set == NULL)
		return;
	fynq_keys_set(set);
	seen.dir = *dir;
	seen.faulty = problems->n > 0;
}

/*
 * With the lock held. A folder that cannot be read for a while, as on a disk that is away, takes no
 * key away. again has what was no usable key looked at once more: the mode of a file that the log
 * asks to be changed is not among what is listed. That it was looked at is said last, so that
 * nobody goes on before with what was there.
 */
static void
read_changes(int64_t now, bool again)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(PROBLEMS_MAX);
	struct fynq_keydir dir;

	if (fynq_keydir_list(fynq_config.jwt_keys_dir, &dir, &problems) &&
	    ((again && seen.faulty) || memcmp(&dir, &seen.dir, sizeof(dir)) != 0))
		take(&dir, &problems);
	warn(&problems, now);
	fynq_buf_release(&problems);
	atomic_store(&seen.looked_at, now);
}

static bool
init(struct fynq_buf *problems_r)
{
	struct fynq_keyset *set = NULL;
	size_t complaints = problems_r->n;

	memset(&seen.dir, 0, sizeof(seen.dir));
	seen.faulty = false;
	if (!has_folder())
		set = fynq_keyset_new();
	else if (fynq_keydir_list(fynq_config.jwt_keys_dir, &seen.dir, problems_r))
		set = fynq_keydir_load(fynq_config.jwt_keys_dir, &seen.dir, problems_r);
	/* Whatever the time: some key signs, if one is not retired. */
	if (set != NULL && fynq_keyset_signer(set, 0) == NULL && problems_r->n == complaints &&
	    fynq_config.jwt_secret[0] == '\0')
		fynq_buf_printf(problems_r, "FYNQ_JWT_SECRET: it must be set, or "
					    "FYNQ_JWT_KEYS_DIR with a key of `fynqctl keys new`\n");
	fynq_keys_set(set);
	return problems_r->n == complaints;
}

static bool
is_fresh(int64_t now)
{
	int64_t looked_at = atomic_load(&seen.looked_at);

	return now >= looked_at && now < looked_at + FYNQ_KEYDIR_LOOK_SECONDS;
}

/* Whoever has the lock is looking. Not for ever, as on a disk that does not answer. */
static bool
wait_for_lock(void)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += WAIT_SECONDS;
	return pthread_mutex_clocklock(&seen.lock, CLOCK_MONOTONIC, &deadline) == 0;
}

static void
look(int64_t now)
{
	if (!has_folder() || is_fresh(now) || !wait_for_lock())
		return;
	if (!is_fresh(now))
		read_changes(now, true);
	pthread_mutex_unlock(&seen.lock);
}

/* The first token of a new key may come at once. */
static bool
seek(struct fynq_str kid, int64_t now)
{
	(void)kid;
	if (!has_folder())
		return true;
	pthread_mutex_lock(&seen.lock);
	read_changes(now, false);
	pthread_mutex_unlock(&seen.lock);
	return true;
}

const struct fynq_keys_source fynq_keys_local = { init, look, seek };
