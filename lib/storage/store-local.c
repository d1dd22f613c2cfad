/*
 * Objects as files, FYNQ_FILES_DIR/objects/XX/USERID/OBJECTID, XX the last two digits of the user's
 * id so that no folder grows too long.
 *
 * An upload lies in FYNQ_FILES_DIR/tmp, without a name, and becomes the object by being given one:
 * its bytes are written once. Where that cannot be, they are copied to FYNQ_FILES_DIR/incoming and
 * renamed, so all three must be of one file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/disk.h"
#include "base/log.h"
#include "storage/store-local.h"

enum { FILE_MODE = 0640, CHUNK = 65536, LINK_TRIES = 3, MOVE_TRIES = 100 };

enum fynq_err
fynq_local_failed(struct fynq_req *rq, const char *what, const char *path)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	fynq_log(FYNQ_LOG_ERROR, "storage", "%s %s: %s", what, path, strerror(errno));
	return fynq_fail(rq, full ? FYNQ_E_INSUFFICIENT_STORAGE : FYNQ_E_STORAGE_UNAVAILABLE, NULL);
}

const char *
fynq_local_path(struct fynq_req *rq, const char *name)
{
	return fynq_arena_printf(rq->arena, "%s/%s", fynq_config.files_dir, name).p;
}

/* From a parsed id, so nothing in it can lead out of the first. */
void
fynq_local_folders(
    struct fynq_req *rq, const struct fynq_uuid *user, struct fynq_local_place *place_r)
{
	const char *shard, *owner;

	shard = fynq_arena_printf(rq->arena, "objects/%s", fynq_local_shard(user)).p;
	owner = fynq_arena_printf(rq->arena, "%s/%s", shard, user->text).p;
	*place_r = (struct fynq_local_place){
		.folders = { fynq_local_path(rq, "objects"), fynq_local_path(rq, shard),
		    fynq_local_path(rq, owner) },
	};
}

/* No key becomes a path but one of two UUIDs. */
static enum fynq_err
find_place(struct fynq_req *rq, struct fynq_str key, struct fynq_local_place *place_r)
{
	struct fynq_str user_text, id_text;
	struct fynq_uuid user, id;

	fynq_str_cut(key, '/', &user_text, &id_text);
	if (!fynq_uuid_parse(user_text, &user) || !fynq_uuid_parse(id_text, &id)) {
		fynq_log(FYNQ_LOG_ERROR, "storage", "a key is not USERID/OBJECTID");
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	}
	fynq_local_folders(rq, &user, place_r);
	place_r->id = fynq_arena_strdup(rq->arena, fynq_uuid_str(&id));
	place_r->object = fynq_arena_printf(rq->arena, "%s/%s", place_r->folders[2], id.text).p;
	return FYNQ_OK;
}

static enum fynq_err
make_folders(struct fynq_req *rq, const char *const *folders, size_t n)
{
	if (!fynq_disk_make_folder(fynq_config.files_dir))
		return fynq_local_failed(rq, "cannot make", fynq_config.files_dir);
	for (size_t i = 0; i < n; i++)
		if (!fynq_disk_make_folder(folders[i]))
			return fynq_local_failed(rq, "cannot make", folders[i]);
	return FYNQ_OK;
}

bool
fynq_local_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool synced = fd >= 0 && fsync(fd) == 0;
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return synced;
}

/*
 * Up to the root: a name lasts no longer than the folders that it stands in, and those may have
 * been made by another process a moment ago. One that has not changed costs next to nothing.
 */
static enum fynq_err
sync_folders(struct fynq_req *rq, const struct fynq_local_place *place)
{
	for (size_t i = FYNQ_LOCAL_FOLDERS; i-- > 0;)
		if (!fynq_local_sync(place->folders[i]))
			return fynq_local_failed(rq, "cannot sync", place->folders[i]);
	if (!fynq_local_sync(fynq_config.files_dir))
		return fynq_local_failed(rq, "cannot sync", fynq_config.files_dir);
	return FYNQ_OK;
}

