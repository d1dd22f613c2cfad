/*
 * fynqctl storage: whether every file's object is what it should be; moving them to another store;
 * removing what uploads leave behind whose process died.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/fetch.h"
#include "base/log.h"
#include "data/db.h"
#include "fynqctl.h"
#include "storage/copy.h"
#include "storage/orphans.h"
#include "storage/verify.h"

enum { EVERY_US = 200000 };

/* What the command line said. */
struct call {
	bool quick, dry, lost, force;
	const struct fynq_store *to; /* NULL where it was not said */
};

/* How far it is, on standard error where that is a terminal. */
static struct {
	bool shown, wanted;
	int64_t done, total; /* 0 where it is not known */
	int64_t next_us;
} progress;

static void
clear_progress(void)
{
	if (progress.shown)
		fputs("\r\033[K", stderr);
	progress.shown = false;
}

static void
begin_progress(int64_t total)
{
	clear_progress();
	progress.total = total;
	progress.done = progress.next_us = 0;
	progress.wanted = isatty(STDERR_FILENO) == 1;
}

static void
on_step(void *arg)
{
	int64_t now;

	(void)arg;
	progress.done++;
	if (!progress.wanted || (now = fynq_clock_mono_us()) < progress.next_us)
		return;
	progress.next_us = now + EVERY_US;
	progress.shown = true;
	if (progress.total > 0)
		fprintf(
		    stderr, "\r%lld of %lld", (long long)progress.done, (long long)progress.total);
	else
		fprintf(stderr, "\r%lld", (long long)progress.done);
}

static void
on_found(void *arg, struct fynq_str key, const char *what)
{
	(void)arg;
	clear_progress();
	printf("%.*s: %s\n", FYNQ_STR_ARG(key), what);
}

static const struct fynq_watch watch = { .found = on_found, .stepped = on_step };

static enum fynq_err
begin_rows(struct fynq_req *rq)
{
	int64_t total;

	FYNQ_TRY(fynq_rows_count(rq, &total));
	begin_progress(total);
	return FYNQ_OK;
}

static enum fynq_err
verify(struct fynq_req *rq, const struct call *call, bool *good_r)
{
	struct fynq_verified v = { 0 };
	enum fynq_err e;

	if (fynq_store()->check != NULL)
		FYNQ_TRY(fynq_store()->check(rq));
	FYNQ_TRY(begin_rows(rq));
	e = fynq_verify_run(rq, call->quick, &watch, &v);
	clear_progress();
	printf("%lld files, %lld damaged, %lld not read\n", (long long)v.rows, (long long)v.damaged,
	    (long long)v.failed);
	*good_r = v.damaged == 0 && v.failed == 0;
	return e;
}

static enum fynq_err
migrate(struct fynq_req *rq, const struct call *call, bool *good_r)
{
	const struct fynq_store *from = call->to == &fynq_store_local ? &fynq_store_supabase
								      : &fynq_store_local;
	struct fynq_copied c = { 0 };
	enum fynq_err e;

	FYNQ_TRY(begin_rows(rq));
	e = fynq_copy_run(rq, from, call->to, &watch, &c);
	clear_progress();
	printf("%lld files, %lld copied (%lld bytes), %lld there already, %lld not copied\n",
	    (long long)c.rows, (long long)c.copied, (long long)c.bytes, (long long)c.skipped,
	    (long long)c.failed);
	*good_r = c.failed == 0;
	return e;
}

static enum fynq_err
collect_orphans(struct fynq_req *rq, const struct call *call, bool *good_r)
{
	struct fynq_orphans o;
	enum fynq_err e;

	begin_progress(0);
	e = fynq_orphans_run(rq, call->dry, call->force, &watch, &o);
	clear_progress();
	printf("%lld objects, %lld without a row, %lld removed\n"
	       "%lld uploads never ended, %lld files left behind%s\n",
	    (long long)o.objects, (long long)o.orphans, (long long)o.removed, (long long)o.uploads,
	    (long long)o.leftovers, call->dry ? "" : ", removed");
	*good_r = *good_r && o.failed == 0;
	return e;
}

