#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/config.h"
#include "identity/keydir.h"

enum { NAME_SIZE = FYNQ_KEYDIR_KID_SIZE + 8, PEM_MAX = 16384 };

static const char kid_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool
complain(struct fynq_buf *problems_r, const char *path, const char *name, const char *what)
{
	fynq_buf_printf(problems_r, "FYNQ_JWT_KEYS_DIR: %s%s%s %s\n", path,
	    name[0] != '\0' ? "/" : "", name, what);
	return false;
}

/* As errno has it, and what to do about a folder that is not there. */
static bool
unreadable(struct fynq_buf *problems_r, const char *path, const char *name)
{
	char what[160];

	snprintf(what, sizeof(what), "cannot be read: %s%s", strerror(errno),
	    errno == ENOENT ? "; `fynqctl keys new` makes it" : "");
	return complain(problems_r, path, name, what);
}

/* The kid of KID.pem. */
static bool
read_name(const char *name, char kid_r[static FYNQ_KEYDIR_KID_SIZE])
{
	size_t n = strspn(name, kid_letters);

	if (n == 0 || n >= FYNQ_KEYDIR_KID_SIZE || name[0] == '-' || name[0] == '_' ||
	    strcmp(name + n, ".pem") != 0)
		return false;
	memcpy(kid_r, name, n);
	return true;
}

static int64_t
mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* False where the key went away meanwhile. */
static bool
look_at(int dir_fd, const char *name, struct fynq_keydir_entry *entry)
{
	char marker[NAME_SIZE];
	struct stat st;

	if (fstatat(dir_fd, name, &st, 0) != 0)
		return false;
	entry->made = mtime_ns(&st);
	entry->inode = st.st_ino;
	entry->size = (uint64_t)st.st_size;
	snprintf(marker, sizeof(marker), "%s.retired", entry->kid);
	if (fstatat(dir_fd, marker, &st, 0) == 0)
		entry->retired = mtime_ns(&st);
	return true;
}

static int
by_kid(const void *a, const void *b)
{
	const struct fynq_keydir_entry *left = a, *right = b;

	return strcmp(left->kid, right->kid);
}

bool
fynq_keydir_list(const char *path, struct fynq_keydir *dir_r, struct fynq_buf *problems_r)
{
	DIR *dir = opendir(path);
	const struct dirent *found;
	bool room = true;

	memset(dir_r, 0, sizeof(*dir_r));
	if (dir == NULL)
		return unreadable(problems_r, path, "");
	while (room && (found = readdir(dir)) != NULL) {
		struct fynq_keydir_entry entry = { 0 };

		if (!read_name(found->d_name, entry.kid) ||
		    !look_at(dirfd(dir), found->d_name, &entry))
			continue;
		room = dir_r->n < FYNQ_KEYS_MAX;
		if (room)
			dir_r->entries[dir_r->n++] = entry;
	}
	closedir(dir);
	if (!room)
		return complain(problems_r, path, "", "holds more than 32 keys");
	qsort(dir_r->entries, dir_r->n, sizeof(dir_r->entries[0]), by_kid);
	return true;
}

/* Without this OpenSSL would ask a terminal for the passphrase. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

/* Not by BIO_new_fd(): a pipe there must keep nobody waiting. */
static EVP_PKEY *
read_pem(int fd)
{
	char pem[PEM_MAX];
	ssize_t n = read(fd, pem, sizeof(pem));
	BIO *bio = n > 0 ? BIO_new_mem_buf(pem, (int)n) : NULL;
	EVP_PKEY *pkey = NULL;

	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	OPENSSL_cleanse(pem, sizeof(pem));
	ERR_clear_error();
	return pkey;
}

/* It is not the file's fault that it cannot be opened, and it may be opened later. */
static bool
is_passing(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
}

/* False where nothing can be said of the key now. */
static bool
load_key(struct fynq_keyset *set, const char *path, int dir_fd,
    const struct fynq_keydir_entry *entry, struct fynq_buf *problems_r)
{
	int64_t stays = fynq_config.jwt_seconds + fynq_config.jwt_leeway_seconds +
			FYNQ_KEYDIR_LOOK_SECONDS;
	struct fynq_key key = { .private = true,
		.created = entry->made / 1000000000,
		.until = entry->retired != 0 ? entry->retired / 1000000000 + stays
					     : FYNQ_KEY_STAYS };
	char name[NAME_SIZE];
	struct stat st;
	int fd;

	snprintf(key.kid, sizeof(key.kid), "%s", entry->kid);
	snprintf(name, sizeof(name), "%s.pem", entry->kid);
	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return true;
	if (fd < 0 && is_passing(errno))
		return unreadable(problems_r, path, name);
	if (fd < 0 || fstat(fd, &st) != 0)
		unreadable(problems_r, path, name);
	else if (!S_ISREG(st.st_mode))
		complain(problems_r, path, name, "is no regular file");
	else if ((st.st_mode & 027) != 0)
		complain(problems_r, path, name,
		    "can be read or written by others: chmod 600, as the service's user");
	else if ((key.pkey = read_pem(fd)) == NULL || !fynq_keyset_add(set, key))
		complain(problems_r, path, name,
		    "is no private key for RS256, ES256 or EdDSA in PEM without a passphrase");
	if (fd >= 0)
		close(fd);
	return true;
}

struct fynq_keyset *
fynq_keydir_load(const char *path, const struct fynq_keydir *dir, struct fynq_buf *problems_r)
{
	int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct fynq_keyset *set;
	bool all = true;

	if (dir_fd < 0) {
		unreadable(problems_r, path, "");
		return NULL;
	}
	set = fynq_keyset_new();
	for (size_t i = 0; i < dir->n && all; i++)
		all = load_key(set, path, dir_fd, &dir->entries[i], problems_r);
	close(dir_fd);
	if (!all)
		fynq_keyset_drop(&set);
	return set;
}
