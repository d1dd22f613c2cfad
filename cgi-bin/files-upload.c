/*
 * Files that come in: one, or several together, of which all are kept or none.
 *
 * By the time a handler sees them they lie in files without names (http/upload.h), their sizes and
 * hashes known. Each is looked at; pictures of chats are made anew; then all are stored.
 */
#include "files.h"

/* $1 ids, $2 user. In the order of the ids, which is that of the request. */
static const struct fynq_stmt get_stored = { "get_stored", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select s.items, s.items -> 0, s.n = cardinality($1::uuid[]) from ("
	" select json_agg(" FILE_JSON " order by array_position($1::uuid[], f.id)) as items,"
	"  count(*) as n"
	" from public.files f where f.id = any ($1::uuid[]) and f.user_id = $2::uuid) s" };
enum { ALL, FIRST, WHOLE };

enum fynq_err
admit_upload(struct fynq_req *rq)
{
	return fynq_room_admit(rq, FILES_AT_ONCE);
}

/* One file is answered with as it is, several as items. */
static enum fynq_err
reply_stored(struct fynq_req *rq, const struct upload_in *in, struct fynq_str ids)
{
	struct fynq_str json;
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &get_stored, FYNQ_ARGS(ids, rq->caller.id), &rows));
	if (!fynq_rows_true(&rows, 0, WHOLE))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "What was stored has been deleted since.");
	json = fynq_rows_str(&rows, 0, FIRST);
	if (in->files.n > 0)
		json = fynq_arena_printf(
		    rq->arena, "{\"items\":%.*s}", FYNQ_STR_ARG(fynq_rows_str(&rows, 0, ALL)));
	return fynq_reply_json(rq, 201, json);
}

static enum fynq_err
replay(struct fynq_req *rq, const struct upload_in *in, struct fynq_str ids)
{
	fynq_claim_replayed(rq);
	return reply_stored(rq, in, ids);
}

static enum fynq_err
check_purpose(struct fynq_req *rq, const struct upload_in *in)
{
	if (fynq_str_eq(in->purpose, FYNQ_STR("content")) && rq->caller.role < FYNQ_TEACHER)
		return fynq_fail(
		    rq, FYNQ_E_FORBIDDEN, "Files of the library are teachers' and admins'.");
	return FYNQ_OK;
}

/* What is to be kept of an upload. */
static enum fynq_err
look(struct fynq_req *rq, struct fynq_str purpose, struct fynq_str field,
    const struct fynq_upload *upload, struct fynq_new_file *file_r)
{
	struct fynq_picture *picture;

	*file_r = (struct fynq_new_file){
		.purpose = purpose,
		.field = field,
		.name = upload->name,
		.fd = upload->fd,
		.bytes = upload->bytes,
		.sha256 = upload->sha256,
	};
	FYNQ_TRY(fynq_type_check(rq, field, purpose, upload, &file_r->media_type));
	if (!fynq_str_eq(purpose, FYNQ_STR("chat")))
		return FYNQ_OK;
	picture = fynq_arena_alloc(rq->arena, sizeof(*picture));
	FYNQ_TRY(fynq_picture_prepare(rq, field, upload->fd, upload->bytes, picture));
	*file_r = fynq_file_of_picture(picture, purpose, field, upload->name);
	return FYNQ_OK;
}

/*
 * An earlier request with the key is looked for first, as that costs little; fynq_files_add() sees
 * one that ended meanwhile. A process that dies behind that has stored all, and who asks again with
 * the key is told so.
 */
enum fynq_err
post_upload(struct fynq_req *rq, const void *in_)
{
	const struct upload_in *in = in_;
	struct fynq_str purpose = in->purpose.n > 0 ? in->purpose : FYNQ_STR("document");
	const struct fynq_upload *uploads = in->files.n > 0 ? in->files.p : &in->file;
	size_t n = in->files.n > 0 ? in->files.n : 1;
	struct fynq_new_file files[FILES_AT_ONCE];
	struct fynq_earlier earlier;
	struct fynq_stored stored;
	struct fynq_claim claim;

	FYNQ_TRY(check_purpose(rq, in));
	FYNQ_TRY(fynq_claim_read(rq, &claim));
	FYNQ_TRY(fynq_claim_find(rq, &earlier));
	if (earlier.files.p != NULL)
		return replay(rq, in, earlier.files);
	for (size_t i = 0; i < n; i++) {
		struct fynq_str field = FYNQ_STR("file");

		if (in->files.n > 0)
			field = fynq_arena_printf(rq->arena, "files.%zu", i);
		FYNQ_TRY(look(rq, purpose, field, &uploads[i], &files[i]));
	}
	FYNQ_TRY(fynq_files_add(rq, files, n, &claim, &stored));
	return stored.earlier ? replay(rq, in, stored.ids) : reply_stored(rq, in, stored.ids);
}
