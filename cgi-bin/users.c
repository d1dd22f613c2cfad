/*
 * The caller's own profile, what they have used, and what they may ask for; and all users, for
 * admins. This file has the routes; users.h says where the other handlers are.
 */
#include "users.h"

enum { BODY_MAX = 16384, PREFERENCES_MAX = 4096 };

struct patch_in {
	struct fynq_str display_name, locale, grade_level;
	struct fynq_date birth_date;
	struct fynq_json preferences;
};
static const struct fynq_field patch_in[] = {
	FYNQ_FIELD(patch_in, display_name, FYNQ_IN_BODY | FYNQ_NULLABLE, "What to call the user.",
	    .format = FYNQ_F_LINE, .max = 100),
	FYNQ_FIELD(patch_in, locale, FYNQ_IN_BODY | FYNQ_NULLABLE, "The user's language, as en-GB.",
	    .format = FYNQ_F_LOCALE),
	FYNQ_FIELD(patch_in, birth_date, FYNQ_IN_BODY,
	    "The day of birth; once it is set it can only be repeated.", .past = true),
	FYNQ_FIELD(patch_in, grade_level, FYNQ_IN_BODY | FYNQ_NULLABLE, "The class or year.",
	    .format = FYNQ_F_LINE, .max = 50),
	FYNQ_FIELD(patch_in, preferences, FYNQ_IN_BODY,
	    "The frontend's own settings; they replace those that were there.",
	    .max = PREFERENCES_MAX),
	FYNQ_FIELD_END,
};

