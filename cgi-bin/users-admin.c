/*
 * Accounts as admins see and change them.
 */
#include "users.h"

/* a is a row of fynq.accounts(), l that of public.user_limits. */
#define MADE	  FYNQ_SQL_TIME("a.created_at")
#define SIGNED_IN FYNQ_SQL_TIME("a.last_sign_in_at")
#define CHANGED	  FYNQ_SQL_TIME("a.updated_at")
#define ACCOUNT_JSON                                                         \
	"json_build_object('id', a.id, 'email', a.email, 'role', a.role,"    \
	" 'disabled', a.disabled, 'email_confirmed', a.email_confirmed,"     \
	" 'display_name', a.display_name, 'locale', a.locale,"               \
	" 'birth_date', a.birth_date, 'limits', json_build_object("          \
	"  'messages_minute', l.messages_minute,"                            \
	"  'messages_day', l.messages_day,"                                  \
	"  'tokens_minute', l.tokens_minute, 'tokens_day', l.tokens_day,"    \
	"  'file_bytes', l.file_bytes, 'storage_bytes', l.storage_bytes,"    \
	"  'storage_files', l.storage_files, 'uploads_day', l.uploads_day)," \
	" 'created_at', " MADE ", 'last_sign_in_at', " SIGNED_IN ","         \
	" 'updated_at', " CHANGED ")"

/* The tables of an account have no updated_at in common: the tag is of all that is shown. */
#define ACCOUNT                                                                         \
	"select x.id, x.account, to_hex(hashtextextended(x.account::text, 0)) as etag," \
	" x.role, x.disabled from ("                                                    \
	" select a.id, a.role, a.disabled, " ACCOUNT_JSON " as account"                 \
	" from fynq.accounts($1::uuid, null, null, null, null, null, 1) a"              \
	" left join public.user_limits l on l.user_id = a.id) x"

