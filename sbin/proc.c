#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "proc.h"

enum { WAIT_STEP_MS = 20, STAT_SIZE = 1024 };

bool
proc_find(const char *name, char *path_r, size_t size)
{
	const char *path = getenv("PATH");
	struct fynq_str dir, rest = fynq_str_of(path != NULL ? path : "/usr/bin:/bin");

	while (rest.p != NULL) {
		fynq_str_cut(rest, ':', &dir, &rest);
		if (dir.n > 0 && dir.p[0] == '/' &&
		    (size_t)snprintf(path_r, size, "%.*s/%s", FYNQ_STR_ARG(dir), name) < size &&
		    access(path_r, X_OK) == 0)
			return true;
	}
	return false;
}

/* In the child. */
static void
become(char *const argv[], int out)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execvp(argv[0], argv);
	fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Read until the end; false where the deadline came first. */
static bool
read_all(int fd, int64_t deadline_us, struct fynq_buf *out)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char chunk[1024];
	int64_t left_us;
	ssize_t got;

	while ((left_us = deadline_us - fynq_clock_mono_us()) > 0) {
		if (poll(&p, 1, (int)(left_us / 1000) + 1) <= 0)
			continue;
		if ((got = read(fd, chunk, sizeof(chunk))) == 0)
			return true;
		if (got > 0)
			fynq_buf_add(out, (struct fynq_str){ chunk, (size_t)got });
	}
	return false;
}

int
proc_run(char *const argv[], int64_t timeout_ms, struct fynq_buf *out)
{
	int fds[2], status = 0;
	bool in_time;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		fynq_buf_printf(out, "cannot run %s: %s\n", argv[0], strerror(errno));
		return -1;
	}
	if (pid == 0)
		become(argv, fds[1]);
	close(fds[1]);
	in_time = read_all(fds[0], fynq_clock_mono_us() + timeout_ms * 1000, out);
	if (!in_time)
		kill(pid, SIGKILL);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (in_time && WIFEXITED(status))
		return WEXITSTATUS(status);
	if (!in_time)
		fynq_buf_printf(
		    out, "%s took longer than %lld ms\n", argv[0], (long long)timeout_ms);
	else
		fynq_buf_printf(out, "%s was killed by signal %d\n", argv[0], WTERMSIG(status));
	return -1;
}

/*
 * State, session and start of a process (proc(5), /proc/PID/stat, fields 3, 6 and 22); false where
 * it is gone or only waits for its parent to notice its end.
 */
static bool
read_stat(pid_t pid, int *session_r, unsigned long long *started_r)
{
	char path[64], text[STAT_SIZE], state = 'X', *rest = NULL;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* The program's name stands in parentheses and may hold anything, those included. */
	if ((rest = strrchr(text, ')')) == NULL ||
	    sscanf(rest + 1,
		" %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		&state, session_r, started_r) != 3)
		return false;
	return state != 'Z' && state != 'X';
}

unsigned long long
proc_started(pid_t pid)
{
	unsigned long long started;
	int session;

	return pid > 0 && read_stat(pid, &session, &started) ? started : 0;
}

int64_t
proc_started_us(pid_t pid)
{
	int64_t tick_us = 1000000 / sysconf(_SC_CLK_TCK), since_boot_us;
	struct timespec boot;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	since_boot_us = (int64_t)boot.tv_sec * 1000000 + boot.tv_nsec / 1000;
	return fynq_clock_now_us() - since_boot_us + (int64_t)proc_started(pid) * tick_us;
}

size_t
proc_session(pid_t session, pid_t *pids_r, size_t max)
{
	DIR *dir = opendir("/proc");
	unsigned long long started;
	struct dirent *entry;
	size_t n = 0;
	int found;

	while (dir != NULL && n < max && (entry = readdir(dir)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && read_stat(pid, &found, &started) && found == session)
			pids_r[n++] = pid;
	}
	if (dir != NULL)
		closedir(dir);
	return n;
}

bool
proc_wait(bool (*done)(void *arg), void *arg, int64_t timeout_ms)
{
	int64_t deadline_us = fynq_clock_mono_us() + timeout_ms * 1000;
	struct timespec step = { .tv_nsec = WAIT_STEP_MS * 1000000L };

	while (!done(arg)) {
		if (fynq_clock_mono_us() >= deadline_us)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}
