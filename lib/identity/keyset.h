/*
 * A set of keys for access tokens, each known by its kid (RFC 7515 section 4.1.4).
 *
 * Filled by one thread, then published and never changed again; whoever uses it holds it, and the
 * last one to drop it frees it. Of a set from elsewhere the keys are public; fynq's own are private
 * and have an age, from which follows what they do:
 *
 *	next		published, so that others learn it, but too young to sign
 *	signing		the newest that is old enough; where none is, the oldest
 *	verifying	older ones
 *	retired		verifies until every token that it may have signed has expired
 */
#ifndef FYNQ_IDENTITY_KEYSET_H
#define FYNQ_IDENTITY_KEYSET_H

#include <stdatomic.h>

#include "identity/alg.h"

enum {
	FYNQ_KEYS_MAX = 32,
	FYNQ_KID_MAX = 128,	/* bytes */
	FYNQ_KEYS_MAX_AGE = 600 /* how long others may keep the published set, in seconds */
};

/* until of a key that is not retired. */
#define FYNQ_KEY_STAYS INT64_MAX

struct fynq_key {
	char kid[FYNQ_KID_MAX + 1];
	enum fynq_alg alg;
	EVP_PKEY *pkey;	 /* the set's own */
	bool private;	 /* it may sign */
	int64_t created; /* seconds since 1970; of private keys */
	int64_t until;	 /* verifies before this time alone */
};

struct fynq_keyset {
	atomic_uint holders;
	size_t n;
	struct fynq_key keys[FYNQ_KEYS_MAX];
};

enum fynq_key_state { FYNQ_KEY_NEXT, FYNQ_KEY_SIGNING, FYNQ_KEY_VERIFYING, FYNQ_KEY_RETIRED };

/* An empty set with one holder. */
struct fynq_keyset *fynq_keyset_new(void);

/*
 * Take a key over, pkey included. False, and pkey is freed, where the set is full, the kid is taken
 * or empty, or no algorithm is served by the key; alg is set from the key.
 */
bool fynq_keyset_add(struct fynq_keyset *set, struct fynq_key key);

/* One more holder; returns set. NULL stays NULL. */
struct fynq_keyset *fynq_keyset_hold(struct fynq_keyset *set);

/* One holder less; clears the pointer. NULL is ignored. */
void fynq_keyset_drop(struct fynq_keyset **setp);

/* The key of that kid, compared by bytes, that verifies at that time (seconds since 1970). */
const struct fynq_key *fynq_keyset_find(
    const struct fynq_keyset *set, struct fynq_str kid, int64_t now);

/* The key that signs at that time; NULL where none does. */
const struct fynq_key *fynq_keyset_signer(const struct fynq_keyset *set, int64_t now);

/* What a key of the set does at that time. */
enum fynq_key_state fynq_keyset_state(
    const struct fynq_keyset *set, const struct fynq_key *key, int64_t now);

/* True where newer has every key of older just as it is there: nothing verified by older is void.
 */
bool fynq_keyset_covers(const struct fynq_keyset *newer, const struct fynq_keyset *older);

#endif
