/*
 * Every call that can fail is made to fail, one a run, until a run has none left: whatever a
 * request then gets is an answer or a proper error, and nothing is lost, left open or done twice.
 *
 * Needs --enable-faults, and FYNQ_DATABASE_URL with fynq's schema; skipped without.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include <libpq-fe.h>

#include "../unit/unit.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/evloop.h"
#include "base/fault.h"
#include "base/log.h"
#include "data/db.h"
#include "gemini/engine.h"

enum { SKIPPED = 77, RUNS_MAX = 1000, RUN_SECONDS = 60, WAIT_MS = 10000 };

/* How a run ends. */
enum { FAULT_MET, NO_FAULT_LEFT, WRONG };

static const struct fynq_stmt add_runner = { "add_runner", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"insert into fynq.runners (id, endpoint, pid) values ($1::uuid, 'test-faults', 1)" };
static const struct fynq_stmt touch_runner = { "touch_runner", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"update fynq.runners set pid = 2 where id = $1::uuid" };
static const struct fynq_stmt who_asks = { "who_asks", FYNQ_AS_USER, FYNQ_REPEATABLE,
	"select auth.uid()::text" };
static const struct fynq_stmt count_runner = { "count_runner", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select count(*)::text from fynq.runners where id = $1::uuid" };
static const struct fynq_stmt drop_runner = { "drop_runner", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"delete from fynq.runners where id = $1::uuid" };
static const struct fynq_stmt get_pid = { "get_pid", FYNQ_AS_ANON, FYNQ_REPEATABLE,
	"select pg_backend_pid()::text" };

static int failures;

/* In a run, where cmocka's assertions would go on with the parent's tests. */
static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "FAULT_AT=%s: %s\n", getenv("FAULT_AT"), what);
	exit(WRONG);
}

/* A fault costs one step of a run, and that one is told the truth. */
static enum fynq_err
note(enum fynq_err e)
{
	must(e == FYNQ_OK || e == FYNQ_E_DB_UNAVAILABLE, "a step ends in another error");
	failures += e != FYNQ_OK;
	must(failures <= 1, "a fault is felt twice");
	return e;
}

/* A row that was said to be added is there, and never twice; one that failed may have come in. */
static void
must_count(const struct fynq_rows *count, bool added)
{
	struct fynq_str n = fynq_rows_str(count, 0, 0);

	must(fynq_str_eq(n, FYNQ_STR("1")) || (!added && fynq_str_eq(n, FYNQ_STR("0"))),
	    "what was said to be stored is not");
}

static void
use_database(struct fynq_req *rq)
{
	struct fynq_uuid id = fynq_uuid_new(), user = fynq_uuid_new();
	const struct fynq_str arg = fynq_uuid_str(&id);
	struct fynq_rows who, count;
	const struct fynq_step steps[] = {
		{ &touch_runner, &arg, 1, NULL },
		{ &who_asks, NULL, 0, &who },
		{ &count_runner, &arg, 1, &count },
	};
	enum fynq_err e;
	bool added;

	rq->caller.id = fynq_uuid_str(&user);
	rq->caller.claims = fynq_arena_printf(rq->arena, "{\"sub\":\"%s\"}", user.text);

	note(fynq_db_ready(rq) ? FYNQ_OK : rq->problem.error);
	added = note(fynq_db_run(rq, &add_runner, &arg, 1, NULL)) == FYNQ_OK;
	if (note(fynq_db_tx(rq, steps, LENGTH(steps))) == FYNQ_OK) {
		must(fynq_str_eq(fynq_rows_str(&who, 0, 0), rq->caller.id), "another user");
		must_count(&count, added);
	}
	/* Again: a statement that fails within its transaction, which is rolled back. */
	e = fynq_db_run(rq, &add_runner, &arg, 1, NULL);
	must(!added || e != FYNQ_OK, "stored twice");
	added = note(e == FYNQ_E_CONFLICT ? FYNQ_OK : e) == FYNQ_OK || added;
	if (note(fynq_db_run(rq, &count_runner, &arg, 1, &count)) == FYNQ_OK)
		must_count(&count, added);
	if (note(fynq_db_run(rq, &drop_runner, &arg, 1, NULL)) != FYNQ_OK)
		note(fynq_db_run(rq, &drop_runner, &arg, 1, NULL));
}

static int
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	must(dir != NULL, "no /proc/self/fd");
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Gemini, for one question. */
static void *
answer(void *arg)
{
	static const char reply[] =
	    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
	    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"yes\"}]},"
	    "\"finishReason\":\"STOP\"}]}\r\n\r\n";
	char question[4096] = "";
	size_t have = 0;
	ssize_t n;
	int fd = accept(*(int *)arg, NULL, NULL);

	if (fd < 0)
		return NULL;
	while (strstr(question, "\r\n\r\n{}") == NULL &&
	       (n = read(fd, question + have, sizeof(question) - 1 - have)) > 0)
		have += (size_t)n;
	(void)!write(fd, reply, sizeof(reply) - 1);
	close(fd);
	return NULL;
}

static int texts, ends;

static void
on_text(struct fynq_gemini_call *call, struct fynq_str text)
{
	(void)call;
	must(fynq_str_eq(text, FYNQ_STR("yes")), "another text");
	texts++;
}

static void
on_end(struct fynq_gemini_call *call)
{
	(void)call;
	ends++;
}

