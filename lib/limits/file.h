/*
 * The file that is the shared memory. For limits/host.c.
 *
 * A file is complete before it has its name, and never changes in size. One of another layout or of
 * an earlier boot is replaced by a new one, which takes its name by rename(2): processes that still
 * have the old one share it among themselves until they end. Of an earlier boot the counts of the
 * day are taken over; those of another layout are lost.
 */
#ifndef FYNQ_LIMITS_FILE_H
#define FYNQ_LIMITS_FILE_H

#include "base/buf.h"
#include "limits/layout.h"

/*
 * Map the file at path, made with mode 0600 where it is not there. NULL, with why (no full stop) in
 * reason, where that is not possible, another has kept the lock PATH.lock for five seconds, or
 * what lies at path is not a file of fynq's and of this user.
 */
struct fynq_host_memory *fynq_host_file(const char *path, struct fynq_buf *reason);

/* Make zeroed memory an empty table of this boot. */
void fynq_host_format(struct fynq_host_memory *m);

#endif
