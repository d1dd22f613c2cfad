/*
 * The users program: its handlers.
 */
#ifndef FYNQ_USERS_H
#define FYNQ_USERS_H

#include "fynq.h"

/* users-rights.c */
fynq_handler post_export, delete_me;

/* users-audit.c */
fynq_handler get_audit;

struct audit_in {
	struct fynq_uuid user_id;
	struct fynq_str event;
	struct fynq_time from, to;
	int64_t limit;
	struct fynq_cursor cursor;
};

#endif
