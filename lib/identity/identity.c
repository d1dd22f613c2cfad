#include <string.h>

#include "base/config.h"
#include "identity/identity.h"
#include "identity/mail.h"
#include "identity/provider.h"
#include "identity/rules.h"
#include "identity/token.h"

const char *const fynq_scope_names[] = {
	[FYNQ_SCOPE_LOCAL] = "local",
	[FYNQ_SCOPE_GLOBAL] = "global",
	[FYNQ_SCOPE_OTHERS] = "others",
	NULL,
};

const char *const fynq_token_kinds[] = {
	[FYNQ_MAIL_SIGNUP] = "signup",
	[FYNQ_MAIL_RECOVERY] = "recovery",
	NULL,
};

const char *const fynq_mail_names[FYNQ_MAIL_KINDS] = {
	[FYNQ_MAIL_SIGNUP] = "signup",
	[FYNQ_MAIL_RECOVERY] = "recovery",
	[FYNQ_MAIL_EXISTS] = "exists",
	[FYNQ_MAIL_CHANGED] = "password-changed",
};

bool
fynq_identity_init(struct fynq_buf *problems_r)
{
	if (strcmp(fynq_config.auth, "local") != 0 && strcmp(fynq_config.auth, "supabase") != 0) {
		fynq_buf_add(problems_r, FYNQ_STR("FYNQ_AUTH: local or supabase\n"));
		return false;
	}
	return fynq_token_init(problems_r) && fynq_rules_init(problems_r) &&
	       fynq_mail_init(problems_r);
}

const struct fynq_provider *
fynq_provider(void)
{
	return strcmp(fynq_config.auth, "supabase") == 0 ? &fynq_provider_supabase
							 : &fynq_provider_local;
}
