#include "identity/identity.h"
#include "identity/provider.h"
#include "identity/token.h"

const char *const fynq_scope_names[] = {
	[FYNQ_SCOPE_LOCAL] = "local",
	[FYNQ_SCOPE_GLOBAL] = "global",
	[FYNQ_SCOPE_OTHERS] = "others",
	NULL,
};

bool
fynq_identity_init(struct fynq_buf *problems_r)
{
	return fynq_token_init(problems_r);
}

const struct fynq_provider *
fynq_provider(void)
{
	return &fynq_provider_local;
}
