/*
 * The pool of one endpoint: processes of NAME.fcgi behind the socket FYNQ_RUN_DIR/NAME.sock.
 *
 * A generation is one multiwatch with the processes that it keeps alive, started by spawn-fcgi.
 * NAME.pid names the one that takes requests; generations that only finish what they have begun
 * are named by NAME.PID.drain. Each file holds the process id and, against its reuse, the start
 * time of the generation's multiwatch. The caller holds the run folder's lock.
 */
#ifndef FYNQ_SBIN_POOL_H
#define FYNQ_SBIN_POOL_H

#include <sys/types.h>

#include "base/buf.h"

enum { POOL_NAME_SIZE = 17, POOL_PIDS = 256, POOL_DRAINS = 64 };

struct pool_status {
	pid_t leader; /* the multiwatch; 0 while it is down */
	pid_t pids[POOL_PIDS];
	size_t n_pids;
	int64_t since_us;	     /* since 1970; 0 while it is down */
	pid_t draining[POOL_DRAINS]; /* processes of older generations */
	size_t n_draining;
};

/* Is it one to sixteen of a-z 0-9 _ - ? */
bool pool_name_ok(struct fynq_str name);

void pool_look(const char *name, struct pool_status *status_r);

/*
 * Start a new generation; it takes the place of the one that runs, which is told to end once the
 * new one answers. At every moment one of them accepts connections. False, with the reason in
 * problems, where the new one does not come up: nothing has changed then.
 */
bool pool_renew(const char *name, struct fynq_buf *problems);

/* Take nothing new, and tell every process to finish and end. */
void pool_end(const char *name);

/* Has every process of every generation ended? Forgets those that have. */
bool pool_ended(const char *name);

/* End at once what is left. */
void pool_kill(const char *name);

/* Tell every process to open its log anew. */
void pool_reopen(const char *name);

#endif
