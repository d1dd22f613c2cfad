/*
 * The files that a user has: their list, and their deletion.
 */
#include "files.h"

/* An id begins with the time at which it was made. $1 purpose, $2 the key, $3 the page's length. */
static const struct fynq_stmt list_files = { "list_files", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"with page as materialized ("
	" select " FILE_JSON
	" as file, f.id::text as key, row_number() over (order by f.id desc) as n"
	" from public.files f"
	" where f.user_id = auth.uid() and ($1::text is null or f.purpose = $1::text)"
	"  and ($2::text is null or f.id < $2::uuid)"
	" order by f.id desc limit $3::int + 1"
	") select coalesce(json_agg(file order by n) filter (where n <= $3::int), '[]'),"
	" case when max(n) > $3::int then max(key) filter (where n = $3::int) end from page" };

enum fynq_err
get_files(struct fynq_req *rq, const void *in_)
{
	const struct list_in *in = in_;

	return fynq_page_reply(rq, &list_files, FYNQ_ARGS(in->purpose), &in->cursor, in->limit);
}

enum fynq_err
delete_file(struct fynq_req *rq, const void *in_)
{
	const struct file_in *in = in_;

	FYNQ_TRY(fynq_file_delete(rq, &in->id));
	return fynq_reply_empty(rq, 204);
}
