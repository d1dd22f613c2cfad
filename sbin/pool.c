#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/config.h"
#include "pool.h"
#include "probe.h"
#include "proc.h"

enum {
	PATH_SIZE = 1200, /* FYNQ_BIN_DIR is the longest part */
	CHECK_MS = 30000,
	SPAWN_MS = 5000,
	ANSWER_MS = 10000,
	/* How long a connect(2) that found the old socket by its name may take to enter its queue.
	 */
	SETTLE_MS = 100,
	/* A process that dies younger counts as a failed start, and after so many in a row
	 * multiwatch gives its place up: a crash loop goes on for minutes before that. */
	YOUNG_MS = 1000,
	FAILED_STARTS = 10000,
	BACKLOG = 4096
};

struct generation {
	pid_t leader;
	unsigned long long started;
};

static void
run_path(char path_r[static PATH_SIZE], const char *name, const char *suffix)
{
	snprintf(path_r, PATH_SIZE, "%s/%s%s", fynq_config.run_dir, name, suffix);
}

bool
pool_name_ok(struct fynq_str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789_-", name.p[i]) == NULL)
			return false;
	return name.n > 0 && name.n < POOL_NAME_SIZE;
}

static bool
read_record(const char *path, struct generation *g)
{
	FILE *f = fopen(path, "re");
	bool ok = false;
	int pid = 0;

	*g = (struct generation){ 0 };
	if (f != NULL) {
		ok = fscanf(f, "%d %llu", &pid, &g->started) >= 1 && pid > 1;
		fclose(f);
	}
	g->leader = (pid_t)pid;
	return ok;
}

/* Does the leader live, and is it not another process with its number? */
static bool
leads(const struct generation *g)
{
	return g->leader > 1 && proc_started(g->leader) == g->started;
}

/* The processes but the leader. A leader that is someone else now has no members of ours. */
static size_t
members(const struct generation *g, pid_t *pids, size_t max)
{
	size_t n, kept = 0;

	if (g->leader <= 1 || (!leads(g) && proc_started(g->leader) != 0))
		return 0;
	n = proc_session(g->leader, pids, max);
	for (size_t i = 0; i < n; i++)
		if (pids[i] != g->leader)
			pids[kept++] = pids[i];
	return kept;
}

/*
 * Tell a generation to end, or to end at once. multiwatch passes SIGTERM on, as SIGUSR1, and starts
 * nobody anew; processes that outlived it are told one by one.
 */
static void
signal_generation(const struct generation *g, int signal)
{
	pid_t pids[POOL_PIDS];
	bool led = leads(g);
	size_t n = members(g, pids, POOL_PIDS);

	if (led)
		kill(g->leader, signal);
	for (size_t i = 0; i < n && (!led || signal == SIGKILL); i++)
		kill(pids[i], signal);
}

/* Call each(path, generation, arg) for every generation that is recorded as draining. */
static void
each_draining(const char *name,
    void (*each)(const char *path, const struct generation *g, void *arg), void *arg)
{
	DIR *dir = opendir(fynq_config.run_dir);
	size_t n = strlen(name);
	struct generation g;
	struct dirent *entry;
	char path[PATH_SIZE];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const char *file = entry->d_name, *end = strrchr(file, '.');

		if (strncmp(file, name, n) != 0 || file[n] != '.' || end == file + n ||
		    strcmp(end, ".drain") != 0)
			continue;
		run_path(path, file, "");
		if (read_record(path, &g))
			each(path, &g, arg);
	}
	if (dir != NULL)
		closedir(dir);
}

static void
count_draining(const char *path, const struct generation *g, void *arg)
{
	struct pool_status *status = arg;

	(void)path;
	status->n_draining += members(
	    g, status->draining + status->n_draining, POOL_DRAINS - status->n_draining);
}

void
pool_look(const char *name, struct pool_status *status_r)
{
	struct generation g;
	char path[PATH_SIZE];

	*status_r = (struct pool_status){ 0 };
	run_path(path, name, ".pid");
	if (read_record(path, &g)) {
		status_r->n_pids = members(&g, status_r->pids, POOL_PIDS);
		if (leads(&g)) {
			status_r->leader = g.leader;
			status_r->since_us = proc_started_us(g.leader);
		}
	}
	each_draining(name, count_draining, status_r);
}

static void
tell_draining(const char *path, const struct generation *g, void *arg)
{
	(void)path;
	signal_generation(g, *(const int *)arg);
}

static void
forget_draining(const char *path, const struct generation *g, void *arg)
{
	pid_t pid;

	if (leads(g) || members(g, &pid, 1) > 0)
		*(bool *)arg = false;
	else
		unlink(path);
}

/* What NAME.pid names drains from now on. */
static void
retire(const char *name)
{
	char from[PATH_SIZE], to[PATH_SIZE], suffix[32];
	struct generation g;

	run_path(from, name, ".pid");
	if (!read_record(from, &g))
		return;
	snprintf(suffix, sizeof(suffix), ".%d.drain", (int)g.leader);
	run_path(to, name, suffix);
	rename(from, to);
}

void
pool_end(const char *name)
{
	int signal = SIGTERM;
	char path[PATH_SIZE];

	run_path(path, name, ".sock");
	unlink(path);
	retire(name);
	each_draining(name, tell_draining, &signal);
}

