/*
 * The library's list, and its search.
 *
 * Both run as the service and say themselves who sees what, $1 and $2: @@ is not leakproof, so
 * beneath row security no index would serve it.
 */
#include "contents.h"

/* $1 to $7 of both: caller, sees every draft, type, tag, author, language, published. */
#define SEEN "($2::boolean or c.published or c.author_id = $1::uuid)"
#define ASKED_FOR                                                                 \
	SEEN " and ($3::text is null or c.type = $3::text)"                       \
	     " and ($4::text is null or c.tags @> array[lower(btrim($4::text))])" \
	     " and ($5::uuid is null or c.author_id = $5::uuid)"                  \
	     " and ($6::text is null or lower(c.language) = lower($6::text)"      \
	     "  or lower(split_part(c.language, '-', 1)) = lower($6::text))"      \
	     " and ($7::text is null or c.published = $7::boolean)"

/* An id begins with the time at which it was made. $8 the key, $9 the page's length. */
static const struct fynq_stmt list_contents = { "list_contents", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with page as materialized ("
	"  select c.*, row_number() over (order by c.id desc) as n from public.contents c"
	"  where " ASKED_FOR " and ($8::text is null or c.id < $8::uuid)"
	"  order by c.id desc limit $9::int + 1"
	") select coalesce(json_agg(json_build_object(" CONTENT_MEMBERS ", 'snippet', null)"
	"   order by c.n) filter (where c.n <= $9::int), '[]'),"
	" case when count(*) > $9::int then (array_agg(c.id order by c.n))[$9::int]::text end"
	" from page c" };

/*
 * The same of a tag, from the index: few contents have it, so the walk along the ids would be long.
 */
static const struct fynq_stmt list_tagged = { "list_tagged", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with page as materialized ("
	"  select c.*, row_number() over (order by c.id desc) as n from public.contents c"
	"  where c.id in (select c.id from public.contents c where c.search @@"
	"   fynq.content_filter($3, $4, $5, $6, $7)::tsquery and " SEEN
	"   and ($8::text is null or c.id < $8::uuid) order by c.id desc limit $9::int + 1)"
	") select coalesce(json_agg(json_build_object(" CONTENT_MEMBERS ", 'snippet', null)"
	"   order by c.n) filter (where c.n <= $9::int), '[]'),"
	" case when count(*) > $9::int then (array_agg(c.id order by c.n))[$9::int]::text end"
	" from page c" };

/*
 * How many contents are ranked: a word that half of the library has costs no more than one that
 * these have. Those that have it in their head, which is title, tags and description, come first.
 */
#define MOST "150"

/*
 * Where nothing is found, titles that merely look like what was asked for are: two letters of a
 * word that changed places must be near enough, so less is asked for than by default; but not of
 * many words, where an error weighs less and every trigram costs. A language in which the words are
 * stop words takes no part: that is looked at last, as a condition beside the trigrams would lead
 * PostgreSQL away from their index.
 */
#define MOST_ALIKE "50"

/* HTML whose only markup is what ts_headline() then adds: no "<" and no quote is left in it. */
#define ESCAPED_BODY                                                                   \
	"replace(replace(replace(replace(replace(t.body, '&', '&amp;'), '<', '&lt;')," \
	" '>', '&gt;'), '\"', '&quot;'), '''', '&#39;')"

/*
 * A snippet is of the first of so many passages that has a word of the query, else of the
 * beginning. ts_headline() takes longer than all the rest: it is given a few characters around that
 * word, whose beginning is a lexeme of the query or, where stemming changes a letter (family,
 * famili), the word as it was asked for; where it is neither (Haus, Häuser), the whole passage.
 */
#define FIRST "300"

/*
 * Of a phrase the index knows the words and not their places, and what is excluded is spelled
 * differently in another language: such a query is looked at again, in the content's own language,
 * for as many contents as are ranked.
 */
#define STRICTLY                                         \
	"(select not strict from wanted) or c.search @@" \
	" (select a.words from asked a where a.config = c.config)"

/*
 * Runs before the search: its plan takes longer to make than most searches take, and is the same
 * whatever is asked, which PostgreSQL, comparing guesses, never comes to believe.
 */
static const struct fynq_stmt plan_once = { "plan_once", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select set_config('plan_cache_mode', 'force_generic_plan', true)" };

/*
 * The words of the query as each text search configuration in the library takes them (configs is a
 * walk along its index): all together and the filters to find contents, which is one scan of an
 * index, and those of a content's own language to rank it and to mark its snippet. A query of stop
 * words or of exclusions alone asks for nothing. Who may see a content stands in its row: to learn
 * that from the index would be to go through most of the library there. ranked is small and lies in
 * the row, where search would have to be fetched for each. A rank is a whole number, so that the
 * key (rank, id) of a cursor is exact; what merely looks like the query has one below 1. $8 q, $9
 * the key, $10 the page's length.
 */
static const struct fynq_stmt search_contents = { "search_contents", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE,
	"with recursive configs (config) as ("
	"  (select c.config from public.contents c order by c.config limit 1)"
	"  union all"
	"  select (select c.config from public.contents c where c.config > k.config"
	"    order by c.config limit 1)"
	"  from configs k where k.config is not null"
	"), asked as materialized ("
	"  select k.config, w.words,"
	"    regexp_replace(querytree(w.words), ' (&|<[-0-9]+>) ', ' | ', 'g')::tsquery"
	"      as any_word,"
	"    (select '(?i)^.*?\\m(?:'"
	"        || string_agg(regexp_replace(l, '(\\W)', '\\\\\\1', 'g'), '|') || ')'"
	"      from unnest(tsvector_to_array(to_tsvector(k.config::regconfig, $8::text))"
	"        || tsvector_to_array(to_tsvector('simple', $8::text))) l"
	"      where to_tsvector(k.config::regconfig, l) <> '') as up_to_word"
	"  from configs k cross join lateral ("
	"    select websearch_to_tsquery(k.config::regconfig, $8::text) as words) w"
	"  where k.config is not null and querytree(w.words) not in ('', 'T')"
	"    and ($6::text is null or k.config = fynq.text_config($6::text)::text)"
	"), wanted as materialized ("
	"  select concat_ws(' & ', regexp_replace(w.query, '<(-|[0-9]+)>', '&', 'g'),"
	"      f.filter)::tsquery as query,"
	"    w.query ~ '<(-|[0-9]+)>|!' as strict"
	"  from (select '(' || string_agg(distinct '(' || a.words::text || ')', ' | ') || ')'"
	"     as query from asked a) w"
	"  cross join (select fynq.content_filter($3, $4, $5, $6, $7) as filter) f"
	"  where w.query is not null"
	"), heads as materialized ("
	"  select c.id, c.config, c.ranked from ("
	"    select * from public.contents c"
	"    where ts_filter(c.ranked, '{a,b,c}') @@ (select query from wanted) and " SEEN
	"    limit " MOST ") c"
	"  where " STRICTLY "), mentions as materialized ("
	"  select c.id, c.config, c.ranked from ("
	"    select * from public.contents c where c.search @@ (select query from wanted) and " SEEN
	"    limit (select case when count(*) < " MOST " then " MOST " else 0 end from heads)) c"
	"  where " STRICTLY "), found as materialized ("
	"  select f.id, 1 + (1000000 * coalesce(ts_rank(f.ranked, a.words), 0))::int as rank"
	"  from (select * from heads"
	"    union all select * from mentions m where m.id not in (select h.id from heads h)) f"
	"  left join asked a on a.config = f.config"
	"), alike as materialized ("
	"  select c.id, c.config,"
	"    (1000 * fynq.resemblance(c.title, $8::text))::int - 1001 as rank"
	"  from public.contents c"
	"  where not exists (select from found)"
	"    and exists (select from wanted where not strict)"
	"    and (select set_config('pg_trgm.word_similarity_threshold',"
	"      case when length($8::text) > 24 then '0.6' else '0.5' end, true)) is not null"
	"    and fynq.resembles(c.title, $8::text)"
	"    and " ASKED_FOR " limit " MOST_ALIKE "), page as materialized ("
	"  select a.id, a.rank, row_number() over (order by a.rank desc, a.id desc) as n"
	"  from (select * from found union all select k.id, k.rank from alike k"
	"    where (select true from asked o where o.config = k.config)) a"
	"  where $9::text is null or (a.rank, a.id)"
	"    < (split_part($9::text, '/', 1)::int, split_part($9::text, '/', 2)::uuid)"
	"  order by a.rank desc, a.id desc limit $10::int + 1"
	") select coalesce(json_agg(json_build_object(" CONTENT_MEMBERS ", 'snippet', s.snippet)"
	"   order by p.n) filter (where p.n <= $10::int), '[]'),"
	" case when count(*) > $10::int then"
	"  (array_agg(p.rank || '/' || p.id order by p.n))[$10::int] end"
	" from page p join public.contents c on c.id = p.id"
	" left join asked a on a.config = c.config"
	" left join lateral ("
	"   select case when p.n <= $10::int then ts_headline(c.config::regconfig, " ESCAPED_BODY
	"     , a.any_word, 'StartSel=<mark>, StopSel=</mark>, MaxWords=30, MinWords=15') end"
	"     as snippet"
	"   from (select q.n > 0 as hit,"
	"       left(coalesce(q.body, c.body, c.description), 1200) as body"
	"     from (select) o left join lateral (select q.n, q.body from public.content_passages q"
	"       where q.content_id = c.id and q.n <= " FIRST " and q.search @@ a.any_word"
	"       order by q.n limit 1) q on true offset 0) w"
	"   cross join lateral ("
	"     select coalesce(substring(w.body from a.up_to_word), '') as start offset 0) m"
	"   cross join lateral ("
	"     select case when length(m.start) <= 60 then m.start"
	"       else regexp_replace(right(m.start, 60), '^\\S*\\s+', '') end"
	"       || substr(w.body, length(m.start) + 1, case when w.hit and m.start = '' then 1200"
	"         else 180 end) as body offset 0) t"
	" ) s on true" };

/* Whose contents are asked for; absent for everyone's. Two authors at once have none. */
static struct fynq_str
author_of(const struct fynq_req *rq, const struct list_in *in)
{
	struct fynq_str author = fynq_uuid_str(&in->author);

	if (!in->mine)
		return author;
	return author.p == NULL || fynq_str_eq(author, rq->caller.id)
		   ? rq->caller.id
		   : FYNQ_STR("00000000-0000-0000-0000-000000000000");
}

enum fynq_err
get_contents(struct fynq_req *rq, const void *in_)
{
	const struct list_in *in = in_;
	struct fynq_str author = author_of(rq, in);
	struct fynq_str every = fynq_arg_bool(rq->caller.role == FYNQ_ADMIN);
	const struct fynq_str args[] = { rq->caller.id, every, in->type, in->tag, author,
		in->language, in->published, in->q };

	if (in->q.n > 0)
		return fynq_page_reply_after(
		    rq, &plan_once, &search_contents, args, 8, &in->cursor, in->limit);
	return fynq_page_reply(
	    rq, in->tag.n > 0 ? &list_tagged : &list_contents, args, 7, &in->cursor, in->limit);
}
