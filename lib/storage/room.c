#include "base/clock.h"
#include "base/config.h"
#include "http/multipart.h"
#include "storage/room.h"

/*
 * $1 user, $2 to $5 the limits, $6 the Idempotency-Key. How large one file and all may still be,
 * null where nothing bounds that; the limit that has no room for a single byte; whether the key was
 * used.
 */
static const struct fynq_stmt find_room = { "find_room", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select min(l.most) filter (where l.counted = 'file_bytes'),"
	" min(l.most - l.used) filter (where l.counted = 'storage_bytes'),"
	" min(l.most) filter (where l.counted = 'storage_bytes'),"
	" min(r.limit_name), min(r.limit_value),"
	" exists (select from fynq.requests k where k.user_id = $1::uuid and k.key = $6::text)"
	" from fynq.file_limits($1::uuid, $2::bigint, $3::bigint, $4::bigint, $5::bigint) l"
	" left join fynq.file_refusal($1::uuid, '{1}', $2::bigint, $3::bigint, $4::bigint,"
	"  $5::bigint) r on true" };
enum { ONE, LEFT, MOST, REFUSES, REFUSES_AT, KEY_USED };

/* What a form has beside the bytes of its files, at most: the heads of its parts, and a purpose. */
enum {
	FRAME = FYNQ_MULTIPART_PARTS * (FYNQ_MULTIPART_HEAD + 2 * FYNQ_MULTIPART_BOUNDARY) +
		2 * FYNQ_MULTIPART_AROUND
};

static const struct fynq_limits *const of_role[] = {
	[FYNQ_ANYONE] = &fynq_config.files_student,
	[FYNQ_USER] = &fynq_config.files_student,
	[FYNQ_TEACHER] = &fynq_config.files_teacher,
	[FYNQ_ADMIN] = &fynq_config.files_admin,
};

void
fynq_room_args(struct fynq_req *rq, struct fynq_str args_r[static FYNQ_ROOM_ARGS])
{
	const struct fynq_limits *limits = of_role[rq->caller.role];

	args_r[0] = rq->caller.id;
	for (size_t i = 1; i < FYNQ_ROOM_ARGS; i++)
		args_r[i] = fynq_arg_int(rq, limits->most[i - 1]);
}

enum fynq_err
fynq_room_refusal(
    struct fynq_req *rq, struct fynq_str limit, struct fynq_str most, struct fynq_str field)
{
	if (fynq_str_eq(limit, FYNQ_STR("file_bytes")))
		return fynq_fail(rq, FYNQ_E_TOO_LARGE, "%.*s may have at most %.*s bytes.",
		    FYNQ_STR_ARG(field), FYNQ_STR_ARG(most));
	if (fynq_str_eq(limit, FYNQ_STR("storage_bytes")))
		return fynq_fail(rq, FYNQ_E_STORAGE_QUOTA,
		    "All your files may take %.*s bytes together.", FYNQ_STR_ARG(most));
	if (fynq_str_eq(limit, FYNQ_STR("storage_files")))
		return fynq_fail(
		    rq, FYNQ_E_STORAGE_QUOTA, "You may have %.*s files.", FYNQ_STR_ARG(most));
	rq->problem.retry_after = fynq_clock_day_left();
	return fynq_fail(rq, FYNQ_E_RATE_LIMITED, "There is a limit of %.*s files a day (UTC).",
	    FYNQ_STR_ARG(most));
}

/* A number of the row; most where it is null or more. */
static int64_t
number(const struct fynq_rows *rows, int column, int64_t most)
{
	int64_t n;

	return fynq_str_int(fynq_rows_str(rows, 0, column), &n) && n < most ? n : most;
}

enum fynq_err
fynq_room_admit(struct fynq_req *rq, int files)
{
	int64_t bytes = (int64_t)rq->content_length - FRAME, one;
	const struct fynq_str field = FYNQ_STR("file");
	struct fynq_str args[FYNQ_ROOM_ARGS + 1];
	struct fynq_rows rows;

	fynq_room_args(rq, args);
	args[FYNQ_ROOM_ARGS] = fynq_req_param(rq, "HTTP_IDEMPOTENCY_KEY");
	if (!fynq_str_utf8(args[FYNQ_ROOM_ARGS])) /* no key: data/claim.h refuses it */
		args[FYNQ_ROOM_ARGS] = (struct fynq_str){ 0 };
	FYNQ_TRY(fynq_db_run(rq, &find_room, args, FYNQ_ROOM_ARGS + 1, &rows));
	one = number(&rows, ONE, FYNQ_FILE_MOST);
	rq->file_max = one;
	if (fynq_rows_true(&rows, 0, KEY_USED))
		return FYNQ_OK;
	if (fynq_rows_str(&rows, 0, REFUSES).p != NULL)
		return fynq_room_refusal(rq, fynq_rows_str(&rows, 0, REFUSES),
		    fynq_rows_str(&rows, 0, REFUSES_AT), field);
	if (bytes > files * one)
		return fynq_room_refusal(rq, FYNQ_STR("file_bytes"), fynq_arg_int(rq, one), field);
	if (bytes > number(&rows, LEFT, INT64_MAX))
		return fynq_room_refusal(rq, FYNQ_STR("storage_bytes"),
		    fynq_rows_str(&rows, 0, MOST), (struct fynq_str){ 0 });
	return FYNQ_OK;
}
