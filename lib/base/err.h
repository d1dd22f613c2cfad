/*
 * The errors of fynq: one table, errors.def, holds name, code, status and title.
 */
#ifndef FYNQ_BASE_ERR_H
#define FYNQ_BASE_ERR_H

#include "str.h"

enum fynq_err {
	FYNQ_OK = 0,
#define FYNQ_ERROR(name, code, status, title) FYNQ_E_##name,
#include "errors.def"
#undef FYNQ_ERROR
	FYNQ_E_COUNT
};

struct fynq_err_info {
	const char *code;
	int status;
	const char *title;
};

/* The row of e; for FYNQ_OK a row with status 200. Static. */
const struct fynq_err_info *fynq_err_info(enum fynq_err e);

/* The error with that code, FYNQ_OK where there is none. code need not end in a NUL. */
enum fynq_err fynq_err_of_code(struct fynq_str code);

/* Marks a function whose error must not be dropped. */
#define FYNQ_MUST_CHECK __attribute__((warn_unused_result))

/* Return from the calling function, with its error, where expr fails. */
#define FYNQ_TRY(expr)                           \
	do {                                     \
		enum fynq_err try_err_ = (expr); \
		if (try_err_ != FYNQ_OK)         \
			return try_err_;         \
	} while (0)

#endif
