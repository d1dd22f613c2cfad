/*
 * A transaction that is put together step by step, as the request needs them.
 *
 *	struct fynq_steps steps = { 0 };
 *	fynq_steps_add(&steps, rq, &add_chat, NULL, FYNQ_ARGS(id, title));
 *	if (key.n > 0)
 *		fynq_steps_add(&steps, rq, &claim, &rows, FYNQ_ARGS(rq->caller.id, key));
 *	FYNQ_TRY(fynq_db_tx(rq, steps.all, steps.n));
 */
#ifndef FYNQ_DATA_STEPS_H
#define FYNQ_DATA_STEPS_H

#include "data/db.h"

struct fynq_steps {
	struct fynq_step all[FYNQ_STEPS_MAX];
	size_t n;
};

/*
 * Add a statement; the list of its arguments is copied, what they point to is not. rows_r, or NULL,
 * is filled by fynq_db_tx(). One step too many ends the process: it is a fault of the program.
 */
void fynq_steps_add(struct fynq_steps *steps, struct fynq_req *rq, const struct fynq_stmt *stmt,
    struct fynq_rows *rows_r, const struct fynq_str *args, size_t n_args);

#endif
