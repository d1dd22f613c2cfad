/*
 * The record of what happened to accounts: fynq.audit, to which rows are added and nothing else.
 *
 * A row has the time, the event, who did it (the caller, if there is one), whose account it is, the
 * client's address and the request's id; no address of a mail, no password, no token. Admins read
 * it (GET /api/v1/audit). It is kept for FYNQ_AUDIT_DAYS.
 */
#ifndef FYNQ_IDENTITY_AUDIT_H
#define FYNQ_IDENTITY_AUDIT_H

#include "data/db.h"

enum fynq_event {
	FYNQ_EVENT_REGISTERED,
	FYNQ_EVENT_SIGNED_IN,
	FYNQ_EVENT_SIGN_IN_FAILED,
	FYNQ_EVENT_LOCKED, /* refused for having failed too often */
	FYNQ_EVENT_SIGNED_OUT,
	FYNQ_EVENT_TOKEN_REUSED,
	FYNQ_EVENT_SESSION_ENDED,
	FYNQ_EVENT_RECOVERY_ASKED,
	FYNQ_EVENT_CONFIRMED,
	FYNQ_EVENT_PASSWORD_CHANGED,
	FYNQ_EVENT_PASSWORD_RESET,
	FYNQ_EVENT_CREATED, /* by an admin */
	FYNQ_EVENT_ROLE_CHANGED,
	FYNQ_EVENT_LIMITS_CHANGED,
	FYNQ_EVENT_DISABLED,
	FYNQ_EVENT_ENABLED,
	FYNQ_EVENT_EXPORTED,
	FYNQ_EVENT_DELETION_ASKED,
	FYNQ_EVENT_DELETED,
	FYNQ_EVENTS
};

/* "registered", "signed_in", ...: as the table and the route have them; ends in NULL. */
extern const char *const fynq_event_names[];

/*
 * Add a row for what has just happened to the account user (a UUID, or absent where there is none,
 * as after a failed sign-in). detail is a short word, such as the new role, or absent. What cannot
 * be stored is logged, and the request goes on: the log has the same line in any case.
 */
void fynq_audit(
    struct fynq_req *rq, enum fynq_event event, struct fynq_str user, struct fynq_str detail);

/*
 * The same where all that is known of the account is the address of its mail; it may have none.
 * The database looks, in the statement that adds the row: answer and time are the same for either.
 */
void fynq_audit_email(
    struct fynq_req *rq, enum fynq_event event, struct fynq_str email, struct fynq_str detail);

/* Delete what is older than FYNQ_AUDIT_DAYS; part of the upkeep. What fails is logged. */
void fynq_audit_forget(struct fynq_req *rq);

#endif
