#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/ids.h"
#include "identity/keydir.h"

enum { NAME_SIZE = FYNQ_KEYDIR_KID_SIZE + 8, LOCK_MS = 5000 };

/* What a key is called until it is whole. With the lock held nobody else has one. */
static const char new_name[] = ".new";

/* The folder, open and locked, as it is now. */
struct work {
	const char *path;
	int fd;
	int64_t now; /* seconds since 1970 */
	struct fynq_keydir dir;
	struct fynq_keyset *set;
	struct fynq_buf *problems;
};

static bool
fail(struct work *w, const char *what, const char *name)
{
	fynq_buf_printf(w->problems, "FYNQ_JWT_KEYS_DIR: cannot %s %s%s%s: %s\n", what, w->path,
	    name[0] != '\0' ? "/" : "", name, strerror(errno));
	return false;
}

static bool
lock(struct work *w)
{
	w->fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->fd < 0)
		return fail(w, "open", "");
	return fynq_disk_lock(w->fd, LOCK_MS) || fail(w, "lock", "");
}

static bool
drop(struct work *w, const char *kid, const char *ending)
{
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), "%s%s", kid, ending);
	return unlinkat(w->fd, name, 0) == 0 || errno == ENOENT || fail(w, "remove", name);
}

/* The key goes first: without its marker it would be in use again. */
static bool
drop_key(struct work *w, const char *kid)
{
	return drop(w, kid, ".pem") && drop(w, kid, ".retired") &&
	       (fsync(w->fd) == 0 || fail(w, "store", kid));
}

static bool
sweep(struct work *w)
{
	bool done = true;

	(void)unlinkat(w->fd, new_name, 0);
	for (size_t i = 0; i < w->set->n; i++)
		if (w->set->keys[i].until <= w->now)
			done = drop_key(w, w->set->keys[i].kid) && done;
	return done;
}

static void
end(struct work *w)
{
	fynq_keyset_drop(&w->set);
	if (w->fd >= 0)
		close(w->fd);
}

/* Lock, look and sweep. What is no key is for who lists or starts to complain of. */
static bool
begin(struct work *w, const char *path, struct fynq_buf *problems_r)
{
	struct fynq_buf ignored = FYNQ_BUF_INIT(0);

	*w = (struct work){
		.path = path, .fd = -1, .now = fynq_clock_now_us() / 1000000, .problems = problems_r
	};
	if (!lock(w) || !fynq_keydir_list(path, &w->dir, problems_r))
		return false;
	w->set = fynq_keydir_load(path, &w->dir, &ignored);
	return w->set != NULL ? sweep(w) : fail(w, "read", "");
}

bool
fynq_keydir_sweep(const char *path, struct fynq_buf *problems_r)
{
	struct work w;
	bool done = begin(&w, path, problems_r);

	end(&w);
	return done;
}

static bool
write_file(int fd, EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *pem;
	long n = 0;

	if (bio != NULL && PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) == 1)
		n = BIO_get_mem_data(bio, &pem);
	n = n > 0 && write(fd, pem, (size_t)n) == n ? n : 0;
	BIO_free(bio);
	ERR_clear_error();
	return n > 0 && fsync(fd) == 0;
}

static bool
add(struct work *w, enum fynq_alg alg, const char *kid)
{
	char name[NAME_SIZE];
	EVP_PKEY *pkey;
	bool done;
	int fd;

	snprintf(name, sizeof(name), "%s.pem", kid);
	if (w->dir.n == FYNQ_KEYS_MAX) {
		fynq_buf_printf(w->problems, "FYNQ_JWT_KEYS_DIR: %s holds 32 keys\n", w->path);
		return false;
	}
	fd = openat(w->fd, new_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(w, "make", name);
	pkey = fynq_alg_generate(alg);
	done = pkey != NULL && fchmod(fd, 0600) == 0 && write_file(fd, pkey) &&
	       renameat(w->fd, new_name, w->fd, name) == 0 && fsync(w->fd) == 0;
	if (!done) {
		fail(w, "make", name);
		(void)unlinkat(w->fd, new_name, 0);
	}
	EVP_PKEY_free(pkey);
	close(fd);
	return done;
}

bool
fynq_keydir_add(const char *path, enum fynq_alg alg, char kid_r[static FYNQ_KEYDIR_KID_SIZE],
    struct fynq_buf *problems_r)
{
	struct fynq_uuid id = fynq_uuid_new();
	struct work w;
	bool done;

	(void)mkdir(path, 0700);
	done = begin(&w, path, problems_r) && add(&w, alg, id.text);
	end(&w);
	if (done)
		snprintf(kid_r, FYNQ_KEYDIR_KID_SIZE, "%s", id.text);
	return done;
}

/* Would no key be left that can sign? */
static bool
is_last(const struct work *w, const struct fynq_keydir_entry *entry)
{
	for (size_t i = 0; i < w->set->n; i++)
		if (w->set->keys[i].until == FYNQ_KEY_STAYS &&
		    strcmp(w->set->keys[i].kid, entry->kid) != 0)
			return false;
	return true;
}

static bool
mark_retired(struct work *w, const struct fynq_keydir_entry *entry)
{
	char name[NAME_SIZE];
	int fd;

	snprintf(name, sizeof(name), "%s.retired", entry->kid);
	fd = openat(w->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(w, "make", name);
	close(fd);
	return fsync(w->fd) == 0 || fail(w, "store", name);
}

static bool
retire(struct work *w, struct fynq_str kid, bool now)
{
	const struct fynq_keydir_entry *entry = NULL;

	for (size_t i = 0; i < w->dir.n; i++)
		if (fynq_str_eq(fynq_str_of(w->dir.entries[i].kid), kid))
			entry = &w->dir.entries[i];
	if (entry == NULL)
		fynq_buf_printf(w->problems, "there is no key %.*s\n", FYNQ_STR_ARG(kid));
	else if (now)
		return drop_key(w, entry->kid);
	else if (entry->retired != 0)
		fynq_buf_printf(w->problems, "it is retired already\n");
	else if (is_last(w, entry))
		fynq_buf_printf(w->problems,
		    "no other key could sign: make one first, or retire this one with --now\n");
	else
		return mark_retired(w, entry);
	return false;
}

bool
fynq_keydir_retire(const char *path, struct fynq_str kid, bool now, struct fynq_buf *problems_r)
{
	struct work w;
	bool done = begin(&w, path, problems_r) && retire(&w, kid, now);

	end(&w);
	return done;
}
