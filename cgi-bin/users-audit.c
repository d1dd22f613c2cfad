/*
 * The record of what happened to accounts, for admins.
 */
#include "users.h"

#define AT FYNQ_SQL_TIME("m.at")

/* $1 user, $2 event, $3 from, $4 to, $5 cursor, $6 limit. As the service: no user reads it. */
static const struct fynq_stmt get_audit_page = { "get_audit_page", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with found as ("
	"  select * from fynq.audit"
	"  where ($5::text is null or id < $5::text::uuid)"
	"    and ($1::uuid is null or subject = $1::uuid or actor = $1::uuid)"
	"    and ($2::text is null or event = $2::text)"
	"    and ($3::timestamptz is null or at >= $3::timestamptz)"
	"    and ($4::timestamptz is null or at < $4::timestamptz)"
	"  order by id desc limit $6::int + 1"
	"), m as (select *, row_number() over (order by id desc) as n from found)"
	" select coalesce(json_agg(json_build_object('id', m.id, 'at', " AT ", 'event', m.event,"
	"    'actor_id', m.actor, 'user_id', m.subject, 'address', host(m.address),"
	"    'detail', m.detail, 'request_id', m.request_id) order by m.n)"
	"    filter (where m.n <= $6::int), '[]'),"
	"  case when count(*) > $6::int then max(m.id::text) filter (where m.n = $6::int) end"
	" from m" };

enum fynq_err
get_audit(struct fynq_req *rq, const void *in_)
{
	const struct audit_in *in = in_;

	return fynq_page_reply(rq, &get_audit_page,
	    FYNQ_ARGS(fynq_uuid_str(&in->user_id), in->event, in->from.text, in->to.text),
	    &in->cursor, in->limit);
}
