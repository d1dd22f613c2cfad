/*
 * The parameters of a header's value: form-data; name="image" (RFC 9110 section 5.6.6).
 *
 *	first = fynq_param_first(value, &rest);
 *	while (rest.p != NULL)
 *		if (!fynq_param_next(&rest, &param)) ...
 */
#ifndef FYNQ_HTTP_PARAMS_H
#define FYNQ_HTTP_PARAMS_H

#include "base/str.h"

struct fynq_header_param {
	struct fynq_str name, value; /* as they stand in the header, escapes included */
	bool quoted;
};

/* What stands before the first ";". *rest_r is what follows it, absent where there is none. */
struct fynq_str fynq_param_first(struct fynq_str value, struct fynq_str *rest_r);

/*
 * Take the next parameter off *rest, which is absent after the last one. False where it is not
 * name=value, the value a quoted string or not. Nothing between two ";" is a parameter whose name
 * is empty, to be passed over. In a quoted string a backslash escapes a quote and a backslash; one
 * before anything else is itself, as some clients write folders.
 */
bool fynq_param_next(struct fynq_str *rest, struct fynq_header_param *param_r);

/* Whether s is a token (RFC 9110 section 5.6.2). */
bool fynq_is_token(struct fynq_str s);

#endif
