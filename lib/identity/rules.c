#include "base/config.h"
#include "identity/password.h"
#include "identity/rules.h"

bool
fynq_rules_init(struct fynq_buf *problems_r)
{
	(void)problems_r;
	return true;
}

enum fynq_err
fynq_rules_check(struct fynq_req *rq, const char *field, struct fynq_str password,
    struct fynq_str email, struct fynq_str name)
{
	(void)email, (void)name;
	if (password.n > FYNQ_PASSWORD_MAX) {
		fynq_fault(rq, fynq_str_of(field), "too_long",
		    "It must have at most %d bytes in UTF-8.", FYNQ_PASSWORD_MAX);
		return FYNQ_E_INVALID;
	}
	if (fynq_str_chars(password) < (size_t)fynq_config.password_min) {
		fynq_fault(rq, fynq_str_of(field), "too_short",
		    "It must have at least %lld characters.", (long long)fynq_config.password_min);
		return FYNQ_E_INVALID;
	}
	return FYNQ_OK;
}
