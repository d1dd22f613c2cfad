#include "data/db.h"
#include "library/retriever.h"

/*
 * Passages are chosen by rank and told in their own order. A content is searched by the language
 * that it is in, whatever the question's. Who may see what stands here as the policies have it,
 * since this runs as the service: see contents_select. The best are taken before their bytes are
 * summed up: ten books have fifty thousand passages, which are not all to be sorted. $1 contents,
 * $2 question, $3 passages, $4 bytes, $5 caller, $6 the caller is an admin.
 */
static const struct fynq_stmt find_passages = { "find_passages", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with named as ("
	"  select c.id, c.title, c.description, w.at,"
	"    fynq.any_word(c.config::regconfig, $2::text) as words"
	"  from unnest($1::uuid[]) with ordinality as w(id, at) join contents c on c.id = w.id"
	"  where c.published or c.author_id = $5::uuid or $6::boolean"
	"), found as ("
	"  select c.id, c.title, c.at, p.n, p.page, p.body,"
	"    coalesce(ts_rank(p.search, c.words), 0) as rank"
	"  from named c join content_passages p on p.content_id = c.id"
	"  where p.search @@ c.words or p.n <= $3::int"
	"  union all"
	"  select c.id, c.title, c.at, 1, null, c.description, 0 from named c"
	"  where c.description is not null"
	"    and not exists (select from content_passages p where p.content_id = c.id)"
	"), best as ("
	"  select *, row_number() over w as place, sum(octet_length(body)) over w as bytes"
	"  from (select * from found order by rank desc, n, at limit $3::int) f"
	"  window w as (order by rank desc, n, at rows unbounded preceding)"
	") select id, title, page, body from best where place = 1 or bytes <= $4::bigint"
	" order by at, n" };

static enum fynq_err
find(struct fynq_req *rq, struct fynq_str contents, struct fynq_str question,
    struct fynq_find_max max, struct fynq_found **found_r, size_t *n_r)
{
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &find_passages,
	    FYNQ_ARGS(contents, question, fynq_arg_int(rq, max.passages),
		fynq_arg_int(rq, max.bytes), rq->caller.id,
		fynq_arg_bool(rq->caller.role == FYNQ_ADMIN)),
	    &rows));
	*n_r = (size_t)rows.n;
	*found_r = fynq_arena_alloc(rq->arena, (*n_r + 1) * sizeof(**found_r));
	for (int i = 0; i < rows.n; i++)
		(*found_r)[i] = (struct fynq_found){ fynq_rows_str(&rows, i, 0),
			fynq_rows_str(&rows, i, 1), fynq_rows_str(&rows, i, 2),
			fynq_rows_str(&rows, i, 3) };
	return FYNQ_OK;
}

const struct fynq_retriever fynq_retriever_text = { "text", find };

const struct fynq_retriever *
fynq_retriever(void)
{
	return &fynq_retriever_text;
}
