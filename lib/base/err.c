#include "err.h"

const struct fynq_err_info *
fynq_err_info(enum fynq_err e)
{
	static const struct fynq_err_info table[FYNQ_E_COUNT] = {
		[FYNQ_OK] = { "ok", 200, "OK" },
#define FYNQ_ERROR(name, code, status, title) [FYNQ_E_##name] = { code, status, title },
#include "errors.def"
#undef FYNQ_ERROR
	};

	return &table[e < FYNQ_E_COUNT ? e : FYNQ_E_INTERNAL];
}

enum fynq_err
fynq_err_of_code(struct fynq_str code)
{
	for (enum fynq_err e = FYNQ_OK + 1; e < FYNQ_E_COUNT; e++)
		if (fynq_str_eq(code, fynq_str_of(fynq_err_info(e)->code)))
			return e;
	return FYNQ_OK;
}
