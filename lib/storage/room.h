/*
 * How much room a user's files may take: bytes of one, bytes of all, how many, how many sent a day.
 *
 * The limits are the settings' FYNQ_FILES_* for the caller's role, but for what public.user_limits
 * says for the user. PostgreSQL counts, in the transaction that adds a file or removes one, so that
 * the counts are exact whatever dies; the rules stand with its functions, in sql/migrations.
 */
#ifndef FYNQ_STORAGE_ROOM_H
#define FYNQ_STORAGE_ROOM_H

#include "data/db.h"

/* A user's id and the limits of the role: the last arguments of fynq.file_limits() and others. */
enum { FYNQ_ROOM_ARGS = 5 };

/* No file is larger, in bytes, whatever the limits say. */
#define FYNQ_FILE_MOST (INT64_C(4) << 30)

/* The caller's, as text that lives until the request ends. */
void fynq_room_args(struct fynq_req *rq, struct fynq_str args_r[static FYNQ_ROOM_ARGS]);

/*
 * What there is to say before the body of an upload of up to so many files is read. It sets
 * rq->file_max, and refuses, with the errors of fynq_room_refusal(), what can be known to find no
 * room: where there is none for a file of any size, and by Content-Length. A request whose
 * Idempotency-Key was used before is let through: it is to be told of what it has stored, which may
 * have taken the last room.
 */
enum fynq_err fynq_room_admit(struct fynq_req *rq, int files) FYNQ_MUST_CHECK;

/*
 * Fail by that limit, as the database names it:
 *
 *	file_bytes      TOO_LARGE, naming the field
 *	storage_bytes   STORAGE_QUOTA
 *	storage_files   STORAGE_QUOTA
 *	uploads_day     RATE_LIMITED, with a Retry-After to the day's end in UTC
 */
enum fynq_err fynq_room_refusal(struct fynq_req *rq, struct fynq_str limit, struct fynq_str most,
    struct fynq_str field) FYNQ_MUST_CHECK;

#endif
