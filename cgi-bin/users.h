/*
 * The users program: its handlers.
 */
#ifndef FYNQ_USERS_H
#define FYNQ_USERS_H

#include "fynq.h"

/* users-rights.c */
fynq_handler post_export, delete_me;

#endif
