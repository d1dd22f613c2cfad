#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/ids.h"
#include "identity/claims.h"
#include "identity/identity.h"
#include "identity/mail.h"
#include "identity/provider.h"
#include "identity/redirect.h"
#include "identity/token.h"

enum { KEY_CLAIMS_MAX = 3072, KEY_MEMORY = 65536 };

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

	snprintf(issuer, sizeof(issuer), "%s/auth/v1", fynq_config.supabase_url);
	return issuer;
}

static bool
complain(struct fynq_buf *problems, const char *name, const char *problem)
{
	fynq_buf_printf(problems, "%s: %s, as FYNQ_AUTH is supabase\n", name, problem);
	return false;
}

/*
 * What a key is for: the newer kind says so in front, the older one in the claims of the token that
 * it is. Read and not verified, as it is the admin's own.
 */
static bool
is_key_of(struct fynq_str key, struct fynq_str front, struct fynq_str role)
{
	char claims[KEY_CLAIMS_MAX];
	struct fynq_str header, payload, rest;
	struct fynq_arena *a;
	size_t n;
	bool is;

	if (fynq_str_starts(key, front))
		return true;
	if (!fynq_str_cut(key, '.', &header, &rest) || !fynq_str_cut(rest, '.', &payload, &rest) ||
	    !fynq_base64url_decode(payload, claims, sizeof(claims), &n))
		return false;
	a = fynq_arena_new(KEY_MEMORY);
	is = fynq_str_eq(fynq_claims_find(a, (struct fynq_str){ claims, n }, "role"), role);
	fynq_arena_free(&a);
	return is;
}

/* The two keys are easily taken for each other. */
static bool
check_keys(struct fynq_buf *problems)
{
	struct fynq_str open = fynq_str_of(fynq_config.supabase_key),
			secret = fynq_str_of(fynq_config.supabase_secret_key);
	bool good = true;

	if (open.n == 0)
		good = complain(problems, "FYNQ_SUPABASE_KEY", "it must be set");
	if (secret.n == 0)
		good = complain(problems, "FYNQ_SUPABASE_SECRET_KEY", "it must be set");
	if (is_key_of(open, FYNQ_STR("sb_secret_"), FYNQ_STR("service_role")))
		good = complain(problems, "FYNQ_SUPABASE_KEY",
		    "it must be the publishable key, and is a secret one");
	if (is_key_of(secret, FYNQ_STR("sb_publishable_"), FYNQ_STR("anon")))
		good = complain(problems, "FYNQ_SUPABASE_SECRET_KEY",
		    "it must be a secret key, and is the publishable one");
	return good;
}

/* What FYNQ_AUTH=supabase needs. The default issuer is ours, and cannot be meant then. */
static bool
init_supabase(struct fynq_buf *problems_r)
{
	const char *ca = fynq_config.supabase_ca_file;
	bool good = check_keys(problems_r);
	struct fynq_url url;

	if (!fynq_url_parse(fynq_str_of(fynq_config.supabase_url), &url) || url.path.n > 0 ||
	    url.query.p != NULL)
		good = complain(problems_r, "FYNQ_SUPABASE_URL",
		    "it must be a URL such as https://PROJECT.supabase.co");
	if (ca[0] != '\0' && access(ca, R_OK) != 0)
		good = complain(
		    problems_r, "FYNQ_SUPABASE_CA_FILE", "it must be a file that can be read");
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
	bool good, supabase = strcmp(fynq_config.auth, "supabase") == 0;

	if (!supabase && strcmp(fynq_config.auth, "local") != 0) {
		fynq_buf_add(problems_r, FYNQ_STR("FYNQ_AUTH: it must be local or supabase\n"));
		return false;
	}
	/* All that is wrong is told at once; without a project there are no keys to look for. */
	good = !supabase || init_supabase(problems_r);
	good = good && fynq_token_init(problems_r);
	good = fynq_redirect_init(problems_r) && good;
	return fynq_mail_init(problems_r) && good;
}

const struct fynq_provider *
fynq_provider(void)
{
	return strcmp(fynq_config.auth, "supabase") == 0 ? &fynq_provider_supabase
							 : &fynq_provider_local;
}