static const struct fynq_field profile_out[] = {
	FYNQ_OUT("id", UUID, "The account's id."),
	FYNQ_OUT("email", STRING, "Its address, as the access token has it."),
	FYNQ_OUT("role", STRING, "student, teacher or admin."),
	FYNQ_OUT("display_name", STRING, "What to call the user.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("locale", STRING, "The user's language.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("birth_date", DATE, "The day of birth.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("grade_level", STRING, "The class or year.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("preferences", OBJECT, "The frontend's own settings."),
	FYNQ_OUT("created_at", TIME, "When the profile was made."),
	FYNQ_OUT("updated_at", TIME, "When it was last changed."),
	FYNQ_FIELD_END,
};

static const struct fynq_field count_out[] = {
	FYNQ_OUT("used", INT, "What counts so far."),
	FYNQ_OUT("limit", INT, "The limit; null for none.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("remaining", INT, "What is left; null without a limit.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("reset_seconds", INT, "When it is whole again, in seconds."),
	FYNQ_FIELD_END,
};

static const struct fynq_field window_out[] = {
	FYNQ_OUT("messages", OBJECT, "Questions that were stored.", .sub = count_out),
	FYNQ_OUT("tokens", OBJECT, "What they and their replies took.", .sub = count_out),
	FYNQ_FIELD_END,
};

static const struct fynq_field room_out[] = {
	FYNQ_OUT("used", INT, "What counts so far."),
	FYNQ_OUT("limit", INT, "The limit; null for none.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("remaining", INT, "What is left; null without a limit.", .flags = FYNQ_NULLABLE),
	FYNQ_FIELD_END,
};

static const struct fynq_field usage_out[] = {
	FYNQ_OUT("minute", OBJECT,
	    "The minute that began with its first question; all of it is ahead where none is on.",
	    .sub = window_out),
	FYNQ_OUT("day", OBJECT, "The day in UTC.", .sub = window_out),
	FYNQ_OUT("saved_tokens", INT, "Tokens of today's replies that Gemini was not asked for."),
	FYNQ_OUT("bytes", OBJECT, "Bytes of the caller's files, all together.", .sub = room_out),
	FYNQ_OUT("files", OBJECT, "How many files there are.", .sub = room_out),
	FYNQ_OUT("uploads", OBJECT, "Files that were sent today, in UTC, deleted ones too.",
	    .sub = count_out),
	FYNQ_OUT("file_bytes", INT, "The limit of one file's bytes; null for none.",
	    .flags = FYNQ_NULLABLE),
	FYNQ_FIELD_END,
};

static const struct fynq_field audit_in[] = {
	FYNQ_FIELD(
	    audit_in, user_id, FYNQ_IN_QUERY, "What this user did or was done to its account."),
	FYNQ_FIELD(audit_in, event, FYNQ_IN_QUERY, "What happened.", .values = fynq_event_names),
	FYNQ_FIELD(audit_in, from, FYNQ_IN_QUERY, "Since this time."),
	FYNQ_FIELD(audit_in, to, FYNQ_IN_QUERY, "Before this time."),
	FYNQ_FIELDS_PAGE(audit_in),
	FYNQ_FIELD_END,
};

static const struct fynq_field audit_item[] = {
	FYNQ_OUT("id", UUID, "The entry's id."),
	FYNQ_OUT("at", TIME, "When it happened."),
	FYNQ_OUT("event", STRING, "What happened."),
	FYNQ_OUT("actor_id", UUID, "Who did it; null where nobody was signed in.",
	    .flags = FYNQ_NULLABLE),
	FYNQ_OUT(
	    "user_id", UUID, "Whose account; null where there is none.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("address", STRING, "The network address it came from.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("detail", STRING, "One word more, such as the new role.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT(
	    "request_id", STRING, "The request's id, as the log has it.", .flags = FYNQ_NULLABLE),
	FYNQ_FIELD_END,
};

static const char *const roles[] = { "student", "teacher", "admin", NULL };
static const char *const yes_or_no[] = { "true", "false", NULL };

static const struct fynq_field users_in[] = {
	FYNQ_FIELD(users_in, role, FYNQ_IN_QUERY, "Those of a role.", .values = roles),
	FYNQ_FIELD(users_in, disabled, FYNQ_IN_QUERY, "Those that are disabled, or are not.",
	    .values = yes_or_no),
	FYNQ_FIELD(users_in, q, FYNQ_IN_QUERY,
	    "Those with this in their address or name, in upper or lower case.",
	    .format = FYNQ_F_LINE, .max = 100),
	FYNQ_FIELDS_PAGE(users_in),
	FYNQ_FIELD_END,
};

static const struct fynq_field user_in[] = {
	FYNQ_FIELD(user_in, id, FYNQ_IN_PATH, "The account."),
	FYNQ_FIELD_END,
};

enum { LIMIT_FLAGS = FYNQ_IN_BODY | FYNQ_NULLABLE };
#define COUNT_MOST INT32_MAX
#define TOTAL_MOST INT64_C(9007199254740991)
static const struct fynq_field limits[] = {
	FYNQ_OUT(
	    "messages_minute", INT, "Questions a minute.", .flags = LIMIT_FLAGS, .max = COUNT_MOST),
	FYNQ_OUT("messages_day", INT, "Questions a day.", .flags = LIMIT_FLAGS, .max = COUNT_MOST),
	FYNQ_OUT("tokens_minute", INT, "Tokens a minute.", .flags = LIMIT_FLAGS, .max = TOTAL_MOST),
	FYNQ_OUT("tokens_day", INT, "Tokens a day.", .flags = LIMIT_FLAGS, .max = TOTAL_MOST),
	FYNQ_OUT("file_bytes", INT, "Bytes of a file.", .flags = LIMIT_FLAGS, .max = TOTAL_MOST),
	FYNQ_OUT(
	    "storage_bytes", INT, "Bytes of all files.", .flags = LIMIT_FLAGS, .max = TOTAL_MOST),
	FYNQ_OUT("storage_files", INT, "Files.", .flags = LIMIT_FLAGS, .max = COUNT_MOST),
	FYNQ_OUT("uploads_day", INT, "Files that are sent a day.", .flags = LIMIT_FLAGS,
	    .max = COUNT_MOST),
	FYNQ_FIELD_END,
};

static const struct fynq_field user_patch_in[] = {
	FYNQ_FIELD(user_patch_in, id, FYNQ_IN_PATH, "The account."),
	FYNQ_FIELD(user_patch_in, role, FYNQ_IN_BODY,
	    "Its new role; its sessions end. Nobody takes admin from themselves.", .values = roles),
	FYNQ_FIELD(user_patch_in, disabled, FYNQ_IN_BODY,
	    "True: nobody signs in to it, and its sessions end. Nobody disables themselves."),
	FYNQ_FIELD(user_patch_in, limits, FYNQ_IN_BODY,
	    "Its own limits: null is what its role has, 0 is no limit, what is left out stays.",
	    .sub = limits),
	FYNQ_FIELD(user_patch_in, birth_date, FYNQ_IN_BODY,
	    "The day of birth, corrected: users set theirs once.", .past = true),
	FYNQ_FIELD_END,
};

static const struct fynq_field account_out[] = {
	FYNQ_OUT("id", UUID, "The account's id."),
	FYNQ_OUT("email", STRING, "Its address.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("role", STRING, "student, teacher or admin."),
	FYNQ_OUT("disabled", BOOL, "Nobody signs in to it."),
	FYNQ_OUT("email_confirmed", BOOL, "The address was confirmed, or needed not to be."),
	FYNQ_OUT("display_name", STRING, "What to call the user.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("locale", STRING, "The user's language.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("birth_date", DATE, "The day of birth.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("limits", OBJECT, "Its own limits; null where its role's holds, 0 for none.",
	    .sub = limits),
	FYNQ_OUT("created_at", TIME, "When the account was made."),
	FYNQ_OUT(
	    "last_sign_in_at", TIME, "When someone last signed in to it.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("updated_at", TIME, "When account or profile were last changed."),
	FYNQ_FIELD_END,
};

static const enum fynq_err get_errors[] = { FYNQ_E_NOT_FOUND, FYNQ_OK };
static const enum fynq_err patch_errors[] = { FYNQ_E_NOT_FOUND, FYNQ_E_CONFLICT,
	FYNQ_E_PRECONDITION_FAILED, FYNQ_OK };
static const enum fynq_err user_patch_errors[] = { FYNQ_E_NOT_FOUND, FYNQ_E_CONFLICT,
	FYNQ_E_PRECONDITION_FAILED, FYNQ_E_RATE_LIMITED, FYNQ_E_AUTH_UNAVAILABLE, FYNQ_OK };

static const enum fynq_err export_errors[] = { FYNQ_E_RATE_LIMITED, FYNQ_E_STORAGE_UNAVAILABLE,
	FYNQ_E_INSUFFICIENT_STORAGE, FYNQ_OK };

static fynq_handler get_me, patch_me, get_usage;

static const struct fynq_route routes[] = {
	{ FYNQ_GET, "/api/v1/users/me", FYNQ_USER, .header = "If-None-Match", .status = 200,
	    .out = profile_out, .errors = get_errors, .handler = get_me,
	    .summary = "The caller's profile." },
	{ FYNQ_PATCH, "/api/v1/users/me", FYNQ_USER, .header = "If-Match", .in = patch_in,
	    .body_max = BODY_MAX, .status = 200, .out = profile_out, .errors = patch_errors,
	    .handler = patch_me, .summary = "Change the caller's profile; null clears a field." },
	{ FYNQ_DELETE, "/api/v1/users/me", FYNQ_USER, .status = 204, .status_later = 202,
	    .handler = delete_me,
	    .summary = "Erase the caller: account, profile, chats, files. The account is out at "
		       "once, also where a part of it follows later." },
	{ FYNQ_POST, "/api/v1/users/me/export", FYNQ_USER, .status = 200, .also = "application/zip",
	    .errors = export_errors, .handler = post_export,
	    .summary = "Everything that is held about the caller, in one file." },
	{ FYNQ_GET, "/api/v1/users/me/usage", FYNQ_USER, .status = 200, .out = usage_out,
	    .handler = get_usage, .summary = "What the caller has used of their limits." },
	{ FYNQ_GET, "/api/v1/audit", FYNQ_ADMIN, audit_in, .status = 200, .out = audit_item,
	    .paged = true, .handler = get_audit,
	    .summary = "What happened to accounts, the newest first." },
	{ FYNQ_GET, "/api/v1/users", FYNQ_ADMIN, users_in, .status = 200, .out = account_out,
	    .paged = true, .handler = get_users, .summary = "All accounts, the newest first." },
	{ FYNQ_GET, "/api/v1/users/{id}", FYNQ_ADMIN, .header = "If-None-Match", .in = user_in,
	    .status = 200, .out = account_out, .errors = get_errors, .handler = get_user,
	    .summary = "One account." },
	{ FYNQ_PATCH, "/api/v1/users/{id}", FYNQ_ADMIN, .header = "If-Match", .in = user_patch_in,
	    .body_max = BODY_MAX, .status = 200, .out = account_out, .errors = user_patch_errors,
	    .handler = patch_user,
	    .summary = "Change an account's role, limits or birth date; disable it, or not." },
	{ 0 }
};

#define MADE	FYNQ_SQL_TIME("p.created_at")
#define CHANGED FYNQ_SQL_TIME("p.updated_at")
#define PROFILE_JSON                                                                       \
	"json_build_object('id', p.id, 'email', auth.email(), 'role', fynq.app_role(),"    \
	" 'display_name', p.display_name, 'locale', p.locale, 'birth_date', p.birth_date," \
	" 'grade_level', p.grade_level, 'preferences', p.preferences,"                     \
	" 'created_at', " MADE ", 'updated_at', " CHANGED ")"

static const struct fynq_stmt get_profile = { "get_profile", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select " PROFILE_JSON ", fynq.etag(p.updated_at)"
	" from public.profiles p where p.id = auth.uid()" };

/*
 * $1 is the body, $2 the tag of If-Match. One row for a profile that is there: the new state, or
 * null where nothing was changed, and what stood in the way.
 */
static const struct fynq_stmt patch_profile = { "patch_profile", FYNQ_AS_USER, FYNQ_ONCE,
	"with given as materialized (select $1::jsonb as g, $2::text as tag"
	"), changed as ("
	" update public.profiles p set"
	"  display_name = case when g ? 'display_name' then g ->> 'display_name'"
	"   else p.display_name end,"
	"  locale = case when g ? 'locale' then g ->> 'locale' else p.locale end,"
	"  birth_date = coalesce((g ->> 'birth_date')::date, p.birth_date),"
	"  grade_level = case when g ? 'grade_level' then g ->> 'grade_level'"
	"   else p.grade_level end,"
	"  preferences = coalesce(g -> 'preferences', p.preferences)"
	" from given where p.id = auth.uid()"
	"  and (tag is null or tag = fynq.etag(p.updated_at))"
	"  and coalesce(p.birth_date = (g ->> 'birth_date')::date, true)"
	" returning " PROFILE_JSON " as profile, fynq.etag(p.updated_at) as etag"
	") select changed.profile, changed.etag,"
	" coalesce(p.birth_date <> (g ->> 'birth_date')::date, false)"
	"  and (tag is null or tag = fynq.etag(p.updated_at))"
	" from public.profiles p cross join given left join changed on true"
	" where p.id = auth.uid()" };
enum { PROFILE, ETAG, BIRTH_DATE_KEPT };

/*
 * As the service, since no user reads fynq.rates. $1 user, $2 to $5 the limits of the role, $6
 * user, $7 to $10 the limits of its files.
 */
static const struct fynq_stmt get_windows = { "get_windows", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with w as materialized ("
	"  select per, counted, json_build_object('used', used, 'limit', most,"
	"    'remaining', case when most is not null then greatest(most - used, 0) end,"
	"    'reset_seconds', reset_seconds) as state"
	"  from fynq.windows($1::uuid, $2::int, $3::int, $4::bigint, $5::bigint)"
	"), r as materialized ("
	"  select counted, used, most, json_build_object('used', used, 'limit', most,"
	"    'remaining', case when most is not null then greatest(most - used, 0) end) as state"
	"  from fynq.file_limits($6::uuid, $7::bigint, $8::bigint, $9::bigint, $10::bigint)"
	") select json_build_object("
	"  'minute', (select json_object_agg(counted, state) from w where per = 'minute'),"
	"  'day', (select json_object_agg(counted, state) from w where per = 'day'),"
	"  'saved_tokens', coalesce((select u.saved_tokens from public.usage u"
	"    where u.user_id = $1::uuid and u.day = (now() at time zone 'UTC')::date), 0),"
	"  'bytes', (select state from r where counted = 'storage_bytes'),"
	"  'files', (select state from r where counted = 'storage_files'),"
	"  'uploads', (select json_build_object('used', used, 'limit', most,"
	"    'remaining', case when most is not null then greatest(most - used, 0) end, "
	"'reset_seconds', 86400"
	"     - floor(extract(epoch from now()))::bigint % 86400) from r"
	"    where counted = 'uploads_day'),"
	"  'file_bytes', (select most from r where counted = 'file_bytes'))" };

static enum fynq_err
get_me(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_db_reply(rq, 200, &get_profile, FYNQ_NO_ARGS);
}

/*
 * The statement reads the body itself, for there null and absent differ. A birth date below the
 * minimum age is taken, once, and keeps the user from the tutor.
 */
static enum fynq_err
patch_me(struct fynq_req *rq, const void *in_)
{
	const struct patch_in *in = in_;
	struct fynq_str body = rq->body.n > 0 ? rq->body : FYNQ_STR("{}");
	struct fynq_str tag = fynq_req_if_match(rq);
	struct fynq_rows rows;
	enum fynq_err e;

	e = fynq_db_run(rq, &patch_profile, FYNQ_ARGS(body, tag), &rows);
	/* Numbers such as 1e300 grow when they are stored. */
	if (e == FYNQ_E_INVALID && in->preferences.text.p != NULL)
		fynq_fault(rq, FYNQ_STR("preferences"), "too_large", "They take too much room.");
	FYNQ_TRY(e);
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
	if (fynq_rows_true(&rows, 0, BIRTH_DATE_KEPT))
		return fynq_fail(
		    rq, FYNQ_E_CONFLICT, "The birth date is set and cannot be changed.");
	if (fynq_rows_str(&rows, 0, PROFILE).p == NULL)
		return fynq_fail(rq, FYNQ_E_PRECONDITION_FAILED, NULL);
	fynq_reply_etag(rq, fynq_rows_str(&rows, 0, ETAG));
	return fynq_reply_json(rq, 200, fynq_rows_str(&rows, 0, PROFILE));
}

static enum fynq_err
get_usage(struct fynq_req *rq, const void *in)
{
	struct fynq_str args[FYNQ_LIMIT_ARGS + FYNQ_ROOM_ARGS];

	(void)in;
	fynq_limit_args(rq, args);
	fynq_room_args(rq, args + FYNQ_LIMIT_ARGS);
	return fynq_db_reply(rq, 200, &get_windows, args, FYNQ_LIMIT_ARGS + FYNQ_ROOM_ARGS);
}

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "users", routes, NULL);
}
