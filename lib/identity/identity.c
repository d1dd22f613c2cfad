#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "identity/identity.h"
#include "identity/mail.h"
#include "identity/provider.h"
#include "identity/redirect.h"
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

/* The iss of Supabase's tokens. */
static const char *
supabase_issuer(void)
{
	static char issuer[1100];
	int n = (int)strlen(fynq_config.supabase_url);

	if (n > 0 && fynq_config.supabase_url[n - 1] == '/')
		n--;
	snprintf(issuer, sizeof(issuer), "%.*s/auth/v1", n, fynq_config.supabase_url);
	return issuer;
}

/* What FYNQ_AUTH=supabase needs. The default issuer is ours, and cannot be meant then. */
static bool
init_supabase(struct fynq_buf *problems_r)
{
	struct fynq_url url;
	bool good = true;

	if (!fynq_url_parse(fynq_str_of(fynq_config.supabase_url), &url) || url.path.n > 1 ||
	    url.query.p != NULL) {
		fynq_buf_add(problems_r,
		    FYNQ_STR("FYNQ_SUPABASE_URL: it must be a URL such as "
			     "https://PROJECT.supabase.co, as FYNQ_AUTH is supabase\n"));
		good = false;
	}
	if (fynq_config.supabase_key[0] == '\0') {
		fynq_buf_add(problems_r,
		    FYNQ_STR("FYNQ_SUPABASE_KEY: it must be set, as FYNQ_AUTH is supabase\n"));
		good = false;
	}
	if (fynq_config.supabase_secret_key[0] == '\0') {
		fynq_buf_add(problems_r, FYNQ_STR("FYNQ_SUPABASE_SECRET_KEY: it must be set, as "
						  "FYNQ_AUTH is supabase\n"));
		good = false;
	}
	if (strcmp(fynq_config.jwt_issuer, "fynq") == 0)
		fynq_config.jwt_issuer = supabase_issuer();
	return good;
}

const char *const fynq_mail_names[FYNQ_MAIL_KINDS] = {
	[FYNQ_MAIL_SIGNUP] = "signup",
	[FYNQ_MAIL_RECOVERY] = "recovery",
	[FYNQ_MAIL_EXISTS] = "exists",
	[FYNQ_MAIL_CHANGED] = "password-changed",
};

bool
fynq_identity_init(struct fynq_buf *problems_r)
{
	bool supabase = strcmp(fynq_config.auth, "supabase") == 0;

	if (!supabase && strcmp(fynq_config.auth, "local") != 0) {
		fynq_buf_add(problems_r, FYNQ_STR("FYNQ_AUTH: local or supabase\n"));
		return false;
	}
	if ((supabase && !init_supabase(problems_r)) || !fynq_redirect_init(problems_r))
		return false;
	return fynq_token_init(problems_r) && fynq_rules_init(problems_r) &&
	       fynq_mail_init(problems_r);
}

const struct fynq_provider *
fynq_provider(void)
{
	return strcmp(fynq_config.auth, "supabase") == 0 ? &fynq_provider_supabase
							 : &fynq_provider_local;
}
