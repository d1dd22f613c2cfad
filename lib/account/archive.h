/*
 * Everything that fynq holds about a user, as one ZIP: their rights of access and of portability
 * (GDPR articles 15 and 20).
 *
 * JSON for each kind of rows, as the database has it, and the user's files under files/. Written
 * by libarchive, piece by piece, to a file without a name: memory does not grow with it.
 */
#ifndef FYNQ_ACCOUNT_ARCHIVE_H
#define FYNQ_ACCOUNT_ARCHIVE_H

#include "http/request.h"

/* Answer with the archive of the caller. What the database and the store fail with. */
enum fynq_err fynq_archive_reply(struct fynq_req *rq) FYNQ_MUST_CHECK;

#endif
