#include <pthread.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "identity/keydir.h"
#include "identity/keys-source.h"

enum { PROBLEMS_MAX = 4096, WARN_SECONDS = 60 };

/* What was seen last. Under the lock but for looked_at, which everybody reads. */
static struct {
	pthread_mutex_t lock;
	struct fynq_keydir dir;
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

/*
 * With the lock held. A folder that cannot be read for a while, as on a disk that is away, takes no
 * key away.
 */
static void
read_changes(int64_t now)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(PROBLEMS_MAX);
	struct fynq_keydir dir;

	atomic_store(&seen.looked_at, now);
	if (fynq_keydir_list(fynq_config.jwt_keys_dir, &dir, &problems) &&
	    memcmp(&dir, &seen.dir, sizeof(dir)) != 0) {
		fynq_keys_set(fynq_keydir_load(fynq_config.jwt_keys_dir, &dir, &problems));
		seen.dir = dir;
	}
	warn(&problems, now);
	fynq_buf_release(&problems);
}

static bool
init(struct fynq_buf *problems_r)
{
	struct fynq_keyset *set = NULL;
	size_t complaints = problems_r->n;

	memset(&seen.dir, 0, sizeof(seen.dir));
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

static void
look(int64_t now)
{
	int64_t looked_at = atomic_load_explicit(&seen.looked_at, memory_order_relaxed);

	if (!has_folder() || (now >= looked_at && now < looked_at + FYNQ_KEYDIR_LOOK_SECONDS) ||
	    pthread_mutex_trylock(&seen.lock) != 0)
		return; /* Who has the lock is looking. */
	read_changes(now);
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
	read_changes(now);
	pthread_mutex_unlock(&seen.lock);
	return true;
}

const struct fynq_keys_source fynq_keys_local = { init, look, seek };
