#include "base/clock.h"
#include "data/db.h"
#include "storage/orphans.h"
#include "storage/store.h"

enum { BATCH = 200, UPLOADS_BATCH = 1000, SUSPICIOUS = 10 };

/*
 * Of the objects with these users ($1) and ids ($2) those that neither a row nor an upload names.
 */
#define UNNAMED(younger)                                                                  \
	"select o.owner || '/' || o.id from unnest($1::uuid[], $2::uuid[]) o (owner, id)" \
	" where not exists (select from public.files f"                                   \
	"   where f.id = o.id and f.user_id = o.owner)"                                   \
	"  and not exists (select from fynq.uploads u"                                    \
	"   where u.id = o.id and u.user_id = o.owner" younger ")"

/* $3 age in seconds. */
static const struct fynq_stmt find_orphans = { "find_orphans", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	UNNAMED(" and u.began_at > now() - make_interval(secs => $3::int)") };

static const struct fynq_stmt end_uploads = { "end_uploads", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from fynq.uploads u using unnest($1::uuid[], $2::uuid[]) o (owner, id)"
	" where u.id = o.id and u.user_id = o.owner"
	"  and u.began_at <= now() - make_interval(secs => $3::int)" };

static const struct fynq_stmt confirm_orphans = { "confirm_orphans", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE, UNNAMED("") };

/* $1 age in seconds, $2 how many. */
static const struct fynq_stmt drop_uploads = { "drop_uploads", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from fynq.uploads where id in (select u.id from fynq.uploads u"
	" where u.began_at <= now() - make_interval(secs => $1::int)"
	" order by u.began_at limit $2::int) returning id" };

static const struct fynq_stmt count_uploads = { "count_uploads", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select count(*) from fynq.uploads u"
	" where u.began_at <= now() - make_interval(secs => $1::int)" };

/* Keys that the database is asked about at once, as arrays of PostgreSQL. */
struct batch {
	struct fynq_buf users, ids;
	int n;
};

struct sweep {
	struct fynq_req *rq;
	const struct fynq_watch *watch;
	struct fynq_orphans *o;
	struct fynq_keys *orphans;
	struct batch batch;
	int64_t before; /* what was put since is left alone */
	int away;	/* objects in a row that could not be removed */
	enum fynq_err e;
};

static void
release_batch(void *b_)
{
	struct batch *b = b_;

	fynq_buf_release(&b->users);
	fynq_buf_release(&b->ids);
}

static void
empty(struct batch *b)
{
	b->n = 0;
	fynq_buf_reset(&b->users);
	fynq_buf_reset(&b->ids);
	fynq_buf_add_char(&b->users, '{');
	fynq_buf_add_char(&b->ids, '{');
}

static void
add(struct batch *b, const struct fynq_key_parts *key)
{
	const char *comma = b->n++ > 0 ? "," : "";

	fynq_buf_printf(&b->users, "%s%s", comma, key->user.text);
	fynq_buf_printf(&b->ids, "%s%s", comma, key->id.text);
}

/* The list is complete: no more is added before it is emptied. */
static void
close_batch(struct batch *b)
{
	fynq_buf_add_char(&b->users, '}');
	fynq_buf_add_char(&b->ids, '}');
}

/* Set those of the batch aside that are orphans, and begin the next. */
static enum fynq_err
look_up(struct sweep *s)
{
	struct fynq_mark mark = fynq_arena_mark(s->rq->arena);
	struct fynq_key_parts key;
	struct fynq_rows rows;

	close_batch(&s->batch);
	FYNQ_TRY(fynq_db_run(s->rq, &find_orphans,
	    FYNQ_ARGS(fynq_buf_str(&s->batch.users), fynq_buf_str(&s->batch.ids),
		fynq_arg_int(s->rq, FYNQ_ORPHAN_AGE)),
	    &rows));
	for (int i = 0; i < rows.n; i++)
		if (fynq_key_parse(fynq_rows_str(&rows, i, 0), &key)) {
			fynq_keys_add(s->orphans, &key);
			s->o->orphans++;
		}
	empty(&s->batch);
	fynq_arena_release(s->rq->arena, mark);
	return FYNQ_OK;
}

static bool
on_object(void *arg, struct fynq_str key, int64_t bytes, int64_t changed_at)
{
	struct sweep *s = arg;
	struct fynq_key_parts parts;

	(void)bytes;
	s->o->objects++;
	s->watch->stepped(s->watch->arg);
	if (changed_at > s->before || !fynq_key_parse(key, &parts))
		return true;
	add(&s->batch, &parts);
	if (s->batch.n == BATCH)
		s->e = look_up(s);
	return s->e == FYNQ_OK;
}

/* Set all orphans aside, those that an upload has begun a short time ago not among them. */
static enum fynq_err
find(struct sweep *s)
{
	enum fynq_err e;

	empty(&s->batch);
	e = fynq_store()->list(s->rq, on_object, s);
	if (s->e != FYNQ_OK)
		return fynq_fail(s->rq, s->e, NULL);
	FYNQ_TRY(e);
	FYNQ_TRY(look_up(s));
	return fynq_keys_rewind(s->rq, s->orphans);
}

/* One that cannot be removed does not keep the others, unless the store is away. */
static enum fynq_err
remove_one(struct sweep *s, struct fynq_str key)
{
	enum fynq_err e = fynq_store()->remove(s->rq, key);

	if (e == FYNQ_OK) {
		s->away = 0;
		s->o->removed++;
		s->watch->found(s->watch->arg, key, "no row, removed");
		return FYNQ_OK;
	}
	s->o->failed++;
	s->watch->found(s->watch->arg, key, "no row, cannot be removed");
	return ++s->away < FYNQ_STORE_AWAY ? FYNQ_OK : e;
}

/* Steps 1 to 3 of the header. */
static enum fynq_err
remove_batch(struct sweep *s)
{
	struct fynq_mark mark = fynq_arena_mark(s->rq->arena);
	struct fynq_str users, ids;
	struct fynq_rows rows;

	close_batch(&s->batch);
	users = fynq_buf_str(&s->batch.users);
	ids = fynq_buf_str(&s->batch.ids);
	FYNQ_TRY(fynq_db_run(s->rq, &end_uploads,
	    FYNQ_ARGS(users, ids, fynq_arg_int(s->rq, FYNQ_ORPHAN_AGE)), NULL));
	FYNQ_TRY(fynq_db_run(s->rq, &confirm_orphans, FYNQ_ARGS(users, ids), &rows));
	for (int i = 0; i < rows.n; i++)
		FYNQ_TRY(remove_one(s, fynq_rows_str(&rows, i, 0)));
	s->rq->problem = (struct fynq_problem){ 0 };
	empty(&s->batch);
	fynq_arena_release(s->rq->arena, mark);
	return FYNQ_OK;
}

static enum fynq_err
remove_all(struct sweep *s)
{
	struct fynq_key_parts key;

	empty(&s->batch);
	while (fynq_keys_next(s->orphans, &key)) {
		add(&s->batch, &key);
		if (s->batch.n == BATCH)
			FYNQ_TRY(remove_batch(s));
	}
	return remove_batch(s);
}

static void
tell_all(struct sweep *s)
{
	struct fynq_key_parts key;

	while (fynq_keys_next(s->orphans, &key))
		s->watch->found(s->watch->arg, fynq_str_of(key.text), "no row");
}

static enum fynq_err
count_old_uploads(struct sweep *s)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(
	    s->rq, &count_uploads, FYNQ_ARGS(fynq_arg_int(s->rq, FYNQ_LEFTOVER_AGE)), &rows));
	if (rows.n != 1 || !fynq_str_int(fynq_rows_str(&rows, 0, 0), &s->o->uploads))
		return fynq_fail(s->rq, FYNQ_E_INTERNAL, NULL);
	return FYNQ_OK;
}

