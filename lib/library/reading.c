#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/config.h"
#include "base/evloop.h"
#include "base/ids.h"
#include "base/jobs.h"
#include "base/log.h"
#include "data/db.h"
#include "library/extract.h"
#include "library/passages.h"
#include "library/reading.h"
#include "storage/store.h"

/* Of one run of `fynqctl upkeep`: one that never ends would keep cron's next one waiting. */
enum { RUN_MAX = 1000, EVERY_MS = 60000 };

/*
 * Passages of one transaction, each of which takes PostgreSQL about a millisecond; and their JSON.
 */
enum { PIECE = 250, PIECE_BYTES = 5000 * PIECE };

/* Beside pdftotext: a copy of the file from a store that is far away, and the rows. */
enum { MARGIN_SECONDS = 300 };

/* Each try puts off the next by a minute more, to this at last. */
enum { PUT_OFF_MINUTES = 60 };

/*
 * The next one, for this process alone: others pass over its row while it is locked, and after that
 * until it is due again. The lease grows with the tries, to at most ten times its length, so that a
 * content which should end its reader does so ever more seldom.
 * $1 seconds, $2 also what was put off, $3 null or the last one's id.
 */
static const struct fynq_stmt take_reading = { "take_reading", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"update contents c set tries = c.tries + 1, reading = true,"
	"  due_at = now() + make_interval(secs => $1::int * least(c.tries + 1, 10))"
	" where c.id = (select w.id from contents w where w.extraction = 'waiting'"
	"   and (w.due_at <= now() or ($2::boolean and not w.reading)) and ($3::uuid is null or "
	"w.id > $3::uuid)"
	"   order by case when $2::boolean then w.id end, w.due_at limit 1 for update skip locked)"
	" returning c.id, c.tries, c.author_id, c.file_id, c.body, c.due_at" };

