/*
 * Processes: run one and hear what it says; find those of a session; wait.
 *
 * spawn-fcgi makes the program that it starts the leader of a new session, and its children stay
 * in it. So a session's id, the leader's process id, names a whole pool, also after its leader is
 * gone, and the kernel gives that number to nobody else while a member lives.
 */
#ifndef FYNQ_SBIN_PROC_H
#define FYNQ_SBIN_PROC_H

#include <sys/types.h>

#include "base/buf.h"

/*
 * Run a program (argv[0] is looked for in PATH), standard input empty, both outputs to out, for
 * timeout_ms at most. Its exit status; -1, with the reason in out, where it could not be run, was
 * killed by a signal or took too long.
 */
int proc_run(char *const argv[], int64_t timeout_ms, struct fynq_buf *out);

/* The path of a program that PATH has, in path_r; false where it is not there. */
bool proc_find(const char *name, char *path_r, size_t size);

/* When a process started, in clock ticks since the machine did; 0 where it is gone. */
unsigned long long proc_started(pid_t pid);

/* The same as microseconds since 1970. */
int64_t proc_started_us(pid_t pid);

/* The living processes of a session, at most max; how many there are. */
size_t proc_session(pid_t session, pid_t *pids_r, size_t max);

/* Ask done(arg) again and again until it says true; false where timeout_ms passed before. */
bool proc_wait(bool (*done)(void *arg), void *arg, int64_t timeout_ms);

#endif
