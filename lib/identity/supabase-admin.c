#include "identity/supabase.h"

static const char users[] = "/admin/users/";

/* An answer that was lost may be a new account: the admin finds it, and no other is made. */
enum fynq_err
fynq_supabase_create_user(
    struct fynq_req *rq, const struct fynq_account *account, struct fynq_uuid *id_r)
{
	struct fynq_str role = FYNQ_GOTRUE_OBJECT(rq->arena, { "role", account->role, false });
	const struct fynq_gotrue ask = {
		.method = "POST",
		.path = "/admin/users",
		.body = FYNQ_GOTRUE_OBJECT(rq->arena, { "email", account->email, false },
		    { "password", account->password, false },
		    { "email_confirm", FYNQ_STR("true"), true }, { "app_metadata", role, true }),
		.admin = true,
	};
	struct fynq_gotrue_answer answer;
	struct fynq_gotrue_user user;
	enum fynq_err e = fynq_gotrue_ask(rq, &ask, &answer);

	if (e == FYNQ_E_CONFLICT)
		return fynq_fail(rq, e, FYNQ_EMAIL_TAKEN);
	if (e != FYNQ_OK)
		return fynq_gotrue_fail(rq, e, &answer);
	if (!fynq_gotrue_user(answer.json, &user))
		return fynq_supabase_nonsense(rq, &ask);
	*id_r = user.id;
	return FYNQ_OK;
}

static enum fynq_err
put_user(struct fynq_req *rq, struct fynq_str id, struct fynq_str body)
{
	const struct fynq_gotrue ask = {
		.method = "PUT",
		.path = users,
		.id = id,
		.body = body,
		.admin = true,
		.repeatable = true,
	};
	struct fynq_gotrue_answer answer;

	return fynq_supabase_ask(rq, &ask, &answer);
}

/*
 * They end no sessions of others, so our own function does. A process that dies before it leaves
 * sessions that standing.h finds out about, as their role is another and their account disabled; a
 * new password ends them with their own transaction, at least in today's versions.
 */
static enum fynq_err
change_user(struct fynq_req *rq, struct fynq_str id, struct fynq_str body)
{
	FYNQ_TRY(put_user(rq, id, body));
	return fynq_supabase_end_sessions(rq, id);
}

enum fynq_err
fynq_supabase_set_role(struct fynq_req *rq, struct fynq_str id, struct fynq_str role)
{
	struct fynq_str metadata = FYNQ_GOTRUE_OBJECT(rq->arena, { "role", role, false });

	return change_user(
	    rq, id, FYNQ_GOTRUE_OBJECT(rq->arena, { "app_metadata", metadata, true }));
}

enum fynq_err
fynq_supabase_set_disabled(struct fynq_req *rq, struct fynq_str id, bool disabled)
{
	struct fynq_str hours = disabled ? FYNQ_STR("876000h") : FYNQ_STR("none"); /* A century. */
	struct fynq_str body = FYNQ_GOTRUE_OBJECT(rq->arena, { "ban_duration", hours, false });

	return disabled ? change_user(rq, id, body) : put_user(rq, id, body);
}

enum fynq_err
fynq_supabase_set_password(struct fynq_req *rq, struct fynq_str id, struct fynq_str password)
{
	return change_user(rq, id, FYNQ_GOTRUE_OBJECT(rq->arena, { "password", password, false }));
}

/* The rows of the user go with the one of auth.users, by the foreign keys. */
enum fynq_err
fynq_supabase_delete_user(struct fynq_req *rq, struct fynq_str id)
{
	const struct fynq_gotrue ask = {
		.method = "DELETE",
		.path = users,
		.id = id,
		.admin = true,
		.repeatable = true,
	};
	struct fynq_gotrue_answer answer;
	enum fynq_err e = fynq_gotrue_ask(rq, &ask, &answer);

	return e == FYNQ_OK || e == FYNQ_E_NOT_FOUND ? FYNQ_OK : fynq_gotrue_fail(rq, e, &answer);
}
