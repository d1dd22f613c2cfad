#include "base/config.h"
#include "base/log.h"
#include "http/client.h"
#include "identity/audit.h"

const char *const fynq_event_names[FYNQ_EVENTS + 1] = {
	[FYNQ_EVENT_REGISTERED] = "registered",
	[FYNQ_EVENT_SIGNED_IN] = "signed_in",
	[FYNQ_EVENT_SIGN_IN_FAILED] = "sign_in_failed",
	[FYNQ_EVENT_LOCKED] = "locked",
	[FYNQ_EVENT_SIGNED_OUT] = "signed_out",
	[FYNQ_EVENT_TOKEN_REUSED] = "token_reused",
	[FYNQ_EVENT_SESSION_ENDED] = "session_ended",
	[FYNQ_EVENT_RECOVERY_ASKED] = "recovery_asked",
	[FYNQ_EVENT_CONFIRMED] = "confirmed",
	[FYNQ_EVENT_PASSWORD_CHANGED] = "password_changed",
	[FYNQ_EVENT_PASSWORD_RESET] = "password_reset",
	[FYNQ_EVENT_CREATED] = "created",
	[FYNQ_EVENT_ROLE_CHANGED] = "role_changed",
	[FYNQ_EVENT_LIMITS_CHANGED] = "limits_changed",
	[FYNQ_EVENT_DISABLED] = "disabled",
	[FYNQ_EVENT_ENABLED] = "enabled",
	[FYNQ_EVENT_EXPORTED] = "exported",
	[FYNQ_EVENT_DELETION_ASKED] = "deletion_asked",
	[FYNQ_EVENT_DELETED] = "deleted",
};

enum { LINE_MAX_BYTES = 2048 };

/* $1 id, $2 event, $3 who did it, $4 account or $5 its mail's address, $6 from where, $7 detail, $8
 * request. */
static const struct fynq_stmt add_audit = { "add_audit", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.audit_add($1::uuid, $2::text, $3::uuid, $4::uuid, $5::text, $6::inet,"
	" $7::text, $8::text)" };

/* $1 days. */
static const struct fynq_stmt forget_audit = { "forget_audit", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.audit_forget($1::int)" };

static void
add_member(struct fynq_buf *b, const char *name, struct fynq_str value)
{
	if (value.n == 0)
		return;
	fynq_buf_printf(b, ",\"%s\":", name);
	fynq_buf_add_json(b, value);
}

static void
log_event(const struct fynq_req *rq, enum fynq_event event, struct fynq_str subject,
    struct fynq_str detail, bool stored)
{
	struct fynq_buf b = FYNQ_BUF_INIT(LINE_MAX_BYTES);

	add_member(&b, "what", fynq_str_of(fynq_event_names[event]));
	add_member(&b, "actor", rq->caller.id);
	add_member(&b, "subject", subject);
	add_member(&b, "address", fynq_client_address(rq));
	add_member(&b, "detail", detail);
	if (!stored)
		fynq_buf_add(&b, FYNQ_STR(",\"stored\":false"));
	fynq_log_members(stored ? FYNQ_LOG_INFO : FYNQ_LOG_ERROR, "audit",
	    b.full ? FYNQ_STR("") : fynq_buf_str(&b));
	fynq_buf_release(&b);
}

/* Whatever the request has failed with, or will, this changes nothing in it. */
static void
add(struct fynq_req *rq, enum fynq_event event, struct fynq_str user, struct fynq_str email,
    struct fynq_str detail)
{
	struct fynq_problem problem = rq->problem;
	struct fynq_uuid id = fynq_uuid_new();
	struct fynq_str none = { 0 };
	struct fynq_rows rows;
	bool stored;

	stored = fynq_db_run(rq, &add_audit,
		     FYNQ_ARGS(fynq_uuid_str(&id), fynq_str_of(fynq_event_names[event]),
			 rq->caller.id, user.n > 0 ? user : none, email.n > 0 ? email : none,
			 fynq_client_address(rq), detail.n > 0 ? detail : none, rq->id),
		     &rows) == FYNQ_OK;
	rq->problem = problem;
	log_event(rq, event, stored ? fynq_rows_str(&rows, 0, 0) : user, detail, stored);
}

void
fynq_audit(struct fynq_req *rq, enum fynq_event event, struct fynq_str user, struct fynq_str detail)
{
	add(rq, event, user, (struct fynq_str){ 0 }, detail);
}

void
fynq_audit_email(
    struct fynq_req *rq, enum fynq_event event, struct fynq_str email, struct fynq_str detail)
{
	add(rq, event, (struct fynq_str){ 0 }, email, detail);
}

void
fynq_audit_forget(struct fynq_req *rq)
{
	fynq_db_aside(
	    rq, "audit", &forget_audit, FYNQ_ARGS(fynq_arg_int(rq, fynq_config.audit_days)));
}
