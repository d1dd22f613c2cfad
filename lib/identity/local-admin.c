#include "identity/local.h"

/* The profile is made by a trigger. $1 id, $2 address, $3 the password's hash, $4 role. */
static const struct fynq_stmt create_account = {
	"create_account", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"insert into auth.users (id, email, encrypted_password, email_confirmed_at,"
	" raw_app_meta_data, raw_user_meta_data)"
	" values ($1::uuid, lower($2::text), $3::text, now(), jsonb_build_object("
	"  'provider', 'email', 'providers', jsonb_build_array('email'), 'role', $4::text), '{}')"
};

/*
 * Changes of an account go one after the other, and after a sign-in that has begun. This is a
 * statement of its own because the next one must begin, and find the new session, when the lock is
 * held. No lock of the key: a refresh holds its session, which is to be deleted here, when its new
 * token asks for the key, and each would wait for the other.
 */
static const struct fynq_stmt lock_account = { "lock_account", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select id from auth.users where id = $1::uuid and deleted_at is null"
	" for no key update" };

/* Sessions go with their refresh tokens. What is so already is left as it is, sessions and all. */
#define ENDING "with u as ("
#define ENDED                                                           \
	" returning id), ended as (delete from auth.sessions s using u" \
	" where s.user_id = u.id) select id from u"

/* $1 the account, $2 the role. */
static const struct fynq_stmt change_role = { "change_role", FYNQ_AS_SERVICE, FYNQ_ONCE,
	ENDING "update auth.users set updated_at = now(), raw_app_meta_data ="
	       " case jsonb_typeof(raw_app_meta_data) when 'object' then raw_app_meta_data"
	       "  else '{}' end || jsonb_build_object('role', $2::text)"
	       " where id = $1::uuid and fynq.role_of(raw_app_meta_data) <> $2::text" ENDED };

/* A century: Supabase Auth cannot read 'infinity'. */
static const struct fynq_stmt disable = { "disable_account", FYNQ_AS_SERVICE, FYNQ_ONCE,
	ENDING "update auth.users set updated_at = now(),"
	       " banned_until = now() + interval '100 years'"
	       " where id = $1::uuid and coalesce(banned_until <= now(), true)" ENDED };

static const struct fynq_stmt enable = { "enable_account", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"update auth.users set updated_at = now(), banned_until = null"
	" where id = $1::uuid and banned_until is not null" };

/* $2 the hash. Links that were sent before are void, and the owner is told. */
static const struct fynq_stmt change_hash = { "change_hash", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with u as (update auth.users set updated_at = now(), encrypted_password = $2::text"
	" where id = $1::uuid returning id, email"
	"), ended as (delete from auth.sessions s using u where s.user_id = u.id"
	"), void as (delete from auth.one_time_tokens t using u where t.user_id = u.id"
	") select id, fynq.add_mail('password-changed', email) from u" };

static const struct fynq_stmt delete_account = { "delete_account", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from auth.users where id = $1::uuid" };

/* Run the change on the account, which is locked. */
static enum fynq_err
change(struct fynq_req *rq, struct fynq_str id, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args)
{
	struct fynq_rows account;

	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &lock_account, FYNQ_ARGS(id), &account },
		{ stmt, args, n_args, NULL },
	    },
	    2));
	return account.n > 0 ? FYNQ_OK : fynq_fail(rq, FYNQ_E_NOT_FOUND, NULL);
}

enum fynq_err
fynq_local_create_user(
    struct fynq_req *rq, const struct fynq_account *account, struct fynq_uuid *id_r)
{
	struct fynq_str hash;
	enum fynq_err e;

	*id_r = fynq_uuid_new();
	FYNQ_TRY(fynq_local_hash(rq, account->password, &hash));
	e = fynq_db_run(rq, &create_account,
	    FYNQ_ARGS(fynq_uuid_str(id_r), account->email, hash, account->role), NULL);
	if (e == FYNQ_E_CONFLICT)
		return fynq_fail(rq, e, FYNQ_EMAIL_TAKEN);
	return e;
}

enum fynq_err
fynq_local_set_role(struct fynq_req *rq, struct fynq_str id, struct fynq_str role)
{
	return change(rq, id, &change_role, FYNQ_ARGS(id, role));
}

enum fynq_err
fynq_local_set_disabled(struct fynq_req *rq, struct fynq_str id, bool disabled)
{
	return change(rq, id, disabled ? &disable : &enable, FYNQ_ARGS(id));
}

enum fynq_err
fynq_local_set_password(struct fynq_req *rq, struct fynq_str id, struct fynq_str password)
{
	struct fynq_str hash;

	FYNQ_TRY(fynq_local_hash(rq, password, &hash));
	return change(rq, id, &change_hash, FYNQ_ARGS(id, hash));
}

enum fynq_err
fynq_local_delete_user(struct fynq_req *rq, struct fynq_str id)
{
	return fynq_db_run(rq, &delete_account, FYNQ_ARGS(id), NULL);
}
