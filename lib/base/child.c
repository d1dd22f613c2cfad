#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "clock.h"

/* Between two looks at a child: 1 ms at first, then up to 16. */
enum { PAUSE_NS = 1000000, PAUSE_MAX_NS = 16000000 };

enum { ARGS_MAX = 32, FILES_MAX = 64, CANNOT_EXECUTE = 126, NOT_FOUND = 127 };

static const char limiter[] = "/usr/bin/prlimit";

/* prlimit with the limits, then the program's own arguments; false where those are too many. */
static bool
wrap(const struct fynq_child *child, char limits[4][48], const char *argv_r[ARGS_MAX])
{
	size_t n = 0;

	snprintf(limits[0], sizeof(limits[0]), "--as=%lld", (long long)child->memory_max);
	snprintf(limits[1], sizeof(limits[1]), "--fsize=%lld", (long long)child->file_max);
	snprintf(limits[2], sizeof(limits[2]), "--cpu=%lld", (long long)child->seconds_max);
	snprintf(limits[3], sizeof(limits[3]), "--nofile=%d", FILES_MAX);
	argv_r[n++] = limiter;
	for (int i = 0; i < 4; i++)
		argv_r[n++] = limits[i];
	argv_r[n++] = "--core=0";
	argv_r[n++] = "--";
	for (size_t i = 0; child->argv[i] != NULL; i++) {
		if (n == ARGS_MAX - 1)
			return false;
		argv_r[n++] = child->argv[i];
	}
	argv_r[n] = NULL;
	return true;
}

/*
 * A worker blocks all signals and a responder ignores some: the program starts with none of that.
 */
static bool
set_signals(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	return posix_spawnattr_setsigmask(attr, &none) == 0 &&
	       posix_spawnattr_setsigdefault(attr, &all) == 0 &&
	       posix_spawnattr_setpgroup(attr, 0) == 0 &&
	       posix_spawnattr_setflags(attr,
		   POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP) == 0;
}

/* FastCGI's connections are not close-on-exec: whatever is above 2 is closed. */
static bool
set_files(posix_spawn_file_actions_t *files, const struct fynq_child *child)
{
	return posix_spawn_file_actions_adddup2(files, child->in, STDIN_FILENO) == 0 &&
	       posix_spawn_file_actions_adddup2(files, child->out, STDOUT_FILENO) == 0 &&
	       posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ==
		   0 &&
	       posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1) == 0;
}

/* Its process id; -1 where there is none. */
static pid_t
start(const struct fynq_child *child)
{
	const char *argv[ARGS_MAX];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char limits[4][48];
	pid_t pid;

	if (!wrap(child, limits, argv) || posix_spawn_file_actions_init(&files) != 0)
		return -1;
	if (posix_spawnattr_init(&attr) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return -1;
	}
	/* The casts take const from the strings, which posix_spawn() does not write. */
	if (!set_signals(&attr) || !set_files(&files, child) ||
	    posix_spawn(
		&pid, limiter, &files, &attr, (char *const *)argv, (char *const *)child->env) != 0)
		pid = -1;
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return pid;
}

/* wait4(2), whatever the signals. */
static pid_t
reap(pid_t pid, int options, int *status_r, struct rusage *usage_r)
{
	pid_t reaped;

	do
		reaped = wait4(pid, status_r, options, usage_r);
	while (reaped < 0 && errno == EINTR);
	return reaped;
}

static bool
is_stopped(const struct fynq_child *child)
{
	return child->stop != NULL && atomic_load(child->stop);
}

/*
 * The same, but where the process has not ended by its deadline, or is to stop, kill it. *end_r is
 * what it was killed for, DONE where it was not. Looking again and again
 * is the one way that takes no signal from the rest of the process and works on any kernel; the
 * pauses are short beside what such a program takes.
 */
static pid_t
reap_by(const struct fynq_child *child, pid_t pid, int *status_r, struct rusage *usage_r,
    enum fynq_child_end *end_r)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	pid_t reaped;

	*end_r = FYNQ_CHILD_DONE;
	while ((reaped = reap(pid, WNOHANG, status_r, usage_r)) == 0) {
		if (is_stopped(child))
			*end_r = FYNQ_CHILD_STOPPED;
		else if (fynq_clock_mono_us() >= child->deadline_us)
			*end_r = FYNQ_CHILD_SPENT;
		if (*end_r != FYNQ_CHILD_DONE) {
			(void)kill(-pid, SIGKILL);
			return reap(pid, 0, status_r, usage_r);
		}
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
	return reaped;
}

static int64_t
micro(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

enum fynq_child_end
fynq_child_run(const struct fynq_child *child, struct fynq_child_use *use_r)
{
	struct rusage usage = { .ru_maxrss = 0 };
	pid_t pid = start(child);
	enum fynq_child_end killed;
	int status = 0;

	*use_r = (struct fynq_child_use){ .memory = 0 };
	if (pid < 0 || reap_by(child, pid, &status, &usage, &killed) != pid)
		return FYNQ_CHILD_MISSING;

	use_r->memory = (int64_t)usage.ru_maxrss * 1024;
	use_r->cpu_us = micro(usage.ru_utime) + micro(usage.ru_stime);
	if (killed != FYNQ_CHILD_DONE)
		return killed;
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU
			   ? FYNQ_CHILD_SPENT
			   : FYNQ_CHILD_CRASHED;
	switch (WEXITSTATUS(status)) {
	case 0:
		return FYNQ_CHILD_DONE;
	case CANNOT_EXECUTE:
	case NOT_FOUND:
		return FYNQ_CHILD_MISSING;
	default:
		return FYNQ_CHILD_FAILED;
	}
}
