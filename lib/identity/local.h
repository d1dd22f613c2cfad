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
#define FYNQ_LOCAL_SESSION                                                               \
	" u.id, s.id, u.email, coalesce(u.raw_app_meta_data, '{}'),"                     \
	" extract(epoch from s.created_at)::bigint,"                                     \
	" json_build_object('id', u.id, 'email', u.email,"                               \
	"  'role', case u.raw_app_meta_data ->> 'role'"                                  \
	"   when 'admin' then 'admin' when 'teacher' then 'teacher' else 'student' end," \
	"  'display_name', p.display_name, 'locale', p.locale,"                          \
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

/* $1 the hash of a mail's token, $2 its type: locks the account's row. */
extern const struct fynq_stmt fynq_local_lock_by_token;

/* FYNQ_MAIL_MINUTES as an argument. */
struct fynq_str fynq_local_mail_minutes(struct fynq_req *rq);

/*
 * Likewise for what a mail's token opened; behind the columns of FYNQ_LOCAL_SESSION stands whether
 * the account is disabled. BAD_MAIL_TOKEN where there is no row, DISABLED.
 */
enum fynq_err fynq_local_give_by_token(struct fynq_req *rq, const struct fynq_rows *rows,
    const struct fynq_local_refresh *refresh, struct fynq_session *session_r) FYNQ_MUST_CHECK;

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
