/*
 * store put KEY FILE TYPE | open KEY RESULT | fetch KEY FROM N RESULT | size KEY | remove KEY |
 * remove-user USERID | list | link KEY NAME SECONDS: one call of the store of the settings, as a
 * responder makes it.
 *
 * Prints one line of JSON: what it gave, or the problem that a client would get; and the most
 * memory that this process took, in kB. What open and fetch give is written to RESULT.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/fetch.h"
#include "base/log.h"
#include "storage/store.h"

/* Where the result of a call goes: JSON members, each with a comma before it. */
static struct fynq_buf out = FYNQ_BUF_INIT(1 << 24);

/* Not argv's own, which are counted: a call's arguments after its name. */
typedef enum fynq_err tool_call(struct fynq_req *rq, char **args);

static int
result_of(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		fynq_log_fatal("tool", "cannot write %s", path);
	return fd;
}

static enum fynq_err
call_put(struct fynq_req *rq, char **args)
{
	struct fynq_object object = { .fd = open(args[1], O_RDONLY | O_CLOEXEC),
		.media_type = args[2] };
	struct stat st;
	enum fynq_err e;

	if (fstat(object.fd, &st) != 0)
		fynq_log_fatal("tool", "cannot read %s", args[1]);
	object.bytes = st.st_size;
	e = fynq_store()->put(rq, fynq_str_of(args[0]), &object);
	close(object.fd);
	return e;
}

static enum fynq_err
call_open(struct fynq_req *rq, char **args)
{
	int to = result_of(args[1]), fd;
	enum fynq_err e = fynq_store()->open(rq, fynq_str_of(args[0]), &fd);

	while (e == FYNQ_OK && sendfile(to, fd, NULL, 1 << 20) > 0)
		;
	close(to);
	return e;
}

static bool
write_piece(void *arg, struct fynq_str bytes)
{
	return write(*(int *)arg, bytes.p, bytes.n) == (ssize_t)bytes.n;
}

static enum fynq_err
call_fetch(struct fynq_req *rq, char **args)
{
	int to = result_of(args[3]);
	int64_t from = 0, n = 0;
	enum fynq_err e = FYNQ_E_INVALID;

	if (fynq_str_int(fynq_str_of(args[1]), &from) && fynq_str_int(fynq_str_of(args[2]), &n))
		e = fynq_store()->fetch(rq, fynq_str_of(args[0]), from, n, write_piece, &to);
	close(to);
	return e;
}

static enum fynq_err
call_size(struct fynq_req *rq, char **args)
{
	int64_t bytes;

	FYNQ_TRY(fynq_store()->size(rq, fynq_str_of(args[0]), &bytes));
	fynq_buf_printf(&out, ",\"bytes\":%lld", (long long)bytes);
	return FYNQ_OK;
}

static enum fynq_err
call_remove(struct fynq_req *rq, char **args)
{
	return fynq_store()->remove(rq, fynq_str_of(args[0]));
}

static enum fynq_err
call_remove_user(struct fynq_req *rq, char **args)
{
	return fynq_store()->remove_user(rq, fynq_str_of(args[0]));
}

static bool
tell(void *arg, struct fynq_str key, int64_t bytes, int64_t changed_at)
{
	int *n = arg;

	fynq_buf_printf(&out, "%s[\"%.*s\",%lld,%lld]", (*n)++ == 0 ? "" : ",", FYNQ_STR_ARG(key),
	    (long long)bytes, (long long)changed_at);
	return true;
}

static enum fynq_err
call_list(struct fynq_req *rq, char **args)
{
	enum fynq_err e;
	int n = 0;

	(void)args;
	fynq_buf_add(&out, FYNQ_STR(",\"objects\":["));
	e = fynq_store()->list(rq, tell, &n);
	fynq_buf_add_char(&out, ']');
	return e;
}

static enum fynq_err
call_link(struct fynq_req *rq, char **args)
{
	struct fynq_str url;
	int64_t seconds = 0;

	(void)fynq_str_int(fynq_str_of(args[2]), &seconds);
	FYNQ_TRY(fynq_store()->link(rq, fynq_str_of(args[0]), fynq_str_of(args[1]), seconds, &url));
	fynq_buf_add(&out, FYNQ_STR(",\"url\":"));
	fynq_buf_add_json(&out, url);
	return FYNQ_OK;
}

static const struct {
	const char *name;
	int args;
	tool_call *call;
} calls[] = {
	{ "put", 3, call_put },
	{ "open", 2, call_open },
	{ "fetch", 4, call_fetch },
	{ "size", 1, call_size },
	{ "remove", 1, call_remove },
	{ "remove-user", 1, call_remove_user },
	{ "list", 0, call_list },
	{ "link", 3, call_link },
};

static void
run(tool_call *call, char **args)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct rusage usage;

	if (call(rq, args) != FYNQ_OK) {
		fynq_buf_add(&out, FYNQ_STR(",\"problem\":"));
		fynq_problem_json(&out, &rq->problem, FYNQ_STR("tool"));
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("{\"memory\":%ld%.*s}\n", usage.ru_maxrss, FYNQ_STR_ARG(fynq_buf_str(&out)));
	fynq_req_free(&rq);
}

int
main(int argc, char **argv)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);

	if (!fynq_config_load(&problems) || !fynq_store_init(&problems) ||
	    !fynq_log_open(fynq_config.log, FYNQ_LOG_DEBUG, "store"))
		fynq_log_fatal("tool", "%.*s", FYNQ_STR_ARG(fynq_buf_str(&problems)));
	fynq_fetch_init();
	for (size_t i = 0; argc > 1 && i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(argv[1], calls[i].name) == 0 && argc == 2 + calls[i].args) {
			run(calls[i].call, argv + 2);
			fynq_buf_release(&out);
			return 0;
		}
	fprintf(stderr, "usage: store CALL ARGUMENT...\n");
	return 64;
}
