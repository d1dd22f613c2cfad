#include "base/clock.h"
#include "base/config.h"
#include "base/fetch.h"
#include "base/log.h"
#include "identity/identity.h"
#include "identity/password.h"
#include "identity/supabase.h"

/* A sign-in that is refused takes at least so long. */
enum { REFUSAL_MS = 300 };

/* $1 id, $2 email, $3 role, $4 when it was made. */
static const struct fynq_stmt describe_user = { "supabase_user", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select json_build_object('id', $1::uuid, 'email', $2::text, 'role', $3::text,"
	" 'display_name', p.display_name, 'locale', p.locale,"
	" 'created_at', " FYNQ_SQL_TIME(
	    "$4::timestamptz") ")"
			       " from (values ($1::uuid)) u (id) left join public.profiles p on "
			       "p.id = u.id" };

/* $1 id, $2 email, $3 display_name, $4 locale. */
static const struct fynq_stmt describe_newcomer = { "supabase_newcomer", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE,
	"select json_build_object('id', $1::uuid, 'email', lower($2::text), 'role', 'student',"
	" 'display_name', nullif(btrim($3::text), ''), 'locale', $4::text,"
	" 'created_at', " FYNQ_SQL_TIME("now()") ")" };

static const struct fynq_stmt end_sessions = { "supabase_end_sessions", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE, "select fynq.end_sessions($1::uuid)" };

static const struct fynq_stmt disabled_password = { "disabled_password", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE, "select fynq.disabled_password($1::text)" };

enum fynq_err
fynq_supabase_ask(
    struct fynq_req *rq, const struct fynq_gotrue *ask, struct fynq_gotrue_answer *answer_r)
{
	enum fynq_err e = fynq_gotrue_ask(rq, ask, answer_r);

	return e == FYNQ_OK ? FYNQ_OK : fynq_gotrue_fail(rq, e, answer_r);
}

enum fynq_err
fynq_supabase_nonsense(struct fynq_req *rq, const struct fynq_gotrue *ask)
{
	fynq_log(
	    FYNQ_LOG_WARN, "accounts", "%s %s: the answer makes no sense", ask->method, ask->path);
	return fynq_fail(rq, FYNQ_E_AUTH_UNAVAILABLE, NULL);
}

enum fynq_err
fynq_supabase_end_sessions(struct fynq_req *rq, struct fynq_str user)
{
	return fynq_db_run(rq, &end_sessions, FYNQ_ARGS(user), NULL);
}

/*
 * Where the database fails here, the session is lost to the client: it signs in again, or refreshes
 * again with the token that it has, which is good until its successor is used.
 */
enum fynq_err
fynq_supabase_read_session(struct fynq_req *rq, const struct fynq_gotrue *ask,
    const struct fynq_gotrue_answer *answer, struct fynq_session *session_r)
{
	struct fynq_gotrue_user user;
	struct fynq_rows rows;

	if (!fynq_gotrue_session(answer->json, fynq_clock_now_us() / 1000000, session_r, &user))
		return fynq_supabase_nonsense(rq, ask);
	FYNQ_TRY(fynq_db_run(rq, &describe_user,
	    FYNQ_ARGS(fynq_uuid_str(&user.id), user.email, fynq_str_of(user.role), user.created_at),
	    &rows));
	session_r->user = fynq_rows_str(&rows, 0, 0);
	return FYNQ_OK;
}

enum fynq_err
fynq_supabase_session(
    struct fynq_req *rq, const struct fynq_gotrue *ask, struct fynq_session *session_r)
{
	struct fynq_gotrue_answer answer;

	FYNQ_TRY(fynq_supabase_ask(rq, ask, &answer));
	return fynq_supabase_read_session(rq, ask, &answer, session_r);
}

/*
 * The account must be confirmed by mail first, or has been there before: the answer must not tell
 * which. They do give an id and a time of the account's making, but those of an account that is not
 * confirmed stay the same when it is registered again, those of one that is are made up each time.
 * So all of them are made up here; the first session says which id it has.
 */
static enum fynq_err
give_newcomer(
    struct fynq_req *rq, const struct fynq_registration *given, struct fynq_session *session_r)
{
	struct fynq_uuid id = fynq_uuid_new();
	struct fynq_rows rows;

	FYNQ_TRY(fynq_db_run(rq, &describe_newcomer,
	    FYNQ_ARGS(fynq_uuid_str(&id), given->email, given->display_name, given->locale),
	    &rows));
	*session_r = (struct fynq_session){ .user = fynq_rows_str(&rows, 0, 0) };
	return FYNQ_OK;
}

/*
 * Where the answer is lost, the account may be there: the user signs in, or is told that the
 * address is registered. The data becomes the profile, by the trigger on auth.users.
 *
 * A mail too many goes to addresses that are new, or not confirmed: those that are confirmed get
 * none, and so are never told. The answer is the same for them, and the log has what it was.
 */
static enum fynq_err
register_user(
    struct fynq_req *rq, const struct fynq_registration *given, struct fynq_session *session_r)
{
	struct fynq_str data = FYNQ_GOTRUE_OBJECT(rq->arena,
	    { "display_name", given->display_name, false }, { "locale", given->locale, false },
	    { "birth_date", given->birth_date, false });
	const struct fynq_gotrue ask = {
		.method = "POST",
		.path = "/signup",
		.body = FYNQ_GOTRUE_OBJECT(rq->arena, { "email", given->email, false },
		    { "password", given->password, false }, { "data", data, true }),
		.client = true,
	};
	struct fynq_gotrue_answer answer;
	struct fynq_gotrue_user user;
	enum fynq_err e = fynq_gotrue_ask(rq, &ask, &answer);

	if (e == FYNQ_E_CONFLICT)
		return fynq_fail(rq, e, FYNQ_EMAIL_TAKEN);
	if (e == FYNQ_E_FORBIDDEN)
		return fynq_fail(rq, e, "Nobody may register here.");
	if (fynq_gotrue_is(&answer, "over_email_send_rate_limit"))
		return give_newcomer(rq, given, session_r);
	if (e != FYNQ_OK)
		return fynq_gotrue_fail(rq, e, &answer);
	if (json_object_object_get_ex(answer.json, "access_token", NULL))
		return fynq_supabase_read_session(rq, &ask, &answer, session_r);
	if (!fynq_gotrue_user(answer.json, &user))
		return fynq_supabase_nonsense(rq, &ask);
	return give_newcomer(rq, given, session_r);
}

/*
 * Supabase says that an account is disabled before it looks at the password, which would tell
 * anyone that the account is there. So the password is checked here; where its hash is one that
 * only Supabase can read, the password counts as wrong.
 */
static enum fynq_err
refuse_disabled(struct fynq_req *rq, struct fynq_str email, struct fynq_str password)
{
	struct fynq_rows rows;
	bool right;

	FYNQ_TRY(fynq_db_run(rq, &disabled_password, FYNQ_ARGS(email), &rows));
	right = fynq_password_check(password, fynq_rows_str(&rows, 0, 0));
	return fynq_fail(rq, right ? FYNQ_E_DISABLED : FYNQ_E_BAD_CREDENTIALS, NULL);
}

struct fynq_gotrue
fynq_supabase_by_password(struct fynq_arena *a, struct fynq_str email, struct fynq_str password)
{
	return (struct fynq_gotrue){
		.method = "POST",
		.path = "/token?grant_type=password",
		.body = FYNQ_GOTRUE_OBJECT(
		    a, { "email", email, false }, { "password", password, false }),
		.client = true,
		.refusal = FYNQ_E_BAD_CREDENTIALS,
	};
}

/*
 * Supabase refuses an address without an account at once, and a wrong password after the time that
 * checking it takes. So all refusals come when the slower one would have.
 */
static enum fynq_err
login(struct fynq_req *rq, struct fynq_str email, struct fynq_str password,
    struct fynq_session *session_r)
{
	int64_t began_us = fynq_clock_mono_us();
	struct fynq_gotrue ask = fynq_supabase_by_password(rq->arena, email, password);
	struct fynq_gotrue_answer answer;
	enum fynq_err e;

	ask.repeatable = true; /* At worst there is a session that nobody has. */
	e = fynq_gotrue_ask(rq, &ask, &answer);
	if (e == FYNQ_OK)
		return fynq_supabase_read_session(rq, &ask, &answer, session_r);
	e = e == FYNQ_E_DISABLED ? refuse_disabled(rq, email, password)
				 : fynq_gotrue_fail(rq, e, &answer);
	if (e == FYNQ_E_BAD_CREDENTIALS || e == FYNQ_E_DISABLED)
		rq->not_before_us = began_us + REFUSAL_MS * 1000;
	return e;
}

static enum fynq_err
refresh(struct fynq_req *rq, struct fynq_str token, struct fynq_session *session_r)
{
	const struct fynq_gotrue ask = {
		.method = "POST",
		.path = "/token?grant_type=refresh_token",
		.body = FYNQ_GOTRUE_OBJECT(rq->arena, { "refresh_token", token, false }),
		.client = true,
		.repeatable = true, /* They forgive it for ten seconds. */
		.refusal = FYNQ_E_BAD_REFRESH_TOKEN,
	};

	return fynq_supabase_session(rq, &ask, session_r);
}

enum fynq_err
fynq_supabase_logout(struct fynq_req *rq, enum fynq_scope scope, struct fynq_str token,
    struct fynq_gotrue_answer *answer_r)
{
	static const char *const paths[] = {
		[FYNQ_SCOPE_LOCAL] = "/logout?scope=local",
		[FYNQ_SCOPE_GLOBAL] = "/logout?scope=global",
		[FYNQ_SCOPE_OTHERS] = "/logout?scope=others",
	};
	const struct fynq_gotrue ask = {
		.method = "POST",
		.path = paths[scope],
		.body = FYNQ_STR("{}"),
		.token = token,
		.client = true,
		.repeatable = true,
	};

	return fynq_gotrue_ask(rq, &ask, answer_r);
}

/* A session that has ended meanwhile is no failure, but cannot end the others, either. */
static enum fynq_err
logout(struct fynq_req *rq, enum fynq_scope scope)
{
	struct fynq_gotrue_answer answer;
	enum fynq_err e = fynq_supabase_logout(rq, scope, fynq_bearer_token(rq), &answer);

	if (fynq_gotrue_is(&answer, "session_not_found"))
		return scope == FYNQ_SCOPE_LOCAL ? FYNQ_OK
						 : fynq_supabase_end_sessions(rq, rq->caller.id);
	return e == FYNQ_OK ? FYNQ_OK : fynq_gotrue_fail(rq, e, &answer);
}

static bool
is_service(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 'a' || s.p[i] > 'z') && (s.p[i] < '0' || s.p[i] > '9') &&
		    s.p[i] != '_')
			return false;
	return s.n > 0;
}

