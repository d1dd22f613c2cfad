#include <archive.h>
#include <archive_entry.h>
#include <time.h>

#include "account/zip.h"
#include "base/log.h"

enum { FILE_MODE = 0644, BLOCK = 65536 };

/* How a call of libarchive went: what the file failed with is recorded already. */
static enum fynq_err
outcome(struct fynq_zip *z, bool good)
{
	if (z->error != FYNQ_OK || good)
		return z->error;
	fynq_log(FYNQ_LOG_ERROR, "zip", "%s", archive_error_string(z->archive));
	z->error = fynq_fail(z->rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	return z->error;
}

/* To libarchive all is well: one that has failed does not give all of its memory back. */
static la_ssize_t
write_block(struct archive *a, void *arg, const void *p, size_t n)
{
	struct fynq_zip *z = arg;

	(void)a;
	if (z->error == FYNQ_OK)
		z->error = fynq_upload_add(z->rq, &z->file, NULL, (struct fynq_str){ p, n });
	return (la_ssize_t)n;
}

/* What it still has to say, where it was not closed, is for nobody. */
static void
free_archive(void *arg)
{
	struct fynq_zip *z = arg;

	z->error = FYNQ_E_INTERNAL;
	archive_write_free(z->archive);
}

enum fynq_err
fynq_zip_open(struct fynq_req *rq, struct fynq_zip **z_r)
{
	struct fynq_zip *z = fynq_arena_alloc(rq->arena, sizeof(*z));

	*z = (struct fynq_zip){ .rq = rq, .made_at = time(NULL) };
	FYNQ_TRY(fynq_upload_open(rq, &z->file));
	z->archive = archive_write_new();
	if (z->archive == NULL)
		fynq_log_fatal("zip", "out of memory");
	fynq_arena_defer(rq->arena, free_archive, z);
	*z_r = z;
	return outcome(
	    z, archive_write_set_format_zip(z->archive) == ARCHIVE_OK &&
		   archive_write_set_bytes_per_block(z->archive, BLOCK) == ARCHIVE_OK &&
		   archive_write_set_bytes_in_last_block(z->archive, 1) == ARCHIVE_OK &&
		   archive_write_open(z->archive, z, NULL, write_block, NULL) == ARCHIVE_OK);
}

/* size is negative where it is not known. */
static enum fynq_err
begin(struct fynq_zip *z, const char *name, int64_t size)
{
	struct archive_entry *entry = archive_entry_new();
	int result;

	if (entry == NULL)
		fynq_log_fatal("zip", "out of memory");
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, FILE_MODE);
	archive_entry_set_mtime(entry, (time_t)z->made_at, 0);
	if (size >= 0)
		archive_entry_set_size(entry, size);
	result = archive_write_header(z->archive, entry);
	archive_entry_free(entry);
	return outcome(z, result == ARCHIVE_OK);
}

enum fynq_err
fynq_zip_text(struct fynq_zip *z, const char *name)
{
	FYNQ_TRY(outcome(z, archive_write_zip_set_compression_deflate(z->archive) == ARCHIVE_OK));
	return begin(z, name, -1);
}

enum fynq_err
fynq_zip_bytes(struct fynq_zip *z, const char *name, int64_t bytes)
{
	FYNQ_TRY(outcome(z, archive_write_zip_set_compression_store(z->archive) == ARCHIVE_OK));
	return begin(z, name, bytes);
}

enum fynq_err
fynq_zip_add(struct fynq_zip *z, struct fynq_str bytes)
{
	la_ssize_t n;

	while (bytes.n > 0) {
		n = archive_write_data(z->archive, bytes.p, bytes.n);
		FYNQ_TRY(outcome(z, n > 0));
		bytes = (struct fynq_str){ bytes.p + n, bytes.n - (size_t)n };
	}
	return FYNQ_OK;
}

enum fynq_err
fynq_zip_close(struct fynq_zip *z)
{
	return outcome(z, archive_write_close(z->archive) == ARCHIVE_OK);
}
