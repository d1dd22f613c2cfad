/*
 * The users program: its handlers.
 */
#ifndef FYNQ_USERS_H
#define FYNQ_USERS_H

#include "fynq.h"

/* users-admin.c */
fynq_handler get_users, get_user, patch_user;

struct users_in {
	struct fynq_str role, disabled, q;
	int64_t limit;
	struct fynq_cursor cursor;
};

struct user_in {
	struct fynq_uuid id;
};

struct user_patch_in {
	struct fynq_uuid id;
	struct fynq_str role;
	bool disabled;
	struct fynq_json limits;
	struct fynq_date birth_date;
};

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
