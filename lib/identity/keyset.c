#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "identity/keyset.h"

struct fynq_keyset *
fynq_keyset_new(void)
{
	struct fynq_keyset *set = fynq_alloc(sizeof(*set));

	atomic_init(&set->holders, 1);
	return set;
}

static const struct fynq_key *
by_kid(const struct fynq_keyset *set, struct fynq_str kid)
{
	for (size_t i = 0; set != NULL && i < set->n; i++)
		if (fynq_str_eq(fynq_str_of(set->keys[i].kid), kid))
			return &set->keys[i];
	return NULL;
}

bool
fynq_keyset_add(struct fynq_keyset *set, struct fynq_key key)
{
	if (key.pkey == NULL || key.kid[0] == '\0' || set->n == FYNQ_KEYS_MAX ||
	    by_kid(set, fynq_str_of(key.kid)) != NULL || !fynq_alg_of(key.pkey, &key.alg)) {
		EVP_PKEY_free(key.pkey);
		return false;
	}
	set->keys[set->n++] = key;
	return true;
}

struct fynq_keyset *
fynq_keyset_hold(struct fynq_keyset *set)
{
	if (set != NULL)
		atomic_fetch_add(&set->holders, 1);
	return set;
}

void
fynq_keyset_drop(struct fynq_keyset **setp)
{
	struct fynq_keyset *set = *setp;

	*setp = NULL;
	if (set == NULL || atomic_fetch_sub(&set->holders, 1) > 1)
		return;
	for (size_t i = 0; i < set->n; i++)
		EVP_PKEY_free(set->keys[i].pkey);
	free(set);
}

const struct fynq_key *
fynq_keyset_find(const struct fynq_keyset *set, struct fynq_str kid, int64_t now)
{
	const struct fynq_key *key = by_kid(set, kid);

	return key != NULL && now < key->until ? key : NULL;
}

/* Two keys may be of the same second. */
static bool
is_newer(const struct fynq_key *a, const struct fynq_key *b)
{
	return a->created != b->created ? a->created > b->created : strcmp(a->kid, b->kid) > 0;
}

const struct fynq_key *
fynq_keyset_signer(const struct fynq_keyset *set, int64_t now)
{
	const struct fynq_key *signer = NULL, *oldest = NULL;

	for (size_t i = 0; set != NULL && i < set->n; i++) {
		const struct fynq_key *key = &set->keys[i];

		if (!key->private || key->until != FYNQ_KEY_STAYS)
			continue;
		if (oldest == NULL || is_newer(oldest, key))
			oldest = key;
		if (key->created <= now - FYNQ_KEYS_MAX_AGE &&
		    (signer == NULL || is_newer(key, signer)))
			signer = key;
	}
	return signer != NULL ? signer : oldest;
}

enum fynq_key_state
fynq_keyset_state(const struct fynq_keyset *set, const struct fynq_key *key, int64_t now)
{
	const struct fynq_key *signer = fynq_keyset_signer(set, now);

	if (key->until != FYNQ_KEY_STAYS)
		return FYNQ_KEY_RETIRED;
	if (key == signer)
		return FYNQ_KEY_SIGNING;
	return signer != NULL && is_newer(key, signer) ? FYNQ_KEY_NEXT : FYNQ_KEY_VERIFYING;
}

bool
fynq_keyset_covers(const struct fynq_keyset *newer, const struct fynq_keyset *older)
{
	for (size_t i = 0; older != NULL && i < older->n; i++) {
		const struct fynq_key *old = &older->keys[i];
		const struct fynq_key *key = by_kid(newer, fynq_str_of(old->kid));

		if (key == NULL || key->until != old->until ||
		    EVP_PKEY_eq(key->pkey, old->pkey) != 1)
			return false;
	}
	return true;
}
