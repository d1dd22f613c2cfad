#include <pthread.h>
#include <string.h>

#include "base/config.h"
#include "identity/jwk.h"
#include "identity/keys-source.h"
#include "identity/keys.h"

static const struct fynq_keys_source *source = &fynq_keys_local;

static struct {
	pthread_mutex_t lock;
	struct fynq_keyset *set;
	_Atomic uint64_t generation;
} keys = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool
fynq_keys_init(struct fynq_buf *problems_r)
{
	source = strcmp(fynq_config.auth, "supabase") == 0 ? &fynq_keys_remote : &fynq_keys_local;
	/* Also the secret may be another one. */
	atomic_fetch_add(&keys.generation, 1);
	return source->init(problems_r);
}

struct fynq_keyset *
fynq_keys_hold(void)
{
	struct fynq_keyset *set;

	pthread_mutex_lock(&keys.lock);
	set = fynq_keyset_hold(keys.set);
	pthread_mutex_unlock(&keys.lock);
	return set;
}

void
fynq_keys_set(struct fynq_keyset *set)
{
	struct fynq_keyset *old;
	bool covers;

	pthread_mutex_lock(&keys.lock);
	old = keys.set;
	keys.set = set;
	pthread_mutex_unlock(&keys.lock);
	covers = fynq_keyset_covers(set, old);
	if (!covers)
		atomic_fetch_add(&keys.generation, 1);
	fynq_keyset_drop(&old);
}

uint64_t
fynq_keys_generation(int64_t now)
{
	source->look(now);
	return atomic_load(&keys.generation);
}

static void
drop_set(void *set)
{
	struct fynq_keyset *held = set;

	fynq_keyset_drop(&held);
}

/* The keys that hold now, for as long as the arena lives. */
static const struct fynq_keyset *
hold_for(struct fynq_arena *a)
{
	struct fynq_keyset *set = fynq_keys_hold();

	if (set != NULL)
		fynq_arena_defer(a, drop_set, set);
	return set;
}

enum fynq_err
fynq_keys_find(
    struct fynq_arena *a, struct fynq_str kid, int64_t now, const struct fynq_key **key_r)
{
	const struct fynq_keyset *set = hold_for(a);
	bool sought = true;

	*key_r = fynq_keyset_find(set, kid, now);
	if (*key_r == NULL) {
		sought = source->seek(kid, now);
		source->look(now); /* What was found may be old. */
		set = hold_for(a);
		*key_r = fynq_keyset_find(set, kid, now);
	}
	if (*key_r != NULL)
		return FYNQ_OK;
	return sought && set != NULL ? FYNQ_E_UNAUTHORIZED : FYNQ_E_AUTH_UNAVAILABLE;
}

bool
fynq_keys_known(struct fynq_str kid, int64_t now)
{
	struct fynq_keyset *set = kid.n > 0 ? fynq_keys_hold() : NULL;
	bool known;

	if (set == NULL && kid.n > 0) {
		(void)source->seek((struct fynq_str){ 0 }, now);
		set = fynq_keys_hold();
	}
	known = fynq_keyset_find(set, kid, now) != NULL;
	fynq_keyset_drop(&set);
	return known;
}

const struct fynq_key *
fynq_keys_signer(struct fynq_arena *a, int64_t now)
{
	source->look(now);
	return fynq_keyset_signer(hold_for(a), now);
}

enum fynq_err
fynq_keys_publish(struct fynq_arena *a, int64_t now, struct fynq_str *jwks_r)
{
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_JWKS_MAX);
	const struct fynq_keyset *set;

	source->look(now);
	if ((set = hold_for(a)) == NULL) {
		(void)source->seek((struct fynq_str){ 0 }, now);
		set = hold_for(a);
	}
	if (set == NULL)
		return FYNQ_E_AUTH_UNAVAILABLE;
	fynq_buf_add(&b, FYNQ_STR("{\"keys\":"));
	fynq_jwks_write(&b, set, now);
	fynq_buf_add_char(&b, '}');
	*jwks_r = fynq_arena_copy(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return FYNQ_OK;
}
