/* fynqctl start, stop, restart, status, reopen: the pools of endpoints. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/disk.h"
#include "fynqctl.h"
#include "pool.h"
#include "proc.h"

/* STOP_GRACE_MS: what a process takes to end its streams once FYNQ_DRAIN_SECONDS are over. */
enum { POOLS = 64, LOCK_MS = 60000, KILL_MS = 5000, STOP_GRACE_MS = 15000 };

/* The endpoints that a command is about, in the order of their names. */
struct pools {
	char names[POOLS][POOL_NAME_SIZE];
	size_t n;
};

static void
add(struct pools *pools, struct fynq_str name)
{
	size_t at;

	for (at = 0; at < pools->n; at++)
		if (fynq_str_eq(fynq_str_of(pools->names[at]), name))
			return;
	if (pools->n == POOLS || !pool_name_ok(name))
		return;
	for (at = pools->n++; at > 0 && strncmp(pools->names[at - 1], name.p, name.n) > 0; at--)
		memcpy(pools->names[at], pools->names[at - 1], POOL_NAME_SIZE);
	snprintf(pools->names[at], POOL_NAME_SIZE, "%.*s", FYNQ_STR_ARG(name));
}

/* Add NAME for every file NAME<suffix> of a folder. */
static void
add_files(struct pools *pools, const char *folder, const char *suffix)
{
	size_t n_suffix = strlen(suffix);
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		size_t n = strlen(entry->d_name);

		if (n > n_suffix && strcmp(entry->d_name + n - n_suffix, suffix) == 0)
			add(pools, (struct fynq_str){ entry->d_name, n - n_suffix });
	}
	if (dir != NULL)
		closedir(dir);
}

/* All endpoints that are installed or run, or those that the arguments name. */
static bool
choose(struct pools *pools, int argc, char **argv)
{
	struct pools all = { .n = 0 };

	add_files(&all, fynq_config.bin_dir, ".fcgi");
	add_files(&all, fynq_config.run_dir, ".pid");
	*pools = (struct pools){ .n = 0 };
	for (int i = 1; i < argc; i++) {
		bool found = false;

		for (size_t k = 0; k < all.n; k++)
			found = found || strcmp(all.names[k], argv[i]) == 0;
		if (!found) {
			ctl_say("there is no endpoint %s in %s", argv[i], fynq_config.bin_dir);
			return false;
		}
		add(pools, fynq_str_of(argv[i]));
	}
	if (argc == 1)
		*pools = all;
	if (pools->n == 0)
		ctl_say(
		    "there is no endpoint (*.fcgi) in %s; see FYNQ_BIN_DIR", fynq_config.bin_dir);
	return pools->n > 0;
}

