/*
 * What goes through the mailbox: confirming an address, getting back in; and the password.
 */
#include "auth.h"

static enum fynq_mail_kind
kind_of(struct fynq_str type)
{
	return fynq_str_eq(type, fynq_str_of(fynq_token_kinds[FYNQ_MAIL_SIGNUP]))
		   ? FYNQ_MAIL_SIGNUP
		   : FYNQ_MAIL_RECOVERY;
}

enum fynq_err
post_verify(struct fynq_req *rq, const void *in_)
{
	const struct verify_in *in = in_;
	struct fynq_session session;

	FYNQ_TRY(count_try(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 }));
	FYNQ_TRY(fynq_provider()->verify(rq, kind_of(in->type), in->token, &session));
	fynq_attempt_good(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 });
	fynq_audit(rq, FYNQ_EVENT_CONFIRMED, session_user(rq, &session), in->type);
	return reply_session(rq, 200, &session);
}

/* The answer says nothing about the address: whether it has an account, the outbox finds out. */
static enum fynq_err
ask_for_mail(struct fynq_req *rq, enum fynq_mail_kind kind, struct fynq_str email)
{
	FYNQ_TRY(count_try(rq, FYNQ_ATTEMPT_MAIL, email));
	FYNQ_TRY(fynq_outbox_add(rq, kind, email));
	if (kind == FYNQ_MAIL_RECOVERY)
		fynq_audit_email(rq, FYNQ_EVENT_RECOVERY_ASKED, email, (struct fynq_str){ 0 });
	return fynq_reply_empty(rq, 202);
}

enum fynq_err
post_recover(struct fynq_req *rq, const void *in_)
{
	const struct recover_in *in = in_;

	return ask_for_mail(rq, FYNQ_MAIL_RECOVERY, in->email);
}

enum fynq_err
post_resend(struct fynq_req *rq, const void *in_)
{
	const struct resend_in *in = in_;

	return ask_for_mail(rq, kind_of(in->type), in->email);
}

/* Whose the password is to be, the token says, and that is looked at last. */
enum fynq_err
post_reset(struct fynq_req *rq, const void *in_)
{
	const struct reset_in *in = in_;
	struct fynq_session session;
	struct fynq_str user;

	FYNQ_TRY(fynq_rules_check(
	    rq, "password", in->password, (struct fynq_str){ 0 }, (struct fynq_str){ 0 }));
	FYNQ_TRY(count_try(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 }));
	FYNQ_TRY(fynq_provider()->reset(rq, in->token, in->password, &session));
	fynq_attempt_good(rq, FYNQ_ATTEMPT_TOKEN, (struct fynq_str){ 0 });
	user = session_user(rq, &session);
	fynq_standing_forget(user);
	fynq_audit(rq, FYNQ_EVENT_PASSWORD_RESET, user, (struct fynq_str){ 0 });
	return reply_session(rq, 200, &session);
}

enum fynq_err
put_password(struct fynq_req *rq, const void *in_)
{
	const struct password_in *in = in_;
	struct fynq_str email = caller_email(rq);
	enum fynq_err e;

	FYNQ_TRY(fynq_rules_check(rq, "password", in->password, email, (struct fynq_str){ 0 }));
	FYNQ_TRY(count_try(rq, FYNQ_ATTEMPT_PASSWORD, email));
	e = fynq_provider()->change_password(rq, in->current, in->password);
	if (e != FYNQ_OK)
		return try_failed(rq, e, email);
	fynq_attempt_good(rq, FYNQ_ATTEMPT_PASSWORD, email);
	fynq_audit(rq, FYNQ_EVENT_PASSWORD_CHANGED, rq->caller.id, (struct fynq_str){ 0 });
	fynq_standing_forget(rq->caller.id);
	return fynq_reply_empty(rq, 204);
}
