/*
 * Accounts that are confirmed by mail, the mails, and what their tokens open.
 */
#include <stdatomic.h>

#include "base/config.h"
#include "base/log.h"
#include "http/client.h"
#include "identity/local.h"
#include "identity/mail.h"
#include "identity/outbox.h"

#define NOW FYNQ_SQL_TIME("now()")

/* As auth.one_time_tokens has them. */
static const char *const token_types[FYNQ_MAIL_KINDS] = {
	[FYNQ_MAIL_SIGNUP] = "confirmation_token",
	[FYNQ_MAIL_RECOVERY] = "recovery_token",
};

/*
 * An account that nobody confirmed while its first link worked holds its address no longer: who
 * made it may not be who owns the mailbox, and the password is theirs. A link that was sent a
 * moment ago goes with it, so the next mail does not wait for its minute. $1 the address, $2 the
 * minutes.
 */
static const struct fynq_stmt drop_unconfirmed = { "drop_unconfirmed", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"with gone as ("
	" delete from auth.users where lower(email) = lower($1::text) and deleted_at is null"
	" and email_confirmed_at is null and last_sign_in_at is null"
	" and created_at <= now() - make_interval(mins => $2::int)"
	" returning lower(email) as email"
	") delete from fynq.mails m using gone where m.kind = 'signup' and m.email = gone.email" };

/*
 * Whether the address has an account shows in the mail alone: what is answered is made of what was
 * sent, and either way an account is written, which is undone where the address has one, and one
 * row of fynq.mails.
 */
static const struct fynq_stmt add_unconfirmed = { "add_unconfirmed", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select json_build_object('id', $1::uuid, 'email', lower($2::text), 'role', 'student',"
	" 'display_name', nullif(btrim($4::text), ''), 'locale', $5::text,"
	" 'created_at', " NOW "),"
	" fynq.add_unconfirmed($1::uuid, $2::text, $3::text,"
	"  jsonb_strip_nulls(jsonb_build_object('display_name', $4::text, 'locale', $5::text,"
	"   'birth_date', $6::text))),"
	" fynq.add_mail(case when exists (select from auth.users where lower(email) = lower($2)"
	"  and deleted_at is null and email_confirmed_at is not null)"
	"  then 'exists' else 'signup' end, $2)" };

/*
 * Whom the mail goes to, and a token for it, which voids the older one of its kind. $1 the mail,
 * $2 the address, $3 the token's id, $4 its hash, $5 its type or null. What was true when the mail
 * was asked for need not be true any more: who has confirmed needs no SIGNUP.
 *
 * The name is given only where the mailbox is known to be its owner's: else anybody could have us
 * send words of theirs to anyone. Where no confirmation is asked for, an address counts as
 * confirmed from the moment when its account is made, which proves nothing.
 */
static const struct fynq_stmt prepare_mail = { "prepare_mail", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"with u as ("
	" select id, email, email_confirmed_at is not null as confirmed,"
	"  coalesce(email_confirmed_at > created_at, false) as proven from auth.users"
	" where lower(email) = lower($2::text) and deleted_at is null"
	" and coalesce(banned_until <= now(), true)"
	"), m as ("
	" select * from u where case $1::text when 'signup' then not confirmed"
	"  when 'exists' then confirmed else true end"
	"), t as ("
	" insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to)"
	" select $3::uuid, id, $5::text, $4::text, email from m where $5::text is not null"
	" on conflict (user_id, token_type) do update set token_hash = excluded.token_hash,"
	"  relates_to = excluded.relates_to, created_at = now(), updated_at = now()"
	") select m.email, case when m.proven then p.display_name end, p.locale"
	" from m left join public.profiles p on p.id = m.id" };
enum { MAIL_EMAIL, MAIL_NAME, MAIL_LOCALE };

/* $1 the token's hash, $2 its type. What follows then sees all that is, and is the only one. */
static const struct fynq_stmt lock_by_token = { "lock_by_token", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select from auth.users where id = (select user_id from auth.one_time_tokens"
	" where token_hash = $1::text and token_type = $2::text) for no key update" };

static const struct fynq_stmt use_token = { "use_token", FYNQ_AS_SERVICE, FYNQ_ONCE,
	FYNQ_LOCAL_BY_TOKEN("", "", "") };

enum fynq_err
fynq_local_register_unconfirmed(
    struct fynq_req *rq, const struct fynq_registration *given, struct fynq_session *session_r)
{
	struct fynq_uuid user = fynq_uuid_new();
	struct fynq_str hash, minutes = fynq_arg_int(rq, fynq_config.mail_minutes);
	struct fynq_rows rows;

	FYNQ_TRY(fynq_local_hash(rq, given->password, &hash));
	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &drop_unconfirmed, FYNQ_ARGS(given->email, minutes), NULL },
		{ &add_unconfirmed,
		    FYNQ_ARGS(fynq_uuid_str(&user), given->email, hash, given->display_name,
			given->locale, given->birth_date),
		    &rows },
	    },
	    2));
	*session_r = (struct fynq_session){ .user = fynq_rows_str(&rows, 0, 0) };
	fynq_outbox_wake();
	return FYNQ_OK;
}