/* Keep a second fynqctl out, until this one exits. */
static bool
lock(void)
{
	char path[128];
	int fd;

	if (mkdir(fynq_config.run_dir, 0755) != 0 && errno != EEXIST) {
		ctl_say("FYNQ_RUN_DIR: %s: %s", fynq_config.run_dir, strerror(errno));
		return false;
	}
	snprintf(path, sizeof(path), "%s/lock", fynq_config.run_dir);
	if ((fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0) {
		ctl_say("%s: %s", path, strerror(errno));
		return false;
	}
	if (!fynq_disk_lock(fd, LOCK_MS)) {
		ctl_say("another fynqctl holds %s; try again when it is done", path);
		return false;
	}
	return true;
}

/* Start what is down or, to restart, all; no failure keeps the others from being tried. */
static int
renew(int argc, char **argv, bool restart)
{
	struct pool_status status;
	int result = EX_OK;
	struct pools pools;

	if (!choose(&pools, argc, argv))
		return EX_USAGE;
	if (!lock())
		return CTL_FAILED;
	if (strcmp(fynq_config.log, "-") == 0)
		ctl_say("FYNQ_LOG is -, and nobody sees a pool's standard error: name a file");
	for (size_t i = 0; i < pools.n; i++) {
		const char *name = pools.names[i];
		struct fynq_buf problems = FYNQ_BUF_INIT(16384);
		bool was_up;

		pool_look(name, &status);
		was_up = status.leader != 0 && status.n_pids > 0;
		if (was_up && !restart) {
			printf("%s: runs already\n", name);
		} else if (pool_renew(name, &problems)) {
			printf("%s: %s\n", name, was_up ? "restarted" : "started");
		} else {
			ctl_say_lines(name, fynq_buf_str(&problems));
			ctl_say("%s: not %s%s", name, restart ? "restarted" : "started",
			    was_up ? "; the old processes go on" : "");
			result = CTL_FAILED;
		}
		fflush(stdout);
		fynq_buf_release(&problems);
	}
	return result;
}

static int
run_start(int argc, char **argv)
{
	return renew(argc, argv, false);
}

static int
run_restart(int argc, char **argv)
{
	return renew(argc, argv, true);
}

static bool
all_ended(void *arg)
{
	const struct pools *pools = arg;
	bool ended = true;

	for (size_t i = 0; i < pools->n; i++)
		ended = pool_ended(pools->names[i]) && ended;
	return ended;
}

static int
run_stop(int argc, char **argv)
{
	int result = EX_OK;
	struct pools pools;

	if (!choose(&pools, argc, argv))
		return EX_USAGE;
	if (!lock())
		return CTL_FAILED;
	for (size_t i = 0; i < pools.n; i++)
		pool_end(pools.names[i]);
	if (!proc_wait(all_ended, &pools, fynq_config.drain_seconds * 1000 + STOP_GRACE_MS)) {
		for (size_t i = 0; i < pools.n; i++) {
			if (pool_ended(pools.names[i]))
				continue;
			ctl_say("%s: did not end in time and is killed", pools.names[i]);
			pool_kill(pools.names[i]);
			result = CTL_FAILED;
		}
		proc_wait(all_ended, &pools, KILL_MS);
	}
	for (size_t i = 0; i < pools.n; i++)
		printf("%s: stopped\n", pools.names[i]);
	return result;
}

static void
add_pids(struct fynq_buf *out, const pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fynq_buf_printf(out, "%s%d", i > 0 ? "," : "", (int)pids[i]);
	if (n == 0)
		fynq_buf_add_char(out, '-');
	fynq_buf_add_char(out, '\0');
}

static int
run_status(int argc, char **argv)
{
	struct pool_status status;
	int result = EX_OK;
	struct pools pools;

	if (!choose(&pools, argc, argv))
		return EX_USAGE;
	printf("%-16s %-5s %-24s %-24s %s\n", "ENDPOINT", "STATE", "SINCE", "PIDS", "DRAINING");
	for (size_t i = 0; i < pools.n; i++) {
		struct fynq_buf pids = FYNQ_BUF_INIT(4096), draining = FYNQ_BUF_INIT(4096);
		char since[FYNQ_TIME_SIZE] = "-";
		bool up;

		pool_look(pools.names[i], &status);
		up = status.leader != 0 && status.n_pids > 0;
		if (up)
			fynq_time_format(status.since_us, since);
		else
			result = CTL_DOWN;
		add_pids(&pids, status.pids, status.n_pids);
		add_pids(&draining, status.draining, status.n_draining);
		printf("%-16s %-5s %-24s %-24s %s\n", pools.names[i], up ? "up" : "down", since,
		    pids.p, draining.p);
		fynq_buf_release(&pids);
		fynq_buf_release(&draining);
	}
	return result;
}

static int
run_reopen(int argc, char **argv)
{
	struct pools pools;

	if (!choose(&pools, argc, argv))
		return EX_USAGE;
	for (size_t i = 0; i < pools.n; i++)
		pool_reopen(pools.names[i]);
	return EX_OK;
}

const struct command pool_commands[] = {
	{ "start", "[ENDPOINT...]", true, "Start the pools that are down.", run_start },
	{ "stop", "[ENDPOINT...]", false, "Let them finish what they have begun, and end them.",
	    run_stop },
	{ "restart", "[ENDPOINT...]", true,
	    "Put new processes in the old ones' place; no request is lost.", run_restart },
	{ "status", "[ENDPOINT...]", false, "Show what runs, and what still drains.", run_status },
	{ "reopen", "[ENDPOINT...]", false, "Let them open their log anew, after its rotation.",
	    run_reopen },
	{ .name = NULL },
};
