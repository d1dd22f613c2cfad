#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "base/alloc.h"
#include "identity/token-cache.h"

/* A token has one set, and in it any of the ways. */
enum { SETS = 256, WAYS = 4 };

struct entry {
	unsigned char digest[SHA256_DIGEST_LENGTH];
	uint64_t generation;
	struct fynq_claims claims; /* exp is 0 while the entry is free */
	char *text;
	size_t length;
};

static struct {
	pthread_mutex_t lock;
	struct entry sets[SETS][WAYS];
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct entry *
find_set(struct fynq_str token, unsigned char digest_r[static SHA256_DIGEST_LENGTH])
{
	SHA256((const unsigned char *)token.p, token.n, digest_r);
	return cache.sets[digest_r[0]];
}

bool
fynq_token_cache_get(struct fynq_arena *a, struct fynq_str token, uint64_t generation,
    struct fynq_claims *claims_r, struct fynq_str *text_r)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct entry *set = find_set(token, digest);
	bool known = false;

	pthread_mutex_lock(&cache.lock);
	for (size_t i = 0; i < WAYS && !known; i++) {
		known = set[i].text != NULL && set[i].generation == generation &&
			memcmp(set[i].digest, digest, sizeof(digest)) == 0;
		if (known) {
			*claims_r = set[i].claims;
			*text_r = fynq_arena_copy(
			    a, (struct fynq_str){ set[i].text, set[i].length });
		}
	}
	pthread_mutex_unlock(&cache.lock);
	return known;
}

/* The entry for a new token: its own, else a free one, else the one that expires first. */
static struct entry *
pick_entry(struct entry *set, const unsigned char *digest)
{
	struct entry *pick = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (memcmp(set[i].digest, digest, SHA256_DIGEST_LENGTH) == 0)
			return &set[i];
		if (set[i].claims.exp < pick->claims.exp)
			pick = &set[i];
	}
	return pick;
}

void
fynq_token_cache_put(struct fynq_str token, uint64_t generation, const struct fynq_claims *claims,
    struct fynq_str text)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct entry *set = find_set(token, digest), *entry;
	char *copy = fynq_alloc(text.n), *old;

	memcpy(copy, text.p, text.n);
	pthread_mutex_lock(&cache.lock);
	entry = pick_entry(set, digest);
	old = entry->text;
	*entry = (struct entry){
		.generation = generation, .claims = *claims, .text = copy, .length = text.n
	};
	memcpy(entry->digest, digest, sizeof(digest));
	pthread_mutex_unlock(&cache.lock);
	free(old);
}
