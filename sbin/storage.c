/*
 * fynqctl storage: whether every file's object is what it should be; moving them to another store;
 * removing what uploads leave behind whose process died.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fynqctl.h"
#include "storage/copy.h"
#include "storage/orphans.h"
#include "storage/verify.h"

enum { EVERY_US = 200000 };

/* Which words a verb takes. */
enum { QUICK = 1, TO = 2, GC = 4 };

/* What the command line said. */
struct call {
	bool quick, dry, lost, force;
	const struct fynq_store *to; /* NULL where it was not said */
	bool bad;		     /* out: something is not as it should be, and was told of */
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
verify(struct fynq_req *rq, void *arg)
{
	struct call *call = arg;
	struct fynq_verified v = { 0 };
	enum fynq_err e;

	if (fynq_store()->check != NULL)
		FYNQ_TRY(fynq_store()->check(rq));
	FYNQ_TRY(begin_rows(rq));
	e = fynq_verify_run(rq, call->quick, &watch, &v);
	clear_progress();
	printf("%lld files, %lld damaged, %lld not read\n", (long long)v.rows, (long long)v.damaged,
	    (long long)v.failed);
	call->bad = v.damaged > 0 || v.failed > 0;
	return e;
}

static enum fynq_err
migrate(struct fynq_req *rq, void *arg)
{
	struct call *call = arg;
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
	call->bad = c.failed > 0;
	return e;
}

static enum fynq_err
collect_orphans(struct fynq_req *rq, struct call *call)
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
	call->bad = o.failed > 0;
	return e;
}

static enum fynq_err
collect_lost(struct fynq_req *rq, struct call *call)
{
	struct fynq_verified v = { 0 };
	enum fynq_err e;

	FYNQ_TRY(begin_rows(rq));
	e = fynq_lost_run(rq, call->lost && !call->dry, call->force, &watch, &v);
	clear_progress();
	printf("%lld files, %lld without an object, %lld removed, %lld not read\n",
	    (long long)v.rows, (long long)v.damaged, (long long)v.removed, (long long)v.failed);
	call->bad = call->bad || v.damaged > v.removed || v.failed > 0;
	return e;
}

static enum fynq_err
collect(struct fynq_req *rq, void *arg)
{
	struct call *call = arg;

	FYNQ_TRY(collect_orphans(rq, call));
	return collect_lost(rq, call);
}

static const struct verb verbs[] = {
	{ "verify", QUICK, verify },
	{ "migrate", TO, migrate },
	{ "gc", GC, collect },
	{ .name = NULL },
};

static bool
read_call(unsigned takes, char **argv, struct call *call_r)
{
	const struct fynq_str to = FYNQ_STR("--to=");

	*call_r = (struct call){ 0 };
	for (; *argv != NULL; argv++) {
		struct fynq_str word = fynq_str_of(*argv);

		if ((takes & QUICK) != 0 && strcmp(*argv, "--quick") == 0)
			call_r->quick = true;
		else if ((takes & GC) != 0 && strcmp(*argv, "--dry-run") == 0)
			call_r->dry = true;
		else if ((takes & GC) != 0 && strcmp(*argv, "--lost") == 0)
			call_r->lost = true;
		else if ((takes & GC) != 0 && strcmp(*argv, "--force") == 0)
			call_r->force = true;
		else if ((takes & TO) != 0 && fynq_str_starts(word, to))
			call_r->to = fynq_store_named(fynq_str_of(*argv + to.n));
		else
			return false;
	}
	return call_r->to != NULL || (takes & TO) == 0;
}

static int
run_storage(int argc, char **argv)
{
	const struct verb *verb = ctl_verb_find(verbs, argv[1]);
	struct call call;
	int status;

	(void)argc;
	if (verb == NULL || !read_call(verb->takes, argv + 2, &call))
		return ctl_usage(argv[0]);
	if (!fynq_store_init(&ctl_problems) ||
	    (call.to != NULL && !fynq_store_check(&fynq_store_supabase, "--to", &ctl_problems)))
		return ctl_bad_settings();
	status = ctl_verb_run(argv[0], verb, &call);
	return call.bad ? CTL_FAILED : status;
}

const struct command storage_commands[] = {
	{ "storage",
	    "verify [--quick]\n"
	    "migrate --to=local|supabase\n"
	    "gc [--dry-run] [--lost] [--force]",
	    true,
	    "Files and their objects: check, copy to another store, clear up.\n"
	    "\n"
	    "verify looks at the object of each file; status 1 where one is missing or damaged.\n"
	    "  --quick    whether it is there with its size; its bytes are not read\n"
	    "\n"
	    "migrate copies what the other store has; it may be ended, and called again.\n"
	    "  --to=      the store that is copied to; nothing is removed from the other\n"
	    "\n"
	    "gc removes what processes left behind that died; status 1 where a file has lost\n"
	    "its object.\n"
	    "  --dry-run  remove nothing, only say what would be\n"
	    "  --lost     remove files that have lost their objects, too\n"
	    "  --force    even where so much is missing that a setting is likelier wrong",
	    run_storage },
	{ .name = NULL },
};