/* A new file in incoming/, mode 0600; path_r is its name. */
static enum fynq_err
make_incoming(struct fynq_req *rq, const char *name, const char **path_r, int *fd_r)
{
	const char *folder = fynq_local_path(rq, "incoming");
	struct fynq_str path = fynq_arena_printf(rq->arena, "%s/%s-XXXXXX", folder, name);
	char *made = fynq_arena_strdup(rq->arena, path);

	FYNQ_TRY(make_folders(rq, &folder, 1));
	*fd_r = mkostemp(made, O_CLOEXEC);
	*path_r = made;
	return *fd_r < 0 ? fynq_local_failed(rq, "cannot make", made) : FYNQ_OK;
}

static bool
write_all(int fd, const char *p, size_t n)
{
	ssize_t wrote;

	while (n > 0) {
		wrote = write(fd, p, n);
		if (wrote < 0 && errno != EINTR)
			return false;
		p += wrote > 0 ? wrote : 0;
		n -= wrote > 0 ? (size_t)wrote : 0;
	}
	return true;
}

static bool
copy(int from, int to, int64_t bytes)
{
	char chunk[CHUNK];
	ssize_t n;

	for (int64_t at = 0; at < bytes; at += n) {
		size_t want = bytes - at < CHUNK ? (size_t)(bytes - at) : CHUNK;

		n = pread(from, chunk, want, at);
		if (n < 0 && errno == EINTR) {
			n = 0;
			continue;
		}
		if (n == 0)
			errno = ENODATA; /* shorter than was said */
		if (n <= 0 || !write_all(to, chunk, (size_t)n))
			return false;
	}
	return true;
}

/*
 * Put what is in incoming/ in its place. The user's folder may go while it is empty, as
 * remove_object() has it, so it is made until it is not empty any more.
 */
static bool
move_in(const char *incoming, const struct fynq_local_place *place)
{
	const char *owner = place->folders[FYNQ_LOCAL_FOLDERS - 1];

	for (int try = 0; try < MOVE_TRIES; try++)
		if (rename(incoming, place->object) == 0)
			return true;
		else if (errno != ENOENT || !fynq_disk_make_folder(owner))
			return false;
	return false;
}

/*
 * Give an upload its name. Its bytes are on the disk before: a crash never leaves half an object.
 * An inode whose name was taken from it cannot have one again, nor can one of another file system,
 * and where the object is there already only a rename replaces it; all these are left to copy_in().
 *
 * A process that dies before the link leaves nothing, as the upload has no name.
 */
