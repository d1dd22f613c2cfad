#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "storage/copy.h"

enum { CHUNK = 65536 };

struct copy {
	const struct fynq_store *from, *to;
	const struct fynq_watch *watch;
	struct fynq_copied *c;
	int away; /* objects in a row that could not be copied */
};

/* Whether the file is what its row says: its size and its SHA-256. */
static bool
is_whole(struct fynq_req *rq, int fd, const struct fynq_file_row *row)
{
	struct fynq_digest *d = fynq_digest_new(rq->arena);
	char chunk[CHUNK], hex[FYNQ_SHA256_SIZE];
	struct stat st;
	int64_t at = 0;
	ssize_t n;

	if (fstat(fd, &st) != 0 || st.st_size != row->bytes)
		return false;
	while ((n = pread(fd, chunk, sizeof(chunk), at)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0) {
			fynq_digest_add(d, (struct fynq_str){ chunk, (size_t)n });
			at += n;
		}
	fynq_digest_end(d, hex);
	return n == 0 && fynq_str_eq(fynq_str_of(hex), row->sha256);
}

static void
tell(struct copy *c, const struct fynq_file_row *row, const char *what)
{
	c->c->failed++;
	c->watch->found(c->watch->arg, fynq_str_of(row->key.text), what);
}

/* A row without an object: of one that was deleted meanwhile it is what it should be. */
static enum fynq_err
missing(struct fynq_req *rq, struct copy *c, const struct fynq_file_row *row)
{
	bool stands;

	FYNQ_TRY(fynq_row_stands(rq, &row->key, &stands));
	if (stands)
		tell(c, row, "it is missing");
	return FYNQ_OK;
}

/* Where the row went while its object was copied, nobody else would remove the copy. */
static enum fynq_err
take_back(struct fynq_req *rq, struct copy *c, const struct fynq_file_row *row)
{
	bool stands;

	FYNQ_TRY(fynq_row_stands(rq, &row->key, &stands));
	return stands ? FYNQ_OK : c->to->remove(rq, fynq_str_of(row->key.text));
}

/*
 * Of a store that is not local, open() makes a file without a name, and the local store gives it
 * one: here, too, the bytes are written once.
 */
static enum fynq_err
copy_object(struct fynq_req *rq, struct copy *c, const struct fynq_file_row *row)
{
	struct fynq_str key = fynq_str_of(row->key.text);
	struct fynq_object object = { .bytes = row->bytes, .media_type = row->media_type.p };
	enum fynq_err e = c->from->open(rq, key, &object.fd);

	if (e == FYNQ_E_NOT_FOUND)
		return missing(rq, c, row);
	FYNQ_TRY(e);
	if (!is_whole(rq, object.fd, row)) {
		tell(c, row, "it is damaged");
		return FYNQ_OK;
	}
	FYNQ_TRY(c->to->put(rq, key, &object));
	c->c->copied++;
	c->c->bytes += row->bytes;
	return take_back(rq, c, row);
}

static enum fynq_err
copy_where_missing(struct fynq_req *rq, struct copy *c, const struct fynq_file_row *row)
{
	int64_t bytes;
	enum fynq_err e = c->to->size(rq, fynq_str_of(row->key.text), &bytes);

	if (e == FYNQ_OK && bytes == row->bytes) {
		c->c->skipped++;
		return FYNQ_OK;
	}
	return e == FYNQ_OK || e == FYNQ_E_NOT_FOUND ? copy_object(rq, c, row) : e;
}

/* A store that is full is so for the next one, too; one that fails may do better with the next. */
static enum fynq_err
copy_row(void *arg, struct fynq_req *rq, const struct fynq_file_row *row)
{
	struct copy *c = arg;
	enum fynq_err e = copy_where_missing(rq, c, row);

	c->c->rows++;
	c->watch->stepped(c->watch->arg);
	if (e != FYNQ_E_STORAGE_UNAVAILABLE) {
		c->away = 0;
		return e;
	}
	tell(c, row, "it cannot be copied");
	return ++c->away < FYNQ_STORE_AWAY ? FYNQ_OK : e;
}

enum fynq_err
fynq_copy_run(struct fynq_req *rq, const struct fynq_store *from, const struct fynq_store *to,
    const struct fynq_watch *watch, struct fynq_copied *c_r)
{
	struct copy c = { .from = from, .to = to, .watch = watch, .c = c_r };

	*c_r = (struct fynq_copied){ 0 };
	return fynq_rows_each(rq, 0, copy_row, &c);
}
