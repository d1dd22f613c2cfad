#include "base/log.h"
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

void
fynq_audit(struct fynq_req *rq, enum fynq_event event, struct fynq_str user, struct fynq_str detail)
{
	(void)rq, (void)event, (void)user, (void)detail;
}
