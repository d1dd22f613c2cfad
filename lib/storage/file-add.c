#include "storage/file.h"
#include "storage/room.h"
#include "storage/store.h"

enum { NAME_CHARS = 255 };

/* $1 ids, $2 sizes, $3 user, $4 to $7 the limits. */
static const struct fynq_stmt begin_upload = { "begin_upload", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select limit_name, limit_value from fynq.upload_begin($3::uuid, $1::uuid[], $2::bigint[],"
	" $4::bigint, $5::bigint, $6::bigint, $7::bigint)" };

/* $1 rows of public.files, $2 key and $3 fingerprint of the claim, $4 user, $5 to $8 the limits. */
static const struct fynq_stmt end_upload = { "end_upload", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select limit_name, limit_value, earlier from fynq.upload_end($4::uuid, $1::jsonb,"
	" $5::bigint, $6::bigint, $7::bigint, $8::bigint, $2::text, $3::text)" };
enum { LIMIT, MOST, EARLIER };

/* $1 ids. */
static const struct fynq_stmt drop_upload = { "drop_upload", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from fynq.uploads u where u.id = any ($1::uuid[])" };

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

/* The files, as statements take them: arrays of PostgreSQL, and rows in JSON. */
struct args {
	struct fynq_str ids, sizes, rows;
};

static void
add_row(struct fynq_buf *rows, const struct fynq_new_file *f)
{
	struct fynq_str name = tidy_name(f->name);

	fynq_buf_printf(rows,
	    "{\"id\":\"%s\",\"bytes\":%lld,\"sha256\":\"%s\",\"purpose\":", f->id.text,
	    (long long)f->bytes, f->sha256);
	fynq_buf_add_json(rows, f->purpose);
	fynq_buf_add(rows, FYNQ_STR(",\"media_type\":"));
	fynq_buf_add_json(rows, fynq_str_of(f->media_type));
	if (name.p != NULL)
		fynq_buf_add(rows, FYNQ_STR(",\"name\":"));
	if (name.p != NULL)
		fynq_buf_add_json(rows, name);
	if (f->width > 0)
		fynq_buf_printf(rows, ",\"width\":%d,\"height\":%d", f->width, f->height);
	fynq_buf_add_char(rows, '}');
}

static struct args
make_args(struct fynq_req *rq, const struct fynq_new_file *files, size_t n)
{
	struct fynq_buf ids = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 8);
	struct fynq_buf sizes = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 8);
	struct fynq_buf rows = FYNQ_BUF_INIT(FYNQ_ARENA_MAX / 8);
	struct args args;

	for (size_t i = 0; i < n; i++) {
		fynq_buf_printf(&ids, "%c%s", i == 0 ? '{' : ',', files[i].id.text);
		fynq_buf_printf(&sizes, "%c%lld", i == 0 ? '{' : ',', (long long)files[i].bytes);
		fynq_buf_add_char(&rows, i == 0 ? '[' : ',');
		add_row(&rows, &files[i]);
	}
	fynq_buf_add_char(&ids, '}');
	fynq_buf_add_char(&sizes, '}');
	fynq_buf_add_char(&rows, ']');
	args.ids = fynq_arena_copy(rq->arena, fynq_buf_str(&ids));
	args.sizes = fynq_arena_copy(rq->arena, fynq_buf_str(&sizes));
	args.rows = fynq_arena_copy(rq->arena, fynq_buf_str(&rows));
	fynq_buf_release(&ids);
	fynq_buf_release(&sizes);
	fynq_buf_release(&rows);
	return args;
}

/* The field of a file that is larger than most. */
static struct fynq_str
field_over(const struct fynq_new_file *files, size_t n, struct fynq_str most)
{
	int64_t bytes;

	for (size_t i = 1; i < n && fynq_str_int(most, &bytes); i++)
		if (files[i].bytes > bytes)
			return files[i].field;
	return files[0].field;
}

/* What the database says of an upload: no row where all is well. */
static enum fynq_err
verdict(struct fynq_req *rq, const struct fynq_new_file *files, size_t n,
    const struct fynq_rows *rows, struct fynq_str *earlier_r)
{
	struct fynq_str word, most;

	if (rows->n == 0)
		return FYNQ_OK;
	word = fynq_rows_str(rows, 0, LIMIT);
	most = fynq_rows_str(rows, 0, MOST);
	if (fynq_str_eq(word, FYNQ_STR("user")))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "The account is being erased.");
	if (fynq_str_eq(word, FYNQ_STR("upload")))
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, "Storing it took too long.");
	if (fynq_str_eq(word, FYNQ_STR("key")))
		return fynq_fail(rq, FYNQ_E_KEY_REUSED, NULL);
	if (fynq_str_eq(word, FYNQ_STR("earlier"))) {
		*earlier_r = fynq_rows_str(rows, 0, EARLIER);
		return FYNQ_OK;
	}
	return fynq_room_refusal(rq, word, most, field_over(files, n, most));
}

