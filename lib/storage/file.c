#include <string.h>

#include "data/db.h"
#include "storage/file.h"
#include "storage/store.h"

/* Where the next piece of a file goes, and how many bytes it has so far. */
struct reader {
	char *p;
	size_t n;
};

static bool
take(void *arg, struct fynq_str bytes)
{
	struct reader *r = arg;

	memcpy(r->p + r->n, bytes.p, bytes.n);
	r->n += bytes.n;
	return true;
}

enum fynq_err
fynq_file_read(struct fynq_req *rq, const struct fynq_uuid *user, const struct fynq_uuid *id,
    size_t max, struct fynq_str *bytes_r)
{
	struct fynq_str key = fynq_store_key(rq, fynq_uuid_str(user), id);
	struct reader r = { 0 };
	int64_t bytes;

	FYNQ_TRY(fynq_store()->size(rq, key, &bytes));
	if ((uint64_t)bytes > max)
		return fynq_fail(rq, FYNQ_E_TOO_LARGE, NULL);
	r.p = fynq_arena_alloc(rq->arena, (size_t)bytes + 1);
	if (bytes > 0)
		FYNQ_TRY(fynq_store()->fetch(rq, key, 0, bytes, take, &r));
	*bytes_r = (struct fynq_str){ r.p, r.n };
	return FYNQ_OK;
}

/*
 * A process that dies between the COMMIT and the removal leaves the objects, or those of them that
 * it has not come to. $1 id, $2 user.
 */
static const struct fynq_stmt delete_file = { "delete_file", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"delete from public.files f where f.id = $1::uuid and f.user_id = $2::uuid"
	" returning f.user_id" };

static const struct fynq_stmt drop_file = { "drop_file", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from public.files f where f.id = $1::uuid and f.user_id = $2::uuid"
	" and not exists (select from public.messages m where m.file_id = f.id)"
	" returning f.user_id" };

/* *there_r says whether there was such a row. */
static enum fynq_err
delete_both(
    struct fynq_req *rq, const struct fynq_stmt *stmt, const struct fynq_uuid *id, bool *there_r)
{
	struct fynq_uuid user;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, stmt, FYNQ_ARGS(fynq_uuid_str(id), rq->caller.id), &rows));
	*there_r = rows.n > 0 && fynq_uuid_parse(fynq_rows_str(&rows, 0, 0), &user);
	if (*there_r)
		fynq_file_remove(rq, &user, id, 1);
	return FYNQ_OK;
}

enum fynq_err
fynq_file_delete(struct fynq_req *rq, const struct fynq_uuid *id)
{
	bool there;
	enum fynq_err e = delete_both(rq, &delete_file, id, &there);

	/* A foreign key: of a deletion it is that some row still refers to what goes. */
	if (e == FYNQ_E_NOT_FOUND)
		return fynq_fail(rq, FYNQ_E_CONFLICT,
		    "Something in the library is made of the file; that must go first.");
	FYNQ_TRY(e);
	return there ? FYNQ_OK : fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
}

void
fynq_file_drop(struct fynq_req *rq, const struct fynq_uuid *id)
{
	const struct fynq_problem problem = rq->problem;
	bool there;

	(void)delete_both(rq, &drop_file, id, &there);
	rq->problem = problem;
}

void
fynq_file_remove(
    struct fynq_req *rq, const struct fynq_uuid *user, const struct fynq_uuid *ids, size_t n)
{
	const struct fynq_problem problem = rq->problem;

	for (size_t i = 0; i < n; i++)
		(void)fynq_store()->remove(rq, fynq_store_key(rq, fynq_uuid_str(user), &ids[i]));
	rq->problem = problem;
}
