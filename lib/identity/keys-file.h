/*
 * What Supabase Auth last published, in FYNQ_RUN_DIR/jwks.json, for all processes of a host and for
 * those to come.
 *
 * Only a file of this user that nobody else can write counts, and of the same FYNQ_SUPABASE_URL. It
 * is replaced as a whole.
 */
#ifndef FYNQ_IDENTITY_KEYS_FILE_H
#define FYNQ_IDENTITY_KEYS_FILE_H

#include "base/arena.h"
#include "identity/keyset.h"

/* Times in seconds since 1970. */
struct fynq_published {
	struct fynq_keyset *set; /* NULL: never came */
	int64_t tried_at;	 /* when it was last asked for */
	int64_t fetched_at;	 /* when it came */
	int64_t max_age;	 /* how long it may be kept, in seconds */
};

/*
 * Hold the host's lock, for at most that long; a descriptor to close, -1 where it is not to be
 * had.
 */
int fynq_keys_file_lock(int64_t timeout_ms);

/* Read the file; its set has one holder. False where there is no such file. */
bool fynq_keys_file_read(struct fynq_published *published_r);

/* Write the file, with the lock held. False where that is not possible. */
bool fynq_keys_file_write(const struct fynq_published *published);

#endif