/*
 * Whether the object was put does not matter: without this row it is an orphan, and found as one.
 */
static enum fynq_err
drop_old_uploads(struct sweep *s)
{
	struct fynq_rows rows = { .n = UPLOADS_BATCH };

	while (rows.n == UPLOADS_BATCH) {
		struct fynq_mark mark = fynq_arena_mark(s->rq->arena);

		FYNQ_TRY(fynq_db_run(s->rq, &drop_uploads,
		    FYNQ_ARGS(
			fynq_arg_int(s->rq, FYNQ_LEFTOVER_AGE), fynq_arg_int(s->rq, UPLOADS_BATCH)),
		    &rows));
		s->o->uploads += rows.n;
		fynq_arena_release(s->rq->arena, mark);
	}
	return FYNQ_OK;
}

enum fynq_err
fynq_orphans_run(struct fynq_req *rq, bool dry, bool force, const struct fynq_watch *watch,
    struct fynq_orphans *o_r)
{
	struct sweep *s = fynq_arena_alloc(rq->arena, sizeof(*s));
	int64_t now = fynq_clock_now_us() / 1000000;

	*o_r = (struct fynq_orphans){ 0 };
	*s = (struct sweep){ .rq = rq, .watch = watch, .o = o_r, .before = now - FYNQ_ORPHAN_AGE };
	s->batch.users.max = s->batch.ids.max = BATCH * sizeof(struct fynq_uuid) + 2;
	fynq_arena_defer(rq->arena, release_batch, &s->batch);
	FYNQ_TRY(fynq_keys_new(rq, &s->orphans));

	if (fynq_store()->sweep != NULL)
		FYNQ_TRY(fynq_store()->sweep(rq, now - FYNQ_LEFTOVER_AGE, !dry, &o_r->leftovers));
	FYNQ_TRY(find(s));
	if (dry) {
		tell_all(s);
		return count_old_uploads(s);
	}
	if (!force && o_r->orphans > SUSPICIOUS && o_r->orphans > o_r->objects / 2)
		return fynq_fail(rq, FYNQ_E_CONFLICT,
		    "%lld of %lld objects have no row: this looks like the database of another"
		    " store, so none was removed; --force removes them.",
		    (long long)o_r->orphans, (long long)o_r->objects);
	FYNQ_TRY(remove_all(s));
	return drop_old_uploads(s);
}
