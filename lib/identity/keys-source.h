/*
 * Where the keys come from. For keys.c, keys-local.c and keys-remote.c.
 */
#ifndef FYNQ_IDENTITY_KEYS_SOURCE_H
#define FYNQ_IDENTITY_KEYS_SOURCE_H

#include "identity/keyset.h"

struct fynq_keys_source {
	/* As fynq_keys_init(). */
	bool (*init)(struct fynq_buf *problems_r);

	/* Look for changes where it is time to; called for each token, so it must cost nothing. */
	void (*look)(int64_t now);

	/*
	 * A key is not known, or none is where kid is absent: look for it now. May block. False
	 * where it could not be waited for.
	 */
	bool (*seek)(struct fynq_str kid, int64_t now);
};

extern const struct fynq_keys_source fynq_keys_local, fynq_keys_remote;

/* The keys that hold now, held for the caller; NULL where there are none yet. */
struct fynq_keyset *fynq_keys_hold(void);

/* These hold from now on; takes the caller's hold over. */
void fynq_keys_set(struct fynq_keyset *set);

#endif