bool
pool_ended(const char *name)
{
	bool ended = true;

	each_draining(name, forget_draining, &ended);
	return ended;
}

void
pool_kill(const char *name)
{
	int signal = SIGKILL;

	each_draining(name, tell_draining, &signal);
}

void
pool_reopen(const char *name)
{
	struct pool_status status;

	pool_look(name, &status);
	for (size_t i = 0; i < status.n_pids; i++)
		kill(status.pids[i], SIGHUP);
	for (size_t i = 0; i < status.n_draining; i++)
		kill(status.draining[i], SIGHUP);
}

/* The new generation's binary starts, likes its settings and reaches what it needs. */
static bool
check(const char *name, struct fynq_buf *problems)
{
	char path[PATH_SIZE];
	char *argv[] = { path, "--check", NULL };

	snprintf(path, sizeof(path), "%s/%s.fcgi", fynq_config.bin_dir, name);
	return proc_run(argv, CHECK_MS, problems) == 0;
}

/* Replace what spawn-fcgi wrote, the process id, by a whole record. */
static bool
write_record(const char *path, struct generation *g)
{
	FILE *f;

	if (!read_record(path, g) || (g->started = proc_started(g->leader)) == 0 ||
	    (f = fopen(path, "we")) == NULL)
		return false;
	fprintf(f, "%d %llu\n", (int)g->leader, g->started);
	return fclose(f) == 0;
}

/*
 * multiwatch tells its children to end by SIGUSR1. That is left so: the option -s of multiwatch 1.0
 * sends another signal than the one it names.
 */
static bool
spawn(const char *name, const char *socket, const char *record, struct generation *g,
    struct fynq_buf *problems)
{
	char app[PATH_SIZE], multiwatch[PATH_SIZE], backlog[16], forks[16], young[16], failed[16];
	char *argv[] = { "spawn-fcgi", "-s", (char *)socket, "-M", "0600", "-b", backlog, "-P",
		(char *)record, "--", multiwatch, "-f", forks, "-t", young, "-r", failed, app,
		NULL };

	if (!proc_find("multiwatch", multiwatch, sizeof(multiwatch))) {
		fynq_buf_printf(
		    problems, "multiwatch is missing: on Debian, apt-get install multiwatch\n");
		return false;
	}
	snprintf(app, sizeof(app), "%s/%s.fcgi", fynq_config.bin_dir, name);
	snprintf(backlog, sizeof(backlog), "%d", BACKLOG);
	snprintf(forks, sizeof(forks), "%d", (int)fynq_config.processes);
	snprintf(young, sizeof(young), "%d", YOUNG_MS);
	snprintf(failed, sizeof(failed), "%d", FAILED_STARTS);
	return proc_run(argv, SPAWN_MS, problems) == 0 && write_record(record, g);
}

/* Let the group of the settings connect. */
static bool
share(const char *socket, struct fynq_buf *problems)
{
	const struct group *group;

	if (fynq_config.socket_group[0] == '\0')
		return true;
	errno = 0;
	if ((group = getgrnam(fynq_config.socket_group)) == NULL)
		fynq_buf_printf(problems, "FYNQ_SOCKET_GROUP: there is no group %s\n",
		    fynq_config.socket_group);
	else if (chown(socket, (uid_t)-1, group->gr_gid) != 0 || chmod(socket, 0660) != 0)
		fynq_buf_printf(problems, "FYNQ_SOCKET_GROUP: %s: %s\n", socket, strerror(errno));
	else
		return true;
	return false;
}

/* End a generation that never took a request. */
static void
discard(const char *socket, const char *record)
{
	struct generation g;

	if (read_record(record, &g))
		signal_generation(&g, SIGKILL);
	unlink(socket);
	unlink(record);
}

bool
pool_renew(const char *name, struct fynq_buf *problems)
{
	static const struct timespec settle = { .tv_nsec = SETTLE_MS * 1000000L };
	char socket[PATH_SIZE], record[PATH_SIZE], new_socket[PATH_SIZE], new_record[PATH_SIZE];
	struct fynq_buf said = FYNQ_BUF_INIT(4096);
	struct generation g;
	int signal = SIGTERM;
	bool ok;

	run_path(socket, name, ".sock");
	run_path(record, name, ".pid");
	run_path(new_socket, name, ".sock.new");
	run_path(new_record, name, ".pid.new");
	discard(new_socket, new_record); /* an earlier try that was killed itself */
	(void)pool_ended(name);

	if (!check(name, problems))
		return false;
	ok = spawn(name, new_socket, new_record, &g, &said);
	if (!ok) {
		fynq_buf_add(problems, fynq_buf_str(&said));
	} else if (!probe(new_socket, ANSWER_MS)) {
		fynq_buf_printf(problems, "it does not answer; see %s\n", fynq_config.log);
		ok = false;
	} else {
		ok = share(new_socket, problems);
	}
	fynq_buf_release(&said);

	/* From here on new connections go to the new generation. */
	if (ok && rename(new_socket, socket) != 0) {
		fynq_buf_printf(problems, "%s: %s\n", socket, strerror(errno));
		ok = false;
	}
	if (!ok) {
		discard(new_socket, new_record);
		return false;
	}
	retire(name);
	rename(new_record, record);
	nanosleep(&settle, NULL);
	each_draining(name, tell_draining, &signal);
	return true;
}
