#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/disk.h"
#include "base/log.h"
#include "http/upload.h"

enum {
	/* Who may read the file is said once it has a name (storage/store.h). */
	FILE_MODE = 0600,
	/*
	 * Bytes after which the kernel is asked to begin writing them to the disk, so that the
	 * store's fsync has little left to wait for. Less would split what a disk takes in one go.
	 */
	WRITEBACK = 8 << 20
};

static enum fynq_err
fail(struct fynq_req *rq, const char *what)
{
	bool full = errno == ENOSPC || errno == EDQUOT;

	fynq_log(
	    FYNQ_LOG_ERROR, "upload", "cannot %s in FYNQ_FILES_DIR: %s", what, strerror(errno));
	return fynq_fail(rq, full ? FYNQ_E_INSUFFICIENT_STORAGE : FYNQ_E_STORAGE_UNAVAILABLE, NULL);
}

/* For file systems without O_TMPFILE. */
static int
open_and_unlink(const char *folder)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/upload-XXXXXX", folder);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int
open_nameless(const char *folder)
{
	/* Without O_EXCL, which would forbid the store to give the file a name (open(2)). */
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, FILE_MODE);

	/* Kernels that do not know the flag see a folder opened for writing. */
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		return open_and_unlink(folder);
	return fd;
}

static void
close_upload(void *arg)
{
	close((int)(intptr_t)arg);
}

enum fynq_err
fynq_upload_open(struct fynq_req *rq, struct fynq_upload *u_r)
{
	char folder[PATH_MAX];

	*u_r = (struct fynq_upload){ .fd = -1 };
	snprintf(folder, sizeof(folder), "%s/tmp", fynq_config.files_dir);
	u_r->fd = open_nameless(folder);
	if (u_r->fd < 0 && errno == ENOENT && fynq_disk_make_folder(fynq_config.files_dir) &&
	    fynq_disk_make_folder(folder))
		u_r->fd = open_nameless(folder);
	if (u_r->fd < 0)
		return fail(rq, "make a file");
	fynq_arena_defer(rq->arena, close_upload, (void *)(intptr_t)u_r->fd);
	return FYNQ_OK;
}

/*
 * Have what is complete since the file had `before` bytes written to the disk, without waiting for
 * it. Where that cannot be the fsync does it all; an error of the disk comes up there, too.
 */
static void
begin_writeback(const struct fynq_upload *u, int64_t before)
{
	int64_t from = before - before % WRITEBACK, to = u->bytes - u->bytes % WRITEBACK;

	if (to > from)
		(void)sync_file_range(u->fd, from, to - from, SYNC_FILE_RANGE_WRITE);
}

enum fynq_err
fynq_upload_add(
    struct fynq_req *rq, struct fynq_upload *u, struct fynq_digest *d, struct fynq_str bytes)
{
	int64_t before = u->bytes;

	if (d != NULL)
		fynq_digest_begin(d, bytes);
	u->bytes += (int64_t)bytes.n;
	while (bytes.n > 0) {
		ssize_t n = write(u->fd, bytes.p, bytes.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(rq, "write");
		bytes = (struct fynq_str){ bytes.p + n, bytes.n - (size_t)n };
	}
	begin_writeback(u, before);
	return FYNQ_OK;
}

void
fynq_upload_end(struct fynq_upload *u, struct fynq_digest *d)
{
	fynq_digest_end(d, u->sha256);
	lseek(u->fd, 0, SEEK_SET);
}