static bool
can_send(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (fynq_mail_can())
		return true;
	if (!atomic_flag_test_and_set(&said))
		fynq_log(FYNQ_LOG_WARN, "mail", "mails are not sent: FYNQ_SMTP_URL is not set");
	return false;
}

enum fynq_err
fynq_local_send_mail(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email)
{
	struct fynq_uuid id = fynq_uuid_new();
	char token[FYNQ_TOKEN_SIZE], hash[FYNQ_SHA256_SIZE];
	struct fynq_mail mail = { 0 };
	struct fynq_rows rows;
	enum fynq_err e;

	if (!can_send())
		return FYNQ_OK;
	fynq_token_new(token);
	fynq_sha256(fynq_str_of(token), hash);
	FYNQ_TRY(fynq_db_run(rq, &prepare_mail,
	    FYNQ_ARGS(fynq_str_of(fynq_mail_names[kind]), email, fynq_uuid_str(&id),
		fynq_str_of(hash), fynq_str_of(token_types[kind])),
	    &rows));
	if (rows.n == 0)
		return FYNQ_OK;
	mail.name = fynq_mail_names[kind];
	mail.type = token_types[kind] != NULL ? fynq_token_kinds[kind] : NULL;
	mail.to = fynq_rows_str(&rows, 0, MAIL_EMAIL);
	mail.person = fynq_rows_str(&rows, 0, MAIL_NAME);
	mail.locale = fynq_rows_str(&rows, 0, MAIL_LOCALE);
	mail.token = fynq_str_of(token);
	e = fynq_mail_send(rq->arena, &mail, NULL);
	return e == FYNQ_OK ? FYNQ_OK : fynq_fail(rq, e, NULL);
}

enum fynq_err
fynq_local_use_token(struct fynq_req *rq, const struct fynq_stmt *stmt, enum fynq_mail_kind kind,
    struct fynq_str token, struct fynq_str hash, struct fynq_session *session_r)
{
	const struct fynq_local_refresh *refresh = fynq_local_refresh_new(rq->arena);
	struct fynq_str type = fynq_str_of(token_types[kind]);
	struct fynq_uuid session = fynq_uuid_new();
	char token_hash[FYNQ_SHA256_SIZE];
	struct fynq_rows rows;

	fynq_sha256(token, token_hash);
	FYNQ_TRY(fynq_db_tx(rq,
	    (const struct fynq_step[]){
		{ &lock_by_token, FYNQ_ARGS(fynq_str_of(token_hash), type), NULL },
		{ stmt,
		    (const struct fynq_str[]){ fynq_str_of(token_hash), type,
			fynq_arg_int(rq, fynq_config.mail_minutes), fynq_uuid_str(&session),
			fynq_client_agent(rq), fynq_client_address(rq), fynq_str_of(refresh->hash),
			hash },
		    hash.p != NULL ? 8 : 7, &rows },
	    },
	    2));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_BAD_MAIL_TOKEN, NULL);
	if (fynq_rows_true(&rows, 0, FYNQ_LOCAL_N_COLUMNS))
		return fynq_fail(rq, FYNQ_E_DISABLED, NULL);
	return fynq_local_give_session(rq, &rows, refresh, session_r);
}

enum fynq_err
fynq_local_verify(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str token,
    struct fynq_session *session_r)
{
	if (!fynq_local_is_token(token))
		return fynq_fail(rq, FYNQ_E_BAD_MAIL_TOKEN, NULL);
	return fynq_local_use_token(rq, &use_token, kind, token, (struct fynq_str){ 0 }, session_r);
}
