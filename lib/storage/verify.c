#include "base/digest.h"
#include "data/db.h"
#include "storage/store.h"
#include "storage/verify.h"

enum { SUSPICIOUS = 10, SUSPICIOUS_PERCENT = 1 };

/* $1 user, $2 id. */
static const struct fynq_stmt drop_row = { "drop_lost_row", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from public.files f where f.id = $2::uuid and f.user_id = $1::uuid" };

struct check {
	bool quick;
	const struct fynq_watch *watch;
	struct fynq_verified *v;
	struct fynq_keys *lost;
	int away; /* objects in a row that could not be looked at */
};

static bool
add_to_digest(void *d, struct fynq_str bytes)
{
	fynq_digest_add(d, bytes);
	return true;
}

static enum fynq_err
check_hash(struct fynq_req *rq, const struct fynq_file_row *row, const char **wrong_r)
{
	struct fynq_digest *d = fynq_digest_new(rq->arena);
	char hex[FYNQ_SHA256_SIZE];

	FYNQ_TRY(
	    fynq_store()->fetch(rq, fynq_str_of(row->key.text), 0, row->bytes, add_to_digest, d));
	fynq_digest_end(d, hex);
	if (!fynq_str_eq(fynq_str_of(hex), row->sha256))
		*wrong_r = "it has another SHA-256";
	return FYNQ_OK;
}

/* What is wrong with the object; NULL for nothing. */
static enum fynq_err
check_object(struct fynq_req *rq, const struct fynq_file_row *row, bool quick, const char **wrong_r)
{
	int64_t bytes;

	*wrong_r = NULL;
	FYNQ_TRY(fynq_store()->size(rq, fynq_str_of(row->key.text), &bytes));
	if (bytes != row->bytes)
		*wrong_r = "it has another size";
	else if (!quick)
		return check_hash(rq, row, wrong_r);
	return FYNQ_OK;
}

static void
tell(const struct check *c, const struct fynq_key_parts *key, const char *what)
{
	c->watch->found(c->watch->arg, fynq_str_of(key->text), what);
}

/* Of one object nothing could be found out; the others may be better, unless the store is away. */
static enum fynq_err
not_checked(struct check *c, const struct fynq_key_parts *key, enum fynq_err e)
{
	c->v->failed++;
	tell(c, key, "it cannot be read");
	return ++c->away < FYNQ_STORE_AWAY ? FYNQ_OK : e;
}

static enum fynq_err
verify_row(void *arg, struct fynq_req *rq, const struct fynq_file_row *row)
{
	struct check *c = arg;
	const char *wrong;
	bool stands = true;
	enum fynq_err e = check_object(rq, row, c->quick, &wrong);

	c->v->rows++;
	c->watch->stepped(c->watch->arg);
	if (e != FYNQ_OK && e != FYNQ_E_NOT_FOUND)
		return not_checked(c, &row->key, e);
	c->away = 0;
	if (e == FYNQ_E_NOT_FOUND)
		wrong = "it is missing";
	if (wrong == NULL)
		return FYNQ_OK;
	FYNQ_TRY(fynq_row_stands(rq, &row->key, &stands));
	if (stands) {
		c->v->damaged++;
		tell(c, &row->key, wrong);
	}
	return FYNQ_OK;
}

enum fynq_err
fynq_verify_run(
    struct fynq_req *rq, bool quick, const struct fynq_watch *watch, struct fynq_verified *v_r)
{
	struct check c = { .quick = quick, .watch = watch, .v = v_r };

	*v_r = (struct fynq_verified){ 0 };
	return fynq_rows_each(rq, 0, verify_row, &c);
}

/* Whether the row stands without its object. */
static enum fynq_err
is_lost(struct fynq_req *rq, const struct fynq_key_parts *key, bool *lost_r)
{
	int64_t bytes;
	enum fynq_err e = fynq_store()->size(rq, fynq_str_of(key->text), &bytes);

	*lost_r = false;
	return e == FYNQ_E_NOT_FOUND ? fynq_row_stands(rq, key, lost_r) : e;
}

static enum fynq_err
find_lost(void *arg, struct fynq_req *rq, const struct fynq_file_row *row)
{
	struct check *c = arg;
	bool lost;
	enum fynq_err e = is_lost(rq, &row->key, &lost);

	c->v->rows++;
	c->watch->stepped(c->watch->arg);
	if (e == FYNQ_E_STORAGE_UNAVAILABLE)
		return not_checked(c, &row->key, e);
	FYNQ_TRY(e);
	c->away = 0;
	if (lost) {
		c->v->damaged++;
		fynq_keys_add(c->lost, &row->key);
	}
	return FYNQ_OK;
}

/* The object is asked for once more: it may be back. */
static enum fynq_err
remove_one(struct fynq_req *rq, struct check *c, const struct fynq_key_parts *key)
{
	bool lost;
	enum fynq_err e = is_lost(rq, key, &lost);

	if (e == FYNQ_E_STORAGE_UNAVAILABLE)
		return not_checked(c, key, e);
	FYNQ_TRY(e);
	c->away = 0;
	if (!lost)
		return FYNQ_OK;
	e = fynq_db_run(
	    rq, &drop_row, FYNQ_ARGS(fynq_uuid_str(&key->user), fynq_uuid_str(&key->id)), NULL);
	if (e == FYNQ_E_NOT_FOUND || e == FYNQ_E_INVALID) {
		c->v->failed++;
		tell(c, key, "no object; another row still refers to it");
		return FYNQ_OK;
	}
	FYNQ_TRY(e);
	c->v->removed++;
	tell(c, key, "no object, row removed");
	return FYNQ_OK;
}

static enum fynq_err
remove_lost(struct fynq_req *rq, struct check *c)
{
	struct fynq_key_parts key;

	while (fynq_keys_next(c->lost, &key)) {
		struct fynq_mark mark = fynq_arena_mark(rq->arena);

		FYNQ_TRY(remove_one(rq, c, &key));
		rq->problem = (struct fynq_problem){ 0 };
		fynq_arena_release(rq->arena, mark);
	}
	return FYNQ_OK;
}

/* Rather another store than files that were lost: nothing at all is there, or many are not. */
static bool
suspicious(const struct fynq_verified *v)
{
	return v->damaged > 0 &&
	       (v->damaged == v->rows ||
		   (v->damaged > SUSPICIOUS && v->damaged * 100 > v->rows * SUSPICIOUS_PERCENT));
}

enum fynq_err
fynq_lost_run(struct fynq_req *rq, bool remove, bool force, const struct fynq_watch *watch,
    struct fynq_verified *v_r)
{
	struct check c = { .watch = watch, .v = v_r };
	struct fynq_key_parts key;

	*v_r = (struct fynq_verified){ 0 };
	FYNQ_TRY(fynq_keys_new(rq, &c.lost));
	FYNQ_TRY(fynq_rows_each(rq, FYNQ_LOST_AGE, find_lost, &c));
	FYNQ_TRY(fynq_keys_rewind(rq, c.lost));
	if (remove && !force && suspicious(v_r))
		return fynq_fail(rq, FYNQ_E_CONFLICT,
		    "%lld of %lld files have no object: this looks like a folder that is not"
		    " mounted, or another bucket, so no row was removed; --force removes them.",
		    (long long)v_r->damaged, (long long)v_r->rows);
	if (remove)
		return remove_lost(rq, &c);
	while (fynq_keys_next(c.lost, &key))
		tell(&c, &key, "no object");
	return FYNQ_OK;
}