static enum fynq_err
authorize_url(struct fynq_req *rq, struct fynq_str service, struct fynq_str callback,
    struct fynq_str challenge, struct fynq_str *url_r)
{
	struct fynq_buf b = FYNQ_BUF_INIT(8192);

	if (!is_service(service))
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "There is no such service.");
	fynq_buf_add(&b, fynq_str_of(fynq_config.supabase_url));
	fynq_buf_add_param(&b, "/auth/v1/authorize?provider", service);
	fynq_buf_add_param(&b, "&redirect_to", callback);
	fynq_buf_add_param(&b, "&code_challenge", challenge);
	fynq_buf_add(&b, FYNQ_STR("&code_challenge_method=s256"));
	*url_r = fynq_arena_copy(rq->arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return FYNQ_OK;
}

static enum fynq_err
exchange(struct fynq_req *rq, struct fynq_str code, struct fynq_str verifier,
    struct fynq_session *session_r)
{
	const struct fynq_gotrue ask = {
		.method = "POST",
		.path = "/token?grant_type=pkce",
		.body = FYNQ_GOTRUE_OBJECT(
		    rq->arena, { "auth_code", code, false }, { "code_verifier", verifier, false }),
		.client = true,
		.refusal = FYNQ_E_BAD_CODE,
	};

	return fynq_supabase_session(rq, &ask, session_r);
}

const struct fynq_provider fynq_provider_supabase = {
	.register_user = register_user,
	.login = login,
	.refresh = refresh,
	.logout = logout,
	.send_mail = fynq_supabase_send_mail,
	.verify = fynq_supabase_verify,
	.reset = fynq_supabase_reset,
	.change_password = fynq_supabase_change_password,
	.authorize_url = authorize_url,
	.exchange = exchange,
	.create_user = fynq_supabase_create_user,
	.set_role = fynq_supabase_set_role,
	.set_disabled = fynq_supabase_set_disabled,
	.set_password = fynq_supabase_set_password,
	.delete_user = fynq_supabase_delete_user,
};