/* $1 role, $2 disabled, $3 words, $4 the key, $5 the page's length. */
static const struct fynq_stmt list_users = { "list_users", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with page as materialized ("
	" select " ACCOUNT_JSON " as account, " MADE " || ' ' || a.id as key,"
	"  row_number() over (order by a.created_at desc, a.id desc) as n"
	" from fynq.accounts(null, $1::text, $2::boolean, $3::text,"
	"  split_part($4::text, ' ', 1)::timestamptz, split_part($4::text, ' ', 2)::uuid,"
	"  $5::int + 1) a"
	" left join public.user_limits l on l.user_id = a.id"
	") select coalesce(json_agg(account order by n) filter (where n <= $5::int), '[]'),"
	" case when max(n) > $5::int then max(key) filter (where n = $5::int) end from page" };

static const struct fynq_stmt get_account = { "get_account", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select account, etag from (" ACCOUNT ") a" };

/*
 * Admins change an account one after the other. This is a statement of its own because the next
 * one must begin, and see what the other has done, when the lock is held.
 */
static const struct fynq_stmt lock_profile = { "lock_profile", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select from public.profiles where id = $1::uuid for update" };

/*
 * $1 the account, $2 the body, $3 the tag of If-Match. One row for an account that is there: what
 * it was, and whether the tag was its own. The profile is written whatever is changed, so that of
 * two who saw one state only one changes it.
 */
static const struct fynq_stmt patch_account = {
	"patch_account", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with given as materialized (select $2::jsonb as g, $3::text as tag"
	"), old as materialized (" ACCOUNT "), meant as materialized ("
	" select old.id from old cross join given"
	" where (tag is null or tag = old.etag) and g <> '{}'"
	"), profile as ("
	" update public.profiles p set"
	"  birth_date = coalesce((g ->> 'birth_date')::date, p.birth_date)"
	" from meant cross join given where p.id = meant.id"
	"), limits as ("
	" insert into public.user_limits"
	"  (user_id, messages_minute, messages_day, tokens_minute, tokens_day,"
	"  file_bytes, storage_bytes, storage_files, uploads_day)"
	" select meant.id,"
	"  case when n ? 'messages_minute' then (n ->> 'messages_minute')::int"
	"   else l.messages_minute end,"
	"  case when n ? 'messages_day' then (n ->> 'messages_day')::int"
	"   else l.messages_day end,"
	"  case when n ? 'tokens_minute' then (n ->> 'tokens_minute')::bigint"
	"   else l.tokens_minute end,"
	"  case when n ? 'tokens_day' then (n ->> 'tokens_day')::bigint"
	"   else l.tokens_day end,"
	"  case when n ? 'file_bytes' then (n ->> 'file_bytes')::bigint"
	"   else l.file_bytes end,"
	"  case when n ? 'storage_bytes' then (n ->> 'storage_bytes')::bigint"
	"   else l.storage_bytes end,"
	"  case when n ? 'storage_files' then (n ->> 'storage_files')::int"
	"   else l.storage_files end,"
	"  case when n ? 'uploads_day' then (n ->> 'uploads_day')::int"
	"   else l.uploads_day end"
	" from meant cross join given cross join lateral (select g -> 'limits' as n) as "
	"given_limits"
	" left join public.user_limits l on l.user_id = meant.id where g ? 'limits'"
	" on conflict (user_id) do update set messages_minute = excluded.messages_minute,"
	"  messages_day = excluded.messages_day, tokens_minute = excluded.tokens_minute,"
	"  tokens_day = excluded.tokens_day, file_bytes = excluded.file_bytes,"
	"  storage_bytes = excluded.storage_bytes, storage_files = excluded.storage_files,"
	"  uploads_day = excluded.uploads_day"
	") select old.role, old.disabled, coalesce(tag = old.etag, true) from old cross join given"
};
enum { ROLE, DISABLED, MATCHED };

enum fynq_err
get_users(struct fynq_req *rq, const void *in_)
{
	const struct users_in *in = in_;

	return fynq_page_reply(
	    rq, &list_users, FYNQ_ARGS(in->role, in->disabled, in->q), &in->cursor, in->limit);
}

enum fynq_err
get_user(struct fynq_req *rq, const void *in_)
{
	const struct user_in *in = in_;

	return fynq_db_reply(rq, 200, &get_account, FYNQ_ARGS(fynq_uuid_str(&in->id)));
}

static bool
is_given(const struct fynq_req *rq, const char *member)
{
	return json_object_object_get_ex(rq->json, member, NULL);
}

/* What no admin does to themselves: the last one would be locked out. */
static enum fynq_err
check_patch(struct fynq_req *rq, const struct user_patch_in *in)
{
	bool self = fynq_str_eq(fynq_uuid_str(&in->id), rq->caller.id);

	if (self && in->role.p != NULL && !fynq_str_eq(in->role, FYNQ_STR("admin")))
		return fynq_fail(rq, FYNQ_E_CONFLICT, "Admins do not take their own role away.");
	if (self && in->disabled)
		return fynq_fail(rq, FYNQ_E_CONFLICT, "Admins do not disable themselves.");
	return FYNQ_OK;
}

/* The role, and whether the account is disabled, are the provider's to change. */
static enum fynq_err
change_account(struct fynq_req *rq, const struct user_patch_in *in, const struct fynq_rows *old)
{
	struct fynq_str id = fynq_uuid_str(&in->id);
	bool disabled = fynq_rows_true(old, 0, DISABLED);

	if (in->role.p != NULL && !fynq_str_eq(in->role, fynq_rows_str(old, 0, ROLE))) {
		FYNQ_TRY(fynq_provider()->set_role(rq, id, in->role));
		fynq_audit(rq, FYNQ_EVENT_ROLE_CHANGED, id, in->role);
	}
	if (is_given(rq, "disabled") && in->disabled != disabled) {
		if (!in->disabled)
			FYNQ_TRY(fynq_erasure_none(rq, id));
		FYNQ_TRY(fynq_provider()->set_disabled(rq, id, in->disabled));
		fynq_audit(rq, in->disabled ? FYNQ_EVENT_DISABLED : FYNQ_EVENT_ENABLED, id,
		    (struct fynq_str){ 0 });
	}
	fynq_standing_forget(id);
	return FYNQ_OK;
}

/*
 * The limits and the birth date are changed first, in one transaction with the look at the tag:
 * where the provider then fails they stand, and who asks again changes the rest.
 */
enum fynq_err
patch_user(struct fynq_req *rq, const void *in_)
{
	const struct user_patch_in *in = in_;
	struct fynq_str body = rq->body.n > 0 ? rq->body : FYNQ_STR("{}");
	struct fynq_str id = fynq_uuid_str(&in->id), none = { 0 };
	struct fynq_rows old;

	FYNQ_TRY(check_patch(rq, in));
	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &lock_profile, FYNQ_ARGS(id), NULL },
		{ &patch_account, FYNQ_ARGS(id, body, fynq_req_if_match(rq)), &old },
	    },
	    2));
	if (old.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	if (!fynq_rows_true(&old, 0, MATCHED))
		return fynq_fail(rq, FYNQ_E_PRECONDITION_FAILED, NULL);
	if (is_given(rq, "limits"))
		fynq_audit(rq, FYNQ_EVENT_LIMITS_CHANGED, id, none);
	if (is_given(rq, "birth_date"))
		fynq_audit(rq, FYNQ_EVENT_LIMITS_CHANGED, id, FYNQ_STR("birth_date"));
	FYNQ_TRY(change_account(rq, in, &old));
	return fynq_db_reply(rq, 200, &get_account, FYNQ_ARGS(id));
}
