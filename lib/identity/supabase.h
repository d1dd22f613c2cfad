/*
 * What the files of the Supabase provider share: provider-supabase.c (sessions), supabase-mail.c
 * (mails, their tokens, and passwords), supabase-admin.c. Nothing else includes it.
 */
#ifndef FYNQ_IDENTITY_SUPABASE_H
#define FYNQ_IDENTITY_SUPABASE_H

#include "data/db.h"
#include "identity/gotrue.h"

/* Ask, and record what fails. */
enum fynq_err fynq_supabase_ask(struct fynq_req *rq, const struct fynq_gotrue *ask,
    struct fynq_gotrue_answer *answer_r) FYNQ_MUST_CHECK;

/* The session of an answer; its user has the name and the language of the profile. */
enum fynq_err fynq_supabase_read_session(struct fynq_req *rq, const struct fynq_gotrue *ask,
    const struct fynq_gotrue_answer *answer, struct fynq_session *session_r) FYNQ_MUST_CHECK;

/* Both. */
enum fynq_err fynq_supabase_session(struct fynq_req *rq, const struct fynq_gotrue *ask,
    struct fynq_session *session_r) FYNQ_MUST_CHECK;

/* To sign in with a password. */
struct fynq_gotrue fynq_supabase_by_password(
    struct fynq_arena *a, struct fynq_str email, struct fynq_str password);

/* Ask that sessions of an access token's user end; what fails is not recorded. */
enum fynq_err fynq_supabase_logout(struct fynq_req *rq, enum fynq_scope scope,
    struct fynq_str token, struct fynq_gotrue_answer *answer_r);

/* End every session of a user. */
enum fynq_err fynq_supabase_end_sessions(struct fynq_req *rq, struct fynq_str user) FYNQ_MUST_CHECK;

/* The answer is no sense: AUTH_UNAVAILABLE, with a line in the log. */
enum fynq_err fynq_supabase_nonsense(struct fynq_req *rq, const struct fynq_gotrue *ask);

/* The provider's functions that stand in other files than provider-supabase.c; see provider.h. */
enum fynq_err fynq_supabase_send_mail(
    struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email);
enum fynq_err fynq_supabase_verify(struct fynq_req *rq, enum fynq_mail_kind kind,
    struct fynq_str token, struct fynq_session *session_r);
enum fynq_err fynq_supabase_reset(struct fynq_req *rq, struct fynq_str token,
    struct fynq_str password, struct fynq_session *session_r);
enum fynq_err fynq_supabase_change_password(
    struct fynq_req *rq, struct fynq_str current, struct fynq_str password);

enum fynq_err fynq_supabase_create_user(
    struct fynq_req *rq, const struct fynq_account *account, struct fynq_uuid *id_r);
enum fynq_err fynq_supabase_set_role(struct fynq_req *rq, struct fynq_str id, struct fynq_str role);
enum fynq_err fynq_supabase_set_disabled(struct fynq_req *rq, struct fynq_str id, bool disabled);
enum fynq_err fynq_supabase_set_password(
    struct fynq_req *rq, struct fynq_str id, struct fynq_str password);
enum fynq_err fynq_supabase_delete_user(struct fynq_req *rq, struct fynq_str id);

#endif
