/*
 * Another program, run under limits, for work on bytes that are not trusted.
 *
 * It gets one descriptor to read, one to write, and an environment that is written out; nothing
 * else of this process reaches it. It is started by posix_spawn(3), as a fork of a process with
 * threads and thousands of descriptors may do next to nothing, and util-linux's prlimit sets its
 * limits before it runs. Should this process die, the program ends by itself at those limits.
 *
 * It runs as the same user: the limits bound what it takes, not which files it could open.
 */
#ifndef FYNQ_BASE_CHILD_H
#define FYNQ_BASE_CHILD_H

#include <stdatomic.h>
#include <stdint.h>

struct fynq_child {
	const char *const *argv; /* argv[0] is the program's absolute path; ends in NULL */
	const char *const *env;	 /* "NAME=value"; ends in NULL */
	int in, out;		 /* its standard input and output, above 2; error is /dev/null */
	int64_t memory_max;	 /* address space, in bytes */
	int64_t file_max;	 /* the largest file that it may write, in bytes */
	int64_t seconds_max;	 /* processor time */
	int64_t deadline_us;	 /* on fynq_clock_mono_us(); past it the program is killed */
	const atomic_bool *stop; /* once it is true the program is killed; NULL for never */
};

enum fynq_child_end {
	FYNQ_CHILD_DONE,    /* exit status 0 */
	FYNQ_CHILD_FAILED,  /* another one */
	FYNQ_CHILD_CRASHED, /* a signal that was its own doing */
	FYNQ_CHILD_SPENT,   /* killed: past its deadline or its processor time */
	FYNQ_CHILD_STOPPED, /* killed: *stop */
	FYNQ_CHILD_MISSING  /* it could not be started */
};

/* What it took. */
struct fynq_child_use {
	int64_t memory; /* most that was resident, in bytes */
	int64_t cpu_us; /* processor time */
};

/* Run it to its end; blocks, at most until the deadline or some milliseconds behind *stop. */
enum fynq_child_end fynq_child_run(const struct fynq_child *child, struct fynq_child_use *use_r);

#endif
