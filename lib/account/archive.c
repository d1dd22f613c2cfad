#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account/archive-parts.h"
#include "account/archive.h"
#include "account/zip.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "data/db.h"
#include "http/attachment.h"
#include "http/response.h"
#include "identity/audit.h"
#include "storage/store.h"

/*
 * Nginx gives up on an answer of which nothing came for 75 s; the lease is what is left of an
 * export whose process died.
 */
enum { SECONDS_MAX = 60, LEASE_SECONDS = 90, AN_HOUR_MAX = 5 };

/* Of a process, being made or sent; half of its workers at most. */
enum { AT_ONCE = 2, BUSY_SECONDS = 10 };

enum { KEY_MAX = 512, NAME_MAX_BYTES = 80, PIECE = 65536 };

struct job {
	struct fynq_req *rq;
	struct fynq_zip *zip;
	int64_t deadline_us;
	struct fynq_buf missing; /* ids of files without bytes, as JSON strings */
};

/* Where a list stands: the key of its last row. Rows live no longer than their page. */
struct place {
	char key[KEY_MAX];
	bool begun;
};

/* ---- one at a time ---- */

static atomic_int at_work;

static void
leave(void *arg)
{
	(void)arg;
	at_work--;
}

/* Until the request ends, so what is still being sent counts as well. */
static enum fynq_err
enter(struct fynq_req *rq)
{
	int64_t most = fynq_config.threads / 2 < AT_ONCE ? fynq_config.threads / 2 : AT_ONCE;

	if (at_work++ >= (most > 0 ? most : 1)) {
		at_work--;
		rq->problem.retry_after = BUSY_SECONDS;
		return fynq_fail(rq, FYNQ_E_BUSY, "Others are having their data made ready.");
	}
	fynq_arena_defer(rq->arena, leave, NULL);
	return FYNQ_OK;
}