/* $1 content, $2 its lease, $3 the number of the first one, $4 passages. */
static const struct fynq_stmt put_passages = { "put_passages", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.put_passages($1::uuid, $2::timestamptz, $3::int, $4::jsonb)" };

/* $1 content, $2 its lease, $3 how many passages, $4 pages or null. */
static const struct fynq_stmt end_passages = { "end_passages", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.end_passages($1::uuid, $2::timestamptz, $3::int, $4::int)" };

/* $1 content, $2 its lease, $3 the code. */
static const struct fynq_stmt fail_reading = { "fail_reading", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"update contents c set extraction = 'failed', extraction_error = $3::text"
	" where c.id = $1::uuid and c.extraction = 'waiting' and c.due_at = $2::timestamptz" };

/*
 * What another process has taken since is not touched. $1 content, $2 its lease, $3 minutes that it
 * is put off for at most.
 */
static const struct fynq_stmt put_reading_off = { "put_reading_off", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE,
	"update contents c set reading = false,"
	"  due_at = now() + make_interval(mins => least(c.tries, $3::int))"
	" where c.id = $1::uuid and c.due_at = $2::timestamptz and c.extraction = 'waiting'" };

/*
 * One reader a process: it holds one worker, not all of them. Who comes while it reads has it look
 * once more, since it may just have found nothing left.
 */
static struct {
	pthread_mutex_t lock;
	bool running, again;
	atomic_bool ending; /* the process ends: nothing more is begun */
	struct fynq_timer timer;
} reader = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct reading {
	struct fynq_uuid id, author, file;
	struct fynq_str tries, body;
	struct fynq_str lease; /* due_at, which a later reader or a change makes another */
};

/* Why it will never be read; NULL where it was, or may be another time. */
static const char *const codes[] = {
	[FYNQ_EXTRACT_DONE] = NULL,
	[FYNQ_EXTRACT_ENCRYPTED] = "encrypted",
	[FYNQ_EXTRACT_DAMAGED] = "damaged",
	[FYNQ_EXTRACT_TOO_LARGE] = "too_large",
	[FYNQ_EXTRACT_LATER] = NULL,
	[FYNQ_EXTRACT_STOPPED] = NULL,
};

static int64_t
count_pages(struct fynq_str text)
{
	int64_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\f';
	return n;
}

/* Who ends leaves it to the next one at once. */
static void
put_off(struct fynq_req *rq, const struct reading *r)
{
	struct fynq_str most = fynq_arg_int(rq, reader.ending ? 0 : PUT_OFF_MINUTES);

	if (fynq_db_run(rq, &put_reading_off, FYNQ_ARGS(fynq_uuid_str(&r->id), r->lease, most),
		NULL) != FYNQ_OK)
		fynq_log(FYNQ_LOG_WARN, "library", "it is due when its lease has run out");
}

static enum fynq_err
give_up(struct fynq_req *rq, const struct reading *r, const char *code)
{
	fynq_log(FYNQ_LOG_INFO, "library", "content %s cannot be read: %s", r->id.text, code);
	return fynq_db_run(
	    rq, &fail_reading, FYNQ_ARGS(fynq_uuid_str(&r->id), r->lease, fynq_str_of(code)), NULL);
}

/* Piece by piece, as all of a long text at once would take longer than a transaction may. */
static enum fynq_err
keep_pieces(
    struct fynq_req *rq, const struct reading *r, struct fynq_passages p, struct fynq_str pages)
{
	struct fynq_str id = fynq_uuid_str(&r->id);
	struct fynq_buf json = FYNQ_BUF_INIT(PIECE_BYTES);
	struct fynq_rows rows;
	enum fynq_err e = FYNQ_OK;
	bool mine = true;
	int kept = 0, n;

	while (mine && (n = fynq_passages_json(&p, PIECE, &json)) > 0) {
		struct fynq_mark mark = fynq_arena_mark(rq->arena);

		e = fynq_db_run(rq, &put_passages,
		    FYNQ_ARGS(id, r->lease, fynq_arg_int(rq, kept + 1), fynq_buf_str(&json)),
		    &rows);
		mine = e == FYNQ_OK && fynq_rows_true(&rows, 0, 0);
		fynq_arena_release(rq->arena, mark);
		fynq_buf_reset(&json);
		kept += n;
	}
	fynq_buf_release(&json);
	if (!mine)
		return e; /* Another reader has it, or another text is to be read. */
	return fynq_db_run(
	    rq, &end_passages, FYNQ_ARGS(id, r->lease, fynq_arg_int(rq, kept), pages), NULL);
}

static enum fynq_err
keep(struct fynq_req *rq, const struct reading *r, struct fynq_str text, bool paged)
{
	/* A byte that is not UTF-8 takes three. */
	struct fynq_buf clean = FYNQ_BUF_INIT(3 * (size_t)FYNQ_TEXT_MAX);
	struct fynq_str pages = { 0 };
	enum fynq_err e;
	int n;

	if (paged)
		pages = fynq_arg_int(rq, count_pages(text));
	if (text.n > FYNQ_TEXT_MAX)
		return give_up(rq, r, "too_large");
	fynq_passages_clean(text, paged, &clean);
	n = fynq_passages_count(fynq_buf_str(&clean), paged);
	if (n == 0)
		e = give_up(rq, r, "no_text");
	else if (n > FYNQ_PASSAGES_MAX)
		e = give_up(rq, r, "too_large");
	else
		e = keep_pieces(rq, r, fynq_passages_begin(fynq_buf_str(&clean), paged), pages);
	fynq_buf_release(&clean);
	return e;
}

/*
 * What if the process dies:
 *
 *	before the COMMIT that takes it    nothing has happened
 *	after it, between the pieces	   it is due again when its lease has run out, with the
 *					   passages that there are; who reads it then puts each
 *					   once more
 *	after the last COMMIT		   it is read
 *
 * A content that has another text or language by then takes none of them, and waits for its own;
 * nor does one that another reader has taken, since this one's lease had run out: the lease is the
 * fence, as its tries begin anew with each change.
 */
static enum fynq_err
read_one(struct fynq_req *rq, const struct reading *r)
{
	struct fynq_str text, key;
	enum fynq_extract_end end;
	enum fynq_err e;
	int fd;

	if (r->file.text[0] == '\0')
		return keep(rq, r, r->body, false);
	key = fynq_store_key(rq, fynq_uuid_str(&r->author), &r->file);
	e = fynq_store()->open(rq, key, &fd);
	if (e == FYNQ_E_NOT_FOUND) {
		fynq_log(FYNQ_LOG_ERROR, "library", "the file %s is lost", r->file.text);
		return give_up(rq, r, "damaged");
	}
	FYNQ_TRY(e);
	end = fynq_extract_pdf(rq, fd, &text);
	if (end == FYNQ_EXTRACT_DONE)
		return keep(rq, r, text, true);
	return codes[end] != NULL ? give_up(rq, r, codes[end]) : FYNQ_E_BUSY;
}

/* Take the next one; false where there is none. */
static bool
take(struct fynq_req *rq, bool now, struct fynq_str behind, struct reading *r)
{
	struct fynq_str seconds = fynq_arg_int(rq, 3 * fynq_config.pdf_seconds + MARGIN_SECONDS);
	struct fynq_rows rows;

	*r = (struct reading){ .body = { 0 } };
	if (fynq_db_run(rq, &take_reading, FYNQ_ARGS(seconds, fynq_arg_bool(now), behind), &rows) !=
		FYNQ_OK ||
	    rows.n == 0)
		return false;
	r->tries = fynq_rows_str(&rows, 0, 1);
	r->body = fynq_rows_str(&rows, 0, 4);
	r->lease = fynq_rows_str(&rows, 0, 5);
	(void)fynq_uuid_parse(fynq_rows_str(&rows, 0, 2), &r->author);
	(void)fynq_uuid_parse(fynq_rows_str(&rows, 0, 3), &r->file);
	return fynq_uuid_parse(fynq_rows_str(&rows, 0, 0), &r->id);
}

/* False where there was none; *failed_r counts one that could not be tried. */
static bool
next(struct fynq_req *rq, bool now, struct fynq_uuid *behind, int *failed_r)
{
	struct fynq_str last = behind->text[0] != '\0' ? fynq_uuid_str(behind)
						       : (struct fynq_str){ 0 };
	struct reading r;
	enum fynq_err e;

	rq->problem = (struct fynq_problem){ 0 };
	if (!take(rq, now, last, &r))
		return false;
	*behind = r.id;
	e = read_one(rq, &r);
	if (e == FYNQ_OK)
		return true;
	fynq_log(FYNQ_LOG_WARN, "library", "content %s waits after try %.*s: %s", r.id.text,
	    FYNQ_STR_ARG(r.tries), fynq_err_info(e)->code);
	put_off(rq, &r);
	++*failed_r;
	return true;
}

static bool
begin(void)
{
	bool first;

	pthread_mutex_lock(&reader.lock);
	first = !reader.running && !reader.ending;
	reader.running |= first;
	reader.again = !first;
	pthread_mutex_unlock(&reader.lock);
	return first;
}

/* True where somebody came meanwhile, and left it to this job to look again. */
static bool
end(void)
{
	bool again;

	pthread_mutex_lock(&reader.lock);
	again = reader.again;
	reader.running = reader.again = false;
	pthread_mutex_unlock(&reader.lock);
	return again;
}

/* One content a job: others' work comes first. */
static void
reading_job(void *arg)
{
	struct fynq_uuid id = { .text = "" };
	struct fynq_req *rq;
	int failed = 0;
	bool more;

	(void)arg;
	if (!begin())
		return;
	rq = fynq_req_new(-1, true);
	more = next(rq, false, &id, &failed);
	fynq_req_free(&rq);
	if (end() || more)
		fynq_reading_wake();
}

void
fynq_reading_wake(void)
{
	fynq_jobs_post(reading_job, NULL);
}

int
fynq_reading_run(struct fynq_req *rq)
{
	struct fynq_mark mark = fynq_arena_mark(rq->arena);
	struct fynq_uuid id = { .text = "" };
	int failed = 0;

	for (int i = 0; i < RUN_MAX && next(rq, true, &id, &failed); i++)
		fynq_arena_release(rq->arena, mark);
	return failed;
}

static void
on_timer(struct fynq_timer *t)
{
	fynq_reading_wake();
	fynq_evloop_timer_set(t, EVERY_MS);
}

static void
start(void)
{
	reader.timer.fire = on_timer;
	fynq_evloop_timer_set(&reader.timer, 0);
}

static void
drain(void)
{
	reader.ending = true;
}

/* What is being read is a job, and those are waited for anyhow. */
static size_t
active(void)
{
	return 0;
}

static void
nothing(void)
{
}

const struct fynq_companion fynq_reading = {
	.start = start,
	.drain = drain,
	.active = active,
	.cancel = fynq_extract_stop,
	.stop = nothing,
};
