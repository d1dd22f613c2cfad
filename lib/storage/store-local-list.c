/*
 * What looks through the local store's folders: of one user, of all, of what puts left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/store-local.h"

enum { REMOVE_TRIES = 100 };

/* Everything in a folder of objects, which has no folders itself. */
static bool
empty_folder(DIR *dir)
{
	struct dirent *entry;

	for (;;) {
		errno = 0;
		if ((entry = readdir(dir)) == NULL)
			return errno == 0;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) != 0 && errno != ENOENT)
			return false;
	}
}

/* Remove a folder with what is in it; false, with errno, where it is there still. */
static bool
remove_folder(const char *path)
{
	DIR *dir = opendir(path);
	bool emptied;
	int error;

	if (dir == NULL)
		return errno == ENOENT;
	emptied = empty_folder(dir);
	error = errno;
	closedir(dir);
	errno = error;
	return emptied && (rmdir(path) == 0 || errno == ENOENT);
}

/*
 * The folder goes with what is in it. A request that is under way may put an object into it
 * meanwhile: then it is emptied again, as there are few of those and no new ones. The folder above
 * is synced here: nobody would look for what came back.
 */
enum fynq_err
fynq_local_remove_user(struct fynq_req *rq, struct fynq_str user_text)
{
	struct fynq_local_place place;
	struct fynq_uuid user;
	const char *owner;

	if (!fynq_uuid_parse(user_text, &user))
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	fynq_local_folders(rq, &user, &place);
	owner = place.folders[FYNQ_LOCAL_FOLDERS - 1];
	if (access(owner, F_OK) != 0 && errno == ENOENT)
		return FYNQ_OK;
	for (int try = 1; !remove_folder(owner); try++)
		if (errno != ENOTEMPTY || try == REMOVE_TRIES)
			return fynq_local_failed(rq, "cannot empty", owner);
	if (!fynq_local_sync(place.folders[FYNQ_LOCAL_FOLDERS - 2]))
		return fynq_local_failed(rq, "cannot sync", place.folders[FYNQ_LOCAL_FOLDERS - 2]);
	return FYNQ_OK;
}

/* The way down to the objects; a folder is open on each floor, and nothing else grows. */
struct walk {
	struct fynq_req *rq;
	fynq_store_visit *visit;
	void *arg;
	const char *shard;
	struct fynq_uuid user;
};

typedef enum fynq_err on_name(struct walk *w, int folder, const char *name);

/* One that has gone meanwhile has nothing in it, nor has what is no folder. */
static enum fynq_err
no_folder(struct walk *w, const char *name)
{
	if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
		return FYNQ_OK;
	return fynq_local_failed(w->rq, "cannot read", name);
}

/* Call fn with every name in a folder, until it fails. */
static enum fynq_err
each_name(struct walk *w, int above, const char *name, on_name *fn)
{
	int fd = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	enum fynq_err e = FYNQ_OK;
	struct dirent *entry;
	DIR *dir;

	if (fd < 0)
		return no_folder(w, name);
	if ((dir = fdopendir(fd)) == NULL) {
		e = fynq_local_failed(w->rq, "cannot read", name);
		close(fd);
		return e;
	}
	while (e == FYNQ_OK && (errno = 0, entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			e = fn(w, fd, entry->d_name);
	if (e == FYNQ_OK && errno != 0)
		e = fynq_local_failed(w->rq, "cannot read", name);
	closedir(dir);
	return e;
}

/* No name but that which fynq gives to a UUID's object or folder. */
static bool
is_uuid(const char *name, struct fynq_uuid *id_r)
{
	return fynq_uuid_parse(fynq_str_of(name), id_r) && strcmp(name, id_r->text) == 0;
}

static enum fynq_err
on_object(struct walk *w, int folder, const char *name)
{
	char key[2 * sizeof(w->user.text)];
	struct fynq_uuid id;
	struct stat st;

	if (!is_uuid(name, &id))
		return FYNQ_OK;
	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return no_folder(w, name);
	if (!S_ISREG(st.st_mode))
		return FYNQ_OK;
	snprintf(key, sizeof(key), "%s/%s", w->user.text, id.text);
	if (!w->visit(w->arg, fynq_str_of(key), st.st_size, st.st_mtim.tv_sec))
		return fynq_fail(w->rq, FYNQ_E_INTERRUPTED, NULL);
	return FYNQ_OK;
}

/* A user's folder where no key leads is nobody's. */
static enum fynq_err
on_user(struct walk *w, int folder, const char *name)
{
	if (!is_uuid(name, &w->user) || strcmp(w->shard, fynq_local_shard(&w->user)) != 0)
		return FYNQ_OK;
	return each_name(w, folder, name, on_object);
}

static enum fynq_err
on_shard(struct walk *w, int folder, const char *name)
{
	w->shard = name;
	return each_name(w, folder, name, on_user);
}

enum fynq_err
fynq_local_list(struct fynq_req *rq, fynq_store_visit *visit, void *arg)
{
	struct walk w = { .rq = rq, .visit = visit, .arg = arg };

	return each_name(&w, AT_FDCWD, fynq_local_path(rq, "objects"), on_shard);
}

/* What lies in incoming/, and in tmp/ where files cannot be nameless, and how old. */
struct sweep {
	struct walk walk;
	int64_t before, n;
	bool remove;
};

static enum fynq_err
on_leftover(struct walk *w, int folder, const char *name)
{
	struct sweep *s = w->arg;
	struct stat st;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return no_folder(w, name);
	if (!S_ISREG(st.st_mode) || st.st_mtim.tv_sec >= s->before)
		return FYNQ_OK;
	if (s->remove && unlinkat(folder, name, 0) != 0 && errno != ENOENT)
		return fynq_local_failed(w->rq, "cannot remove", name);
	s->n++;
	return FYNQ_OK;
}

enum fynq_err
fynq_local_sweep(struct fynq_req *rq, int64_t before, bool remove, int64_t *n_r)
{
	static const char *const folders[] = { "incoming", "tmp" };
	struct sweep s = { .walk = { .rq = rq, .arg = &s }, .before = before, .remove = remove };
	enum fynq_err e = FYNQ_OK;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && e == FYNQ_OK; i++)
		e = each_name(&s.walk, AT_FDCWD, fynq_local_path(rq, folders[i]), on_leftover);
	*n_r = s.n;
	return e;
}