static enum fynq_err
begin(struct fynq_req *rq, const struct fynq_new_file *files, size_t n, const struct args *a)
{
	struct fynq_str args[2 + FYNQ_ROOM_ARGS] = { a->ids, a->sizes };
	struct fynq_rows rows;

	fynq_room_args(rq, args + 2);
	FYNQ_TRY(fynq_db_run(rq, &begin_upload, args, 2 + FYNQ_ROOM_ARGS, &rows));
	return verdict(rq, files, n, &rows, NULL);
}

static enum fynq_err
put_all(struct fynq_req *rq, const struct fynq_new_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct fynq_object o = { files[i].fd, files[i].bytes, files[i].media_type };

		FYNQ_TRY(
		    fynq_store()->put(rq, fynq_store_key(rq, rq->caller.id, &files[i].id), &o));
	}
	return FYNQ_OK;
}

static enum fynq_err
end(struct fynq_req *rq, const struct fynq_new_file *files, size_t n, const struct args *a,
    const struct fynq_claim *claim, struct fynq_str *earlier_r)
{
	struct fynq_str args[3 + FYNQ_ROOM_ARGS] = { a->rows };
	struct fynq_rows rows;

	if (claim != NULL && claim->key.n > 0) {
		args[1] = claim->key;
		args[2] = fynq_str_of(claim->fingerprint);
	}
	fynq_room_args(rq, args + 3);
	FYNQ_TRY(fynq_db_run(rq, &end_upload, args, 3 + FYNQ_ROOM_ARGS, &rows));
	return verdict(rq, files, n, &rows, earlier_r);
}

/*
 * Objects that are to have no rows, those too that were not put: the objects, then the rows that
 * say that they come. A process that dies in between leaves the rest of them to gc.
 */
static void
take_back(struct fynq_req *rq, const struct fynq_new_file *files, size_t n, const struct args *a)
{
	const struct fynq_problem problem = rq->problem;
	bool removed = true;

	for (size_t i = 0; i < n; i++)
		if (fynq_store()->remove(rq, fynq_store_key(rq, rq->caller.id, &files[i].id)) !=
		    FYNQ_OK)
			removed = false;
	rq->problem = problem;
	if (removed)
		fynq_db_aside(rq, "upload", &drop_upload, FYNQ_ARGS(a->ids));
}

/* Where the COMMIT may have been done, though its answer was lost, the rows may be there. */
static bool
may_be_stored(enum fynq_err e)
{
	return e == FYNQ_E_DB_UNAVAILABLE || e == FYNQ_E_DB_TIMEOUT || e == FYNQ_E_INTERNAL;
}

struct fynq_new_file
fynq_file_of_picture(const struct fynq_picture *picture, struct fynq_str purpose,
    struct fynq_str field, struct fynq_str name)
{
	return (struct fynq_new_file){
		.purpose = purpose,
		.field = field,
		.name = name,
		.media_type = picture->media_type,
		.fd = picture->fd,
		.bytes = picture->bytes,
		.sha256 = picture->sha256,
		.width = picture->width,
		.height = picture->height,
	};
}

/*
 * A process that dies
 *
 *	before begin   leaves nothing: the files have no names yet.
 *	before end     leaves rows of fynq.uploads, and the objects that were put by then. Nobody
 *		       sees them, nothing counts them, and gc takes them when they are old.
 *	after end      has stored them, key and all; who asks again is told.
 *
 * A store that fails in the middle, a limit that meanwhile another request has reached, and an
 * account that is gone: what was put is taken back at once.
 */
enum fynq_err
fynq_files_add(struct fynq_req *rq, struct fynq_new_file *files, size_t n,
    const struct fynq_claim *claim, struct fynq_stored *stored_r)
{
	struct fynq_str earlier = { 0 };
	struct args args;
	enum fynq_err e;

	for (size_t i = 0; i < n; i++)
		files[i].id = fynq_uuid_new();
	args = make_args(rq, files, n);
	FYNQ_TRY(begin(rq, files, n, &args));
	if ((e = put_all(rq, files, n)) != FYNQ_OK) {
		take_back(rq, files, n, &args);
		return e;
	}
	e = end(rq, files, n, &args, claim, &earlier);
	if (earlier.p != NULL || (e != FYNQ_OK && !may_be_stored(e)))
		take_back(rq, files, n, &args);
	if (stored_r != NULL && earlier.p != NULL)
		*stored_r = (struct fynq_stored){ .ids = earlier, .earlier = true };
	else if (stored_r != NULL)
		*stored_r = (struct fynq_stored){ .ids = args.ids };
	return e;
}