static enum fynq_err
link_in(struct fynq_req *rq, const struct fynq_object *o, const struct fynq_local_place *place,
    bool *linked_r)
{
	const char *owner = place->folders[FYNQ_LOCAL_FOLDERS - 1];
	char self[32];
	struct stat st;

	*linked_r = false;
	if (fstat(o->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 0 ||
	    st.st_size != o->bytes || fchmod(o->fd, FILE_MODE) != 0)
		return FYNQ_OK;
	/* What could not be written would be gone from the copy's source, too. */
	if (fsync(o->fd) != 0)
		return fynq_local_failed(rq, "cannot write", place->object);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", o->fd);
	for (int try = 0; try < LINK_TRIES; try++)
		if (linkat(AT_FDCWD, self, AT_FDCWD, place->object, AT_SYMLINK_FOLLOW) == 0) {
			*linked_r = true;
			break;
		} else if (errno != ENOENT || !fynq_disk_make_folder(owner)) {
			break; /* else as move_in() has it */
		}
	return FYNQ_OK;
}

/*
 * A process that dies before the rename leaves a file in incoming/ that nobody knows of; see
 * fynq_local_sweep().
 */
static enum fynq_err
copy_in(struct fynq_req *rq, const struct fynq_object *o, const struct fynq_local_place *place)
{
	const char *incoming;
	bool stored;
	int to;

	FYNQ_TRY(make_incoming(rq, place->id, &incoming, &to));
	stored = fchmod(to, FILE_MODE) == 0 && copy(o->fd, to, o->bytes) && fsync(to) == 0;
	if (close(to) != 0 || !stored || !move_in(incoming, place)) {
		(void)fynq_local_failed(rq, "cannot write", incoming);
		(void)unlink(incoming);
		return rq->problem.error;
	}
	return FYNQ_OK;
}

/*
 * A process that dies once the object has its name leaves an object that no row names, as the
 * caller has not added the row yet. It does no harm but for the room that it takes.
 */
static enum fynq_err
put(struct fynq_req *rq, struct fynq_str key, const struct fynq_object *o)
{
	struct fynq_local_place place;
	bool linked;

	FYNQ_TRY(find_place(rq, key, &place));
	FYNQ_TRY(make_folders(rq, place.folders, FYNQ_LOCAL_FOLDERS));
	FYNQ_TRY(link_in(rq, o, &place, &linked));
	if (!linked)
		FYNQ_TRY(copy_in(rq, o, &place));
	return sync_folders(rq, &place);
}

static enum fynq_err
missing_or_failed(struct fynq_req *rq, const char *path)
{
	if (errno == ENOENT)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	return fynq_local_failed(rq, "cannot read", path);
}

static void
close_object(void *fd)
{
	close(*(int *)fd);
}

static enum fynq_err
open_object(struct fynq_req *rq, struct fynq_str key, int *fd_r)
{
	int *fd = fynq_arena_alloc(rq->arena, sizeof(*fd));
	struct fynq_local_place place;

	FYNQ_TRY(find_place(rq, key, &place));
	*fd = open(place.object, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd < 0)
		return missing_or_failed(rq, place.object);
	fynq_arena_defer(rq->arena, close_object, fd);
	*fd_r = *fd;
	return FYNQ_OK;
}

static enum fynq_err
size_of(struct fynq_req *rq, struct fynq_str key, int64_t *bytes_r)
{
	struct fynq_local_place place;
	struct stat st;

	FYNQ_TRY(find_place(rq, key, &place));
	if (lstat(place.object, &st) != 0)
		return missing_or_failed(rq, place.object);
	*bytes_r = st.st_size;
	return FYNQ_OK;
}

/*
 * The user's folder goes with the last object: one that was put there when its user had just been
 * erased leaves nothing of them. No folder is synced: an object that comes back after a crash has
 * no row.
 */
static enum fynq_err
remove_object(struct fynq_req *rq, struct fynq_str key)
{
	struct fynq_local_place place;

	FYNQ_TRY(find_place(rq, key, &place));
	if (unlink(place.object) != 0 && errno != ENOENT)
		return fynq_local_failed(rq, "cannot remove", place.object);
	(void)rmdir(place.folders[FYNQ_LOCAL_FOLDERS - 1]); /* refused while others are in it */
	return FYNQ_OK;
}

static enum fynq_err
fetch(struct fynq_req *rq, struct fynq_str key, int64_t from, int64_t n, fynq_store_take *take,
    void *arg)
{
	char chunk[CHUNK];
	struct fynq_mark mark = fynq_arena_mark(rq->arena);
	enum fynq_err e = FYNQ_OK;
	ssize_t got;
	int fd;

	FYNQ_TRY(open_object(rq, key, &fd));
	for (int64_t end = from + n; from < end && e == FYNQ_OK; from += got) {
		got = pread(fd, chunk, end - from < CHUNK ? (size_t)(end - from) : CHUNK, from);
		if (got == 0)
			errno = ENODATA; /* shorter than was said */
		if (got < 0 && errno == EINTR)
			got = 0;
		else if (got <= 0)
			e = fynq_local_failed(rq, "cannot read", key.p);
		else if (!take(arg, (struct fynq_str){ chunk, (size_t)got }))
			e = fynq_fail(rq, FYNQ_E_INTERRUPTED, NULL);
	}
	fynq_arena_release(rq->arena, mark);
	return e;
}

static enum fynq_err
path(struct fynq_req *rq, struct fynq_str key, struct fynq_str *path_r)
{
	struct fynq_local_place place;
	size_t above;

	FYNQ_TRY(find_place(rq, key, &place));
	above = strlen(place.folders[0]) + 1;
	*path_r = fynq_str_of(place.object + above);
	return FYNQ_OK;
}

const struct fynq_store fynq_store_local = {
	.name = "local",
	.put = put,
	.open = open_object,
	.fetch = fetch,
	.size = size_of,
	.remove = remove_object,
	.remove_user = fynq_local_remove_user,
	.list = fynq_local_list,
	.sweep = fynq_local_sweep,
	.path = path,
};