static void
ask_gemini(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct fynq_gemini_call call = {
		.body = FYNQ_BUF_INIT(16),
		.model = "model",
		.first_us = INT64_MAX,
		.total_us = INT64_MAX,
		.text = on_text,
		.ended = on_end,
	};
	int64_t deadline = fynq_clock_mono_us() + (int64_t)WAIT_MS * 1000;
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_t thread;
	char url[64];

	must(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 1) == 0 &&
		 getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
		 pthread_create(&thread, NULL, answer, &fd) == 0,
	    "no server");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	fynq_config.gemini_url = url;

	fynq_evloop_init();
	fynq_gemini_init();
	fynq_buf_add(&call.body, FYNQ_STR("{}"));
	fynq_gemini_send(&call);
	must(ends == 0, "ended from inside the call");
	while (ends == 0 && fynq_clock_mono_us() < deadline)
		fynq_evloop_turn(100);
	must(ends == 1, "ended not at all, or twice");
	if (call.error == FYNQ_OK) {
		must(texts == 1, "told another text");
	} else {
		must(call.error == FYNQ_E_GEMINI_TIMEOUT && texts == 0, "another error");
		must(++failures <= 1, "a fault is felt twice");
	}
	fynq_gemini_release(&call);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
}

/* True where the fault is still to come: the nth call is not among those made so far. */
static bool
fault_is_left(int n)
{
	for (int i = 0; i < n; i++)
		if (fynq_fault_now())
			return true;
	return false;
}

static void
run(int n)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	int descriptors = open_descriptors();
	bool left;

	alarm(RUN_SECONDS);
	use_database(rq);
	fynq_db_close();
	must(open_descriptors() == descriptors, "a connection is left open");
	fynq_req_free(&rq);
	ask_gemini();
	left = fault_is_left(n);
	must(!left || failures == 0, "a step failed without a fault");
	exit(left ? NO_FAULT_LEFT : FAULT_MET);
}

/* How run n ends, in a process of its own, as faults are counted by the process. */
static int
run_apart(int n)
{
	char number[16];
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		snprintf(number, sizeof(number), "%d", n);
		setenv("FAULT_AT", number, 1);
		run(n);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("run %d: signal %d", n, WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void
survives_each_fault(void **state)
{
	int n = 1, end;

	(void)state;
	while ((end = run_apart(n)) == FAULT_MET)
		assert_true(++n < RUNS_MAX);
	assert_int_equal(end, NO_FAULT_LEFT);
	/* Seven transactions of three statements and more, a connection and a question. */
	assert_true(n > 20);
}

/* End the server session with this process id, and wait until it is gone. */
static void
kill_session(struct fynq_str pid)
{
	PGconn *pg = PQconnectdb(fynq_config.database_url);
	int64_t deadline = fynq_clock_mono_us() + (int64_t)WAIT_MS * 1000;
	char query[200];
	bool gone = false;

	assert_int_equal(PQstatus(pg), CONNECTION_OK);
	snprintf(query, sizeof(query), "select pg_terminate_backend(%.*s)", FYNQ_STR_ARG(pid));
	PQclear(PQexec(pg, query));
	snprintf(query, sizeof(query), "select 1 from pg_stat_activity where pid = %.*s",
	    FYNQ_STR_ARG(pid));
	while (!gone) {
		PGresult *result = PQexec(pg, query);

		assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
		gone = PQntuples(result) == 0;
		PQclear(result);
		assert_true(fynq_clock_mono_us() < deadline);
	}
	PQfinish(pg);
}

/* Also for a statement that may not be sent twice: the dead connection is seen before it is. */
static void
replaces_a_connection_that_died_in_the_pool(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct fynq_uuid id = fynq_uuid_new();
	const struct fynq_str arg = fynq_uuid_str(&id);
	struct fynq_rows before, after;

	(void)state;
	assert_int_equal(fynq_db_run(rq, &get_pid, FYNQ_NO_ARGS, &before), FYNQ_OK);
	kill_session(fynq_rows_str(&before, 0, 0));
	assert_int_equal(fynq_db_run(rq, &add_runner, &arg, 1, NULL), FYNQ_OK);
	assert_int_equal(fynq_db_run(rq, &get_pid, FYNQ_NO_ARGS, &after), FYNQ_OK);
	assert_false(fynq_str_eq(fynq_rows_str(&before, 0, 0), fynq_rows_str(&after, 0, 0)));
	assert_int_equal(fynq_db_run(rq, &drop_runner, &arg, 1, NULL), FYNQ_OK);
	fynq_req_free(&rq);
	fynq_db_close();
}

static int
init(void **state)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!fynq_config_load(&problems))
		print_error("%.*s", FYNQ_STR_ARG(fynq_buf_str(&problems)));
	assert_int_equal(problems.n, 0);
	/* What faults log is not news; and a connection that is leaked is the last. */
	assert_true(fynq_log_open("/dev/null", FYNQ_LOG_ERROR, "test-faults"));
	fynq_config.db_connections = 1;
	fynq_db_init();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_each_fault),
		cmocka_unit_test(replaces_a_connection_that_died_in_the_pool),
	};
	const char *url = getenv("FYNQ_DATABASE_URL");

#ifndef FYNQ_FAULTS_ON_PURPOSE
	print_message("skipped: not built with --enable-faults\n");
	return SKIPPED;
#endif
	if (url == NULL || url[0] == '\0') {
		print_message("skipped: FYNQ_DATABASE_URL is not set\n");
		return SKIPPED;
	}
	return cmocka_run_group_tests_name("faults", tests, init, NULL);
}
