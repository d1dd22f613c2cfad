/*
 * What the files of the local provider share: provider-local.c (sessions), local-mail.c (mails,
 * their tokens, and passwords), local-admin.c. Nothing else includes it.
 */
#ifndef FYNQ_IDENTITY_LOCAL_H
#define FYNQ_IDENTITY_LOCAL_H

#include "base/ids.h"
#include "data/db.h"
#include "identity/provider.h"
#include "identity/token.h"

/* What a session is made of: u is auth.users, s auth.sessions, p public.profiles. */
#define FYNQ_LOCAL_SESSION                                           \
	" u.id, s.id, u.email, coalesce(u.raw_app_meta_data, '{}')," \
	" extract(epoch from s.created_at)::bigint,"                 \
	" json_build_object('id', u.id, 'email', u.email,"           \
	"  'role', fynq.role_of(u.raw_app_meta_data),"               \
	"  'display_name', p.display_name, 'locale', p.locale,"      \
	"  'created_at', " FYNQ_SQL_TIME("u.created_at") ")"
enum {
	FYNQ_LOCAL_USER_ID,
	FYNQ_LOCAL_SESSION_ID,
	FYNQ_LOCAL_EMAIL,
	FYNQ_LOCAL_APP_METADATA,
	FYNQ_LOCAL_SIGNED_IN,
	FYNQ_LOCAL_USER,
	FYNQ_LOCAL_N_COLUMNS
};

/* The refresh token that a session hands out, and the hash that is stored of it. */
struct fynq_local_refresh {
	char token[FYNQ_TOKEN_SIZE], hash[FYNQ_SHA256_SIZE];
};

struct fynq_local_refresh *fynq_local_refresh_new(struct fynq_arena *a);

/* Has it the form of what fynq_token_new() makes? */
bool fynq_local_is_token(struct fynq_str token);

/* The tokens for the first row of FYNQ_LOCAL_SESSION. */
enum fynq_err fynq_local_give_session(struct fynq_req *rq, const struct fynq_rows *rows,
    const struct fynq_local_refresh *refresh, struct fynq_session *session_r) FYNQ_MUST_CHECK;

/* The hash of a new password; valid as long as the request. INVALID where it cannot be hashed. */
enum fynq_err fynq_local_hash(
    struct fynq_req *rq, struct fynq_str password, struct fynq_str *hash_r) FYNQ_MUST_CHECK;

/*
 * A statement that uses up the token of a mail and opens a session: $1 the token's hash, $2 its
 * type, $3 the minutes, $4 the session, $5 agent, $6 address, $7 refresh token. set is what else it
 * sets in auth.users, with a comma behind it, more what else it does with u, the account, likewise,
 * column one more column, with a comma before it; each may be "". Of the columns behind those of
 * FYNQ_LOCAL_SESSION the first says whether the account is disabled: then nothing happens to it.
 */
#define FYNQ_LOCAL_BY_TOKEN(set, more, column)                                                    \
	"with t as ("                                                                             \
	" delete from auth.one_time_tokens where token_hash = $1::text and token_type = $2::text" \
	" and created_at > now() - make_interval(mins => $3::int) returning user_id"              \
	"), v as ("                                                                               \
	" select u.id, coalesce(u.banned_until > now(), false) as banned"                         \
	" from auth.users u join t on t.user_id = u.id where u.deleted_at is null"                \
	"), u as ("                                                                               \
	" update auth.users x set " set                                                           \
	" email_confirmed_at = coalesce(x.email_confirmed_at, now()),"                            \
	"  last_sign_in_at = now(), updated_at = now()"                                           \
	" from v where x.id = v.id and not v.banned returning x.*"                                \
	"), " more " s as ("                                                                      \
	" insert into auth.sessions (id, user_id, user_agent, ip)"                                \
	" select $4::uuid, u.id, $5::text, $6::inet from u returning *"                           \
	"), r as ("                                                                               \
	" insert into auth.refresh_tokens (token, user_id, session_id)"                           \
	" select $7::text, s.user_id, s.id from s"                                                \
	") select" FYNQ_LOCAL_SESSION ", v.banned" column                                         \
	" from v left join u on true left join s on true"                                         \
	" left join public.profiles p on p.id = v.id"

/*
 * Run such a statement on the token of a mail; hash, of a new password, is its $8, or absent where
 * it has none. BAD_MAIL_TOKEN, DISABLED.
 */
enum fynq_err fynq_local_use_token(struct fynq_req *rq, const struct fynq_stmt *stmt,
    enum fynq_mail_kind kind, struct fynq_str token, struct fynq_str hash,
    struct fynq_session *session_r) FYNQ_MUST_CHECK;

/* Make an account that must be confirmed by mail; what is answered is the same if there is one. */
enum fynq_err fynq_local_register_unconfirmed(struct fynq_req *rq,
    const struct fynq_registration *given, struct fynq_session *session_r) FYNQ_MUST_CHECK;

/* The provider's functions that stand in other files than provider-local.c; see provider.h. */
enum fynq_err fynq_local_send_mail(
    struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email);
enum fynq_err fynq_local_verify(struct fynq_req *rq, enum fynq_mail_kind kind,
    struct fynq_str token, struct fynq_session *session_r);
enum fynq_err fynq_local_reset(struct fynq_req *rq, struct fynq_str token, struct fynq_str password,
    struct fynq_session *session_r);
enum fynq_err fynq_local_change_password(
    struct fynq_req *rq, struct fynq_str current, struct fynq_str password);

enum fynq_err fynq_local_create_user(
    struct fynq_req *rq, const struct fynq_account *account, struct fynq_uuid *id_r);
enum fynq_err fynq_local_set_role(struct fynq_req *rq, struct fynq_str id, struct fynq_str role);
enum fynq_err fynq_local_set_disabled(struct fynq_req *rq, struct fynq_str id, bool disabled);
enum fynq_err fynq_local_set_password(
    struct fynq_req *rq, struct fynq_str id, struct fynq_str password);
enum fynq_err fynq_local_delete_user(struct fynq_req *rq, struct fynq_str id);

#endif