static enum fynq_err
collect_lost(struct fynq_req *rq, const struct call *call, bool *good_r)
{
	struct fynq_verified v = { 0 };
	enum fynq_err e;

	FYNQ_TRY(begin_rows(rq));
	e = fynq_lost_run(rq, call->lost && !call->dry, call->force, &watch, &v);
	clear_progress();
	printf("%lld files, %lld without an object, %lld removed, %lld not read\n",
	    (long long)v.rows, (long long)v.damaged, (long long)v.removed, (long long)v.failed);
	*good_r = *good_r && v.damaged == v.removed && v.failed == 0;
	return e;
}

static enum fynq_err
collect(struct fynq_req *rq, const struct call *call, bool *good_r)
{
	FYNQ_TRY(collect_orphans(rq, call, good_r));
	return collect_lost(rq, call, good_r);
}

static const struct action {
	const char *name;
	bool quick, to, gc; /* which options it has */
	enum fynq_err (*run)(struct fynq_req *rq, const struct call *call, bool *good_r);
} actions[] = {
	{ "verify", .quick = true, .run = verify },
	{ "migrate", .to = true, .run = migrate },
	{ "gc", .gc = true, .run = collect },
};

static bool
read_call(const struct action *action, char **argv, struct call *call_r)
{
	const struct fynq_str to = FYNQ_STR("--to=");

	*call_r = (struct call){ 0 };
	for (; *argv != NULL; argv++) {
		struct fynq_str word = fynq_str_of(*argv);

		if (action->quick && strcmp(*argv, "--quick") == 0)
			call_r->quick = true;
		else if (action->gc && strcmp(*argv, "--dry-run") == 0)
			call_r->dry = true;
		else if (action->gc && strcmp(*argv, "--lost") == 0)
			call_r->lost = true;
		else if (action->gc && strcmp(*argv, "--force") == 0)
			call_r->force = true;
		else if (action->to && fynq_str_starts(word, to))
			call_r->to = fynq_store_named(fynq_str_of(*argv + to.n));
		else
			return false;
	}
	return call_r->to != NULL || !action->to;
}

/* Say why it broke off. */
static void
say_why(const struct fynq_req *rq, enum fynq_err e)
{
	if (rq->problem.detail.p != NULL)
		ctl_say("storage: %.*s", FYNQ_STR_ARG(rq->problem.detail));
	else
		ctl_say("storage: %s", fynq_err_info(e)->title);
}

static int
run_call(const struct action *action, const struct call *call)
{
	struct fynq_req *rq;
	enum fynq_err e;
	bool good = true;

	if (!fynq_store_init(&ctl_problems) ||
	    (action->to && (!fynq_store_check(&fynq_store_supabase, "--to", &ctl_problems)))) {
		ctl_say_lines("settings", fynq_buf_str(&ctl_problems));
		return EX_CONFIG;
	}
	(void)fynq_log_open("-", FYNQ_LOG_WARN, "fynqctl");
	fynq_fetch_init();
	fynq_db_init();
	rq = fynq_req_new(-1, true);
	e = action->run(rq, call, &good);
	clear_progress();
	if (e != FYNQ_OK)
		say_why(rq, e);
	fynq_req_free(&rq);
	fynq_db_close();
	return fflush(stdout) == 0 && e == FYNQ_OK && good ? EX_OK : CTL_FAILED;
}

static int
run_storage(int argc, char **argv)
{
	struct call call;

	for (size_t i = 0; argc > 1 && i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(argv[1], actions[i].name) == 0)
			return read_call(&actions[i], argv + 2, &call)
				   ? run_call(&actions[i], &call)
				   : ctl_usage(argv[0]);
	return ctl_usage(argv[0]);
}

const struct command storage_commands[] = {
	{ "storage",
	    "verify [--quick]\n"
	    "migrate --to=local|supabase\n"
	    "gc [--dry-run] [--lost] [--force]",
	    true, "Files and their objects: check, copy to another store, clear up.", run_storage },
	{ .name = NULL },
};
