/*
 * The folder of private keys, FYNQ_JWT_KEYS_DIR: what fynqctl writes and the responders read.
 *
 * KID.pem is a private key in PEM without a passphrase, which only its owner, and perhaps a group,
 * may read; its mtime is when it was made. KID.retired, beside it and empty, says by its mtime
 * since when the key is retired. Nothing else is looked at. A kid is 1 to 64 of A-Z a-z 0-9 _ - and
 * begins with none of the last two. A file has its name when it is whole, so that no reader ever
 * sees half a key.
 */
#ifndef FYNQ_IDENTITY_KEYDIR_H
#define FYNQ_IDENTITY_KEYDIR_H

#include "identity/keyset.h"

/* Bytes of a kid, with its NUL. */
enum { FYNQ_KEYDIR_KID_SIZE = 65 };

/*
 * What lies there, sorted, zeroed where unused: two that have the same bytes are of the same keys.
 * Times are in ns since 1970; retired is 0 where the key is not.
 */
struct fynq_keydir {
	size_t n;
	struct fynq_keydir_entry {
		char kid[FYNQ_KEYDIR_KID_SIZE];
		int64_t made, retired;
		uint64_t inode, size;
	} entries[FYNQ_KEYS_MAX];
};

/* Look. False, with a line in problems_r, where the folder cannot be read or holds too many keys.
 */
bool fynq_keydir_list(const char *path, struct fynq_keydir *dir_r, struct fynq_buf *problems_r);

/*
 * The keys of what was listed. Each that is no usable key, or that others may read, is left out,
 * with a line in problems_r. A retired one verifies for FYNQ_JWT_SECONDS and
 * FYNQ_JWT_LEEWAY_SECONDS more, and as long as running processes may need to notice. NULL, with a
 * line likewise, where the folder or one of them cannot be read now, as with too many files open.
 */
struct fynq_keyset *fynq_keydir_load(
    const char *path, const struct fynq_keydir *dir, struct fynq_buf *problems_r);

/*
 * For fynqctl; each holds a lock on the folder, and fails, with a line in problems_r, where another
 * holds it for five seconds or the folder cannot be written.
 *
 * sweep removes the keys whose time is over. add makes a key, and the folder where there is none.
 * retire takes a key out of use in time, or at once where now is set.
 */
bool fynq_keydir_sweep(const char *path, struct fynq_buf *problems_r);
bool fynq_keydir_add(const char *path, enum fynq_alg alg, char kid_r[static FYNQ_KEYDIR_KID_SIZE],
    struct fynq_buf *problems_r);
bool fynq_keydir_retire(
    const char *path, struct fynq_str kid, bool now, struct fynq_buf *problems_r);

/* How long a running process may go on with what it saw last, in seconds. */
enum { FYNQ_KEYDIR_LOOK_SECONDS = 3 };

#endif