/* $1 user, $2 exports an hour, $3 seconds that one may take. */
static const struct fynq_stmt begin_export = { "begin_export", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select fynq.export_begin($1::uuid, $2::int, make_interval(secs => $3::int))" };

/* $1 user. */
static const struct fynq_stmt end_export = { "end_export", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"update fynq.exports set busy_until = null where user_id = $1::uuid" };

static enum fynq_err
begin(struct fynq_req *rq)
{
	struct fynq_rows rows;
	int64_t wait;

	FYNQ_TRY(fynq_db_run(rq, &begin_export,
	    FYNQ_ARGS(
		rq->caller.id, fynq_arg_int(rq, AN_HOUR_MAX), fynq_arg_int(rq, LEASE_SECONDS)),
	    &rows));
	if (!fynq_str_int(fynq_rows_str(&rows, 0, 0), &wait) || wait == 0)
		return FYNQ_OK;
	rq->problem.retry_after = (int)wait;
	return fynq_fail(rq, FYNQ_E_RATE_LIMITED,
	    "An export is made one at a time, and at most %d times an hour.", AN_HOUR_MAX);
}

/* Where this fails the lease runs out. */
static void
end(struct fynq_req *rq)
{
	const struct fynq_problem problem = rq->problem;

	if (fynq_db_run(rq, &end_export, FYNQ_ARGS(rq->caller.id), NULL) != FYNQ_OK)
		fynq_log(FYNQ_LOG_WARN, "archive", "its lease runs out in %d s", LEASE_SECONDS);
	rq->problem = problem;
}

/* ---- its parts ---- */

static enum fynq_err
in_time(const struct job *job)
{
	if (fynq_clock_mono_us() < job->deadline_us)
		return FYNQ_OK;
	fynq_log(FYNQ_LOG_WARN, "archive", "not made within %d s", SECONDS_MAX);
	return fynq_fail(job->rq, FYNQ_E_BUSY, "It took too long.");
}

/* The next page; of a chat's messages where one is named. */
static enum fynq_err
read_page(struct job *job, const struct fynq_stmt *stmt, const struct place *place,
    struct fynq_str chat, struct fynq_rows *rows_r)
{
	struct fynq_str key = fynq_str_of(place->begun ? place->key : NULL);
	const struct fynq_str args[] = { job->rq->caller.id, key, chat };

	FYNQ_TRY(in_time(job));
	return fynq_db_run(job->rq, stmt, args, chat.n > 0 ? 3 : 2, rows_r);
}

static enum fynq_err
step_on(struct job *job, struct place *place, const struct fynq_rows *rows)
{
	struct fynq_str key = fynq_rows_str(rows, rows->n - 1, FYNQ_PAGE_KEY);

	if (key.n >= sizeof(place->key))
		return fynq_fail(job->rq, FYNQ_E_INTERNAL, NULL);
	memcpy(place->key, key.p, key.n);
	place->key[key.n] = '\0';
	place->begun = true;
	return FYNQ_OK;
}

static enum fynq_err
add(struct job *job, const char *text)
{
	return fynq_zip_add(job->zip, fynq_str_of(text));
}

/* An array of a list's items, a line each, in the entry that was begun. */
static enum fynq_err
add_list(struct job *job, const struct fynq_stmt *stmt, struct fynq_str chat)
{
	struct fynq_arena *arena = job->rq->arena;
	struct place place = { .begun = false };
	struct fynq_rows rows = { .n = 1 };

	FYNQ_TRY(add(job, "["));
	while (rows.n > 0) {
		struct fynq_mark mark = fynq_arena_mark(arena);

		FYNQ_TRY(read_page(job, stmt, &place, chat, &rows));
		for (int i = 0; i < rows.n; i++) {
			FYNQ_TRY(add(job, place.begun || i > 0 ? ",\n" : "\n"));
			FYNQ_TRY(fynq_zip_add(job->zip, fynq_rows_str(&rows, i, FYNQ_PAGE_ITEM)));
		}
		if (rows.n > 0)
			FYNQ_TRY(step_on(job, &place, &rows));
		fynq_arena_release(arena, mark);
	}
	return add(job, "\n]");
}

static enum fynq_err
add_one(struct job *job, const struct fynq_part *part)
{
	const struct place start = { .begun = false };
	struct fynq_str null = FYNQ_STR("null"), item = null;
	struct fynq_rows rows;

	FYNQ_TRY(read_page(job, part->stmt, &start, (struct fynq_str){ 0 }, &rows));
	if (rows.n > 0)
		item = fynq_rows_str(&rows, 0, FYNQ_PAGE_ITEM);
	FYNQ_TRY(fynq_zip_text(job->zip, part->file));
	FYNQ_TRY(fynq_zip_add(job->zip, item.n > 0 ? item : null));
	return add(job, "\n");
}

static enum fynq_err
add_chat(struct job *job, const char *folder, const struct fynq_rows *rows, int row)
{
	struct fynq_str id = fynq_rows_str(rows, row, FYNQ_PAGE_KEY);

	FYNQ_TRY(fynq_zip_text(job->zip,
	    fynq_arena_printf(job->rq->arena, "%s%.*s.json", folder, FYNQ_STR_ARG(id)).p));
	FYNQ_TRY(add(job, "{\"chat\":"));
	FYNQ_TRY(fynq_zip_add(job->zip, fynq_rows_str(rows, row, FYNQ_PAGE_ITEM)));
	FYNQ_TRY(add(job, ",\n\"messages\":"));
	FYNQ_TRY(add_list(job, &fynq_part_messages, id));
	return add(job, "}\n");
}

/* A name that every system can unpack: of anything else files.json has the whole. */
static const char *
plain_name(struct job *job, const char *folder, struct fynq_str id, struct fynq_str name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._";
	struct fynq_buf out = FYNQ_BUF_INIT(NAME_MAX_BYTES);
	struct fynq_str made;

	if (name.n > NAME_MAX_BYTES)
		name = (struct fynq_str){ name.p + name.n - NAME_MAX_BYTES, NAME_MAX_BYTES };
	for (size_t i = 0; i < name.n; i++)
		fynq_buf_add_char(
		    &out, memchr(plain, name.p[i], sizeof(plain) - 1) != NULL ? name.p[i] : '_');
	made = fynq_arena_printf(job->rq->arena, "%s%.*s%s%.*s", folder, FYNQ_STR_ARG(id),
	    name.n > 0 ? "-" : "", FYNQ_STR_ARG(fynq_buf_str(&out)));
	fynq_buf_release(&out);
	return made.p;
}

static enum fynq_err
copy(struct job *job, int fd, int64_t bytes)
{
	char piece[PIECE];
	ssize_t n;

	for (int64_t at = 0; at < bytes; at += n) {
		size_t want = bytes - at < PIECE ? (size_t)(bytes - at) : PIECE;

		FYNQ_TRY(in_time(job));
		n = pread(fd, piece, want, at);
		if (n <= 0) {
			fynq_log(FYNQ_LOG_ERROR, "storage", "an object ended before its end");
			return fynq_fail(job->rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
		}
		FYNQ_TRY(fynq_zip_add(job->zip, (struct fynq_str){ piece, (size_t)n }));
	}
	return FYNQ_OK;
}

/*
 * A file whose bytes are gone, as when it is deleted meanwhile, is no reason to keep the rest from
 * its owner: the README names it.
 */
static enum fynq_err
add_file(struct job *job, const char *folder, const struct fynq_rows *rows, int row)
{
	struct fynq_str id = fynq_rows_str(rows, row, FYNQ_PAGE_ID);
	struct fynq_req *rq = job->rq;
	struct fynq_str key = fynq_arena_printf(
	    rq->arena, "%.*s/%.*s", FYNQ_STR_ARG(rq->caller.id), FYNQ_STR_ARG(id));
	int64_t bytes;
	enum fynq_err e;
	int fd;

	if ((e = fynq_store()->open(rq, key, &fd)) == FYNQ_OK)
		e = fynq_store()->size(rq, key, &bytes);
	if (e == FYNQ_E_NOT_FOUND) {
		rq->problem = (struct fynq_problem){ 0 };
		fynq_buf_printf(
		    &job->missing, "%s\"%.*s\"", job->missing.n > 0 ? "," : "", FYNQ_STR_ARG(id));
		return FYNQ_OK;
	}
	FYNQ_TRY(e);
	FYNQ_TRY(fynq_zip_bytes(job->zip,
	    plain_name(job, folder, id, fynq_rows_str(rows, row, FYNQ_PAGE_NAME)), bytes));
	return copy(job, fd, bytes);
}

static enum fynq_err
add_each(struct job *job, const struct fynq_part *part)
{
	struct fynq_arena *arena = job->rq->arena;
	struct place place = { .begun = false };
	struct fynq_rows rows = { .n = 1 };

	while (rows.n > 0) {
		struct fynq_mark mark = fynq_arena_mark(arena);

		FYNQ_TRY(read_page(job, part->stmt, &place, (struct fynq_str){ 0 }, &rows));
		for (int i = 0; i < rows.n; i++) {
			struct fynq_mark inner = fynq_arena_mark(arena);

			FYNQ_TRY(part->shape == FYNQ_SHAPE_CHAT
				     ? add_chat(job, part->file, &rows, i)
				     : add_file(job, part->file, &rows, i));
			fynq_arena_release(arena, inner);
		}
		if (rows.n > 0)
			FYNQ_TRY(step_on(job, &place, &rows));
		fynq_arena_release(arena, mark);
	}
	return FYNQ_OK;
}

static enum fynq_err
add_part(struct job *job, const struct fynq_part *part)
{
	switch (part->shape) {
	case FYNQ_SHAPE_ONE:
		return add_one(job, part);
	case FYNQ_SHAPE_LIST:
		FYNQ_TRY(fynq_zip_text(job->zip, part->file));
		FYNQ_TRY(add_list(job, part->stmt, (struct fynq_str){ 0 }));
		return add(job, "\n");
	default:
		return add_each(job, part);
	}
}

static enum fynq_err
add_words(struct job *job, const char *name, void (*say)(struct fynq_buf *, struct fynq_str))
{
	struct fynq_buf text = FYNQ_BUF_INIT(1 << 20);
	enum fynq_err e;

	say(&text, fynq_buf_str(&job->missing));
	if ((e = fynq_zip_text(job->zip, name)) == FYNQ_OK)
		e = fynq_zip_add(job->zip, fynq_buf_str(&text));
	fynq_buf_release(&text);
	return e;
}

static enum fynq_err
make(struct job *job)
{
	FYNQ_TRY(fynq_zip_open(job->rq, &job->zip));
	for (const struct fynq_part *p = fynq_parts; p->file != NULL; p++)
		FYNQ_TRY(add_part(job, p));
	/* Last, as it knows what could not be had. */
	FYNQ_TRY(add_words(job, "contents.json", fynq_parts_json));
	FYNQ_TRY(add_words(job, "README.txt", fynq_parts_words));
	return fynq_zip_close(job->zip);
}

static struct fynq_str
file_name(struct fynq_req *rq)
{
	time_t now = time(NULL);
	struct tm day;
	char text[32];

	gmtime_r(&now, &day);
	strftime(text, sizeof(text), "fynq-export-%Y-%m-%d", &day);
	return fynq_arena_copy(rq->arena, fynq_str_of(text));
}

enum fynq_err
fynq_archive_reply(struct fynq_req *rq)
{
	struct job job = {
		.rq = rq,
		.deadline_us = fynq_clock_mono_us() + SECONDS_MAX * INT64_C(1000000),
		.missing = FYNQ_BUF_INIT(65536),
	};
	enum fynq_err e;

	FYNQ_TRY(enter(rq));
	FYNQ_TRY(begin(rq));
	e = make(&job);
	fynq_buf_release(&job.missing);
	end(rq);
	FYNQ_TRY(e);
	fynq_audit(rq, FYNQ_EVENT_EXPORTED, rq->caller.id, (struct fynq_str){ 0 });
	fynq_reply_attachment(rq, file_name(rq), "zip");
	fynq_reply_header(rq, "Cache-Control", FYNQ_STR("no-store"));
	return fynq_reply_file(rq, 200, "application/zip", job.zip->file.fd, job.zip->file.bytes);
}
