#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "data/db.h"
#include "storage/file.h"
#include "storage/store.h"

enum { NAME_CHARS = 255 };

/* $1 id, $2 user, $3 purpose, $4 name, $5 media type, $6 bytes, $7 sha256, $8 width, $9 height. */
static const struct fynq_stmt add_file = { "add_file", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"insert into public.files"
	" (id, user_id, purpose, name, media_type, bytes, sha256, width, height)"
	" values ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::bigint, $7::text, $8::int,"
	"  $9::int)"
	" on conflict (id) do nothing" };

static bool
is_line(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	return fynq_str_utf8(s);
}

/* What is kept of a client's name for a file; absent where that is nothing. */
static struct fynq_str
tidy_name(struct fynq_str name)
{
	size_t chars = 0, n = 0;

	for (size_t i = name.n; i-- > 0;)
		if (name.p[i] == '/' || name.p[i] == '\\') {
			name = (struct fynq_str){ name.p + i + 1, name.n - i - 1 };
			break;
		}
	if (name.n == 0 || !is_line(name))
		return (struct fynq_str){ 0 };
	/* A code point ends before the next byte that is no continuation of it. */
	for (; n < name.n; n++)
		if (((unsigned char)name.p[n] & 0xc0) != 0x80 && chars++ == NAME_CHARS)
			break;
	return (struct fynq_str){ name.p, n };
}

/*
 * The object, then the row. A process that dies between the two leaves the object. Where the
 * database says that there is no row the object goes again; where the COMMIT may have been done,
 * though its answer was lost, it stays.
 */
enum fynq_err
fynq_file_add(struct fynq_req *rq, struct fynq_str purpose, const struct fynq_picture *picture,
    struct fynq_str name, struct fynq_uuid *id_r)
{
	struct fynq_uuid id = fynq_uuid_new();
	struct fynq_str key = fynq_store_key(rq, rq->caller.id, &id);
	const struct fynq_store *store = fynq_store();
	struct fynq_problem problem;
	enum fynq_err e;

	FYNQ_TRY(store->put(
	    rq, key, &(struct fynq_object){ picture->fd, picture->bytes, picture->media_type }));
	e = fynq_db_run(rq, &add_file,
	    FYNQ_ARGS(fynq_uuid_str(&id), rq->caller.id, purpose, tidy_name(name),
		fynq_str_of(picture->media_type), fynq_arg_int(rq, picture->bytes),
		fynq_str_of(picture->sha256), fynq_arg_int(rq, picture->width),
		fynq_arg_int(rq, picture->height)),
	    NULL);
	if (e == FYNQ_E_INVALID || e == FYNQ_E_NOT_FOUND || e == FYNQ_E_FORBIDDEN) {
		problem = rq->problem;
		(void)store->remove(rq, key);
		rq->problem = problem;
	}
	FYNQ_TRY(e);
	*id_r = id;
	return FYNQ_OK;
}

/* All of it, or false with errno. */
static bool
read_all(int fd, char *p, size_t n)
{
	ssize_t got;

	for (size_t at = 0; at<n; at += got> 0 ? (size_t)got : 0) {
		got = read(fd, p + at, n - at);
		if (got == 0)
			errno = ENODATA;
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
	}
	return true;
}

enum fynq_err
fynq_file_read(struct fynq_req *rq, const struct fynq_uuid *user, const struct fynq_uuid *id,
    size_t max, struct fynq_str *bytes_r)
{
	struct fynq_str key = fynq_store_key(rq, fynq_uuid_str(user), id);
	const struct fynq_store *store = fynq_store();
	int64_t bytes;
	char *p;
	int fd;

	FYNQ_TRY(store->size(rq, key, &bytes));
	if ((uint64_t)bytes > max)
		return fynq_fail(rq, FYNQ_E_TOO_LARGE, NULL);
	FYNQ_TRY(store->open(rq, key, &fd));
	p = fynq_arena_alloc(rq->arena, (size_t)bytes + 1);
	if (!read_all(fd, p, (size_t)bytes)) {
		fynq_log(FYNQ_LOG_ERROR, "storage", "cannot read file %s: %s", id->text,
		    strerror(errno));
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	}
	*bytes_r = (struct fynq_str){ p, (size_t)bytes };
	return FYNQ_OK;
}

/* $1 id, $2 user. */
static const struct fynq_stmt drop_file = { "drop_file", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from files f where f.id = $1::uuid and f.user_id = $2::uuid"
	" and not exists (select from messages m where m.file_id = f.id) returning f.id" };

void
fynq_file_drop(struct fynq_req *rq, const struct fynq_uuid *id)
{
	const struct fynq_problem problem = rq->problem;
	struct fynq_uuid user;
	struct fynq_rows rows;

	if (fynq_uuid_parse(rq->caller.id, &user) &&
	    fynq_db_run(rq, &drop_file, FYNQ_ARGS(fynq_uuid_str(id), rq->caller.id), &rows) ==
		FYNQ_OK &&
	    rows.n > 0)
		fynq_file_remove(rq, &user, id, 1);
	rq->problem = problem;
}

/* A process that dies in between leaves the objects that it has not come to. */
void
fynq_file_remove(
    struct fynq_req *rq, const struct fynq_uuid *user, const struct fynq_uuid *ids, size_t n)
{
	const struct fynq_problem problem = rq->problem;

	for (size_t i = 0; i < n; i++)
		(void)fynq_store()->remove(rq, fynq_store_key(rq, fynq_uuid_str(user), &ids[i]));
	rq->problem = problem;
}
