#include <libpq-fe.h>
#include <stdio.h>

#include "base/config.h"
#include "http/response.h"
#include "limits/user.h"
#include "request.h"

enum { COLUMNS = 5 };

static void
clear(void *result)
{
	PQclear(result);
}

/* Rows as the statement gives them; a cell that is NULL is SQL's null, no cells are no row. */
static struct fynq_rows
rows_of(const char *const cells[COLUMNS])
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc columns[COLUMNS] = { { 0 } };
	char name[] = "c";

	fynq_arena_defer(rq->arena, clear, result);
	for (int i = 0; i < COLUMNS; i++)
		columns[i].name = name;
	assert_int_equal(PQsetResultAttrs(result, COLUMNS, columns), 1);
	for (int i = 0; cells != NULL && i < COLUMNS; i++) {
		char value[32];
		int n = cells[i] != NULL ? snprintf(value, sizeof(value), "%s", cells[i]) : -1;

		assert_int_equal(PQsetvalue(result, 0, i, n < 0 ? NULL : value, n), 1);
	}
	return (struct fynq_rows){ result, PQntuples(result) };
}

/* Each role's own limits, in the order of the statement's parameters. */
static void
arguments(void **state)
{
	static const struct {
		enum fynq_who role;
		const char *const want[FYNQ_LIMIT_ARGS];
	} cases[] = {
		{ FYNQ_USER, { "me", "1", "2", "3", "4" } },
		{ FYNQ_TEACHER, { "me", "5", "6", "7", "1000000000" } },
		{ FYNQ_ADMIN, { "me", "0", "0", "0", "0" } },
	};
	struct fynq_str args[FYNQ_LIMIT_ARGS];

	(void)state;
	fynq_config.limit_student = (struct fynq_limits){ { 1, 2, 3, 4 } };
	fynq_config.limit_teacher = (struct fynq_limits){ { 5, 6, 7, 1000000000 } };
	rq->caller.id = FYNQ_STR("me");
	for (size_t i = 0; i < LENGTH(cases); i++) {
		rq->caller.role = cases[i].role;
		fynq_limit_args(rq, args);
		for (size_t k = 0; k < FYNQ_LIMIT_ARGS; k++)
			assert_str(args[k], cases[i].want[k]);
	}
}

static void
nothing_to_tell(void **state)
{
	struct fynq_rows none = rows_of(NULL);
	struct fynq_rows unlimited = rows_of((const char *const[]){ "t", NULL, NULL, NULL, NULL });

	(void)state;
	assert_int_equal(fynq_limit_verdict(rq, &none), FYNQ_OK);
	assert_int_equal(fynq_limit_verdict(rq, &unlimited), FYNQ_OK);
	assert_int_equal(rq->reply.headers.n, 0);
}

static void
admits(void **state)
{
	struct fynq_rows rows = rows_of(
	    (const char *const[]){ "t", "messages_minute", "10", "7", "42" });

	(void)state;
	assert_int_equal(fynq_limit_verdict(rq, &rows), FYNQ_OK);
	assert_str(fynq_buf_str(&rq->reply.headers),
	    "RateLimit-Limit: 10\r\nRateLimit-Remaining: 7\r\nRateLimit-Reset: 42\r\n");
	assert_int_equal(rq->problem.error, FYNQ_OK);
	assert_int_equal(rq->problem.retry_after, 0);
}

static void
refuses(void **state)
{
	static const struct {
		const char *name, *detail;
	} cases[] = {
		{ "messages_minute", "There is a limit of 9 questions a minute." },
		{ "messages_day", "There is a limit of 9 questions a day (UTC)." },
		{ "tokens_minute", "There is a limit of 9 tokens a minute." },
		{ "tokens_day", "There is a limit of 9 tokens a day (UTC)." },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fynq_rows rows = rows_of(
		    (const char *const[]){ "f", cases[i].name, "9", "0", "86400" });

		assert_int_equal(fynq_limit_verdict(rq, &rows), FYNQ_E_RATE_LIMITED);
		assert_int_equal(rq->problem.error, FYNQ_E_RATE_LIMITED);
		assert_str(rq->problem.detail, cases[i].detail);
		assert_int_equal(rq->problem.retry_after, 86400);
	}
}

/* What is told of the limits reaches the head of a problem, and of what is answered later. */
static void
headers_stay(void **state)
{
	struct fynq_buf head = FYNQ_BUF_INIT(16384);
	struct fynq_rows rows = rows_of(
	    (const char *const[]){ "t", "messages_day", "300", "1", "3600" });

	(void)state;
	fynq_config.cors_origins = "";
	assert_int_equal(fynq_limit_verdict(rq, &rows), FYNQ_OK);
	fynq_req_slim(rq);
	(void)fynq_fail(rq, FYNQ_E_GEMINI_TIMEOUT, NULL);
	fynq_reply_problem(rq);
	fynq_reply_head(rq, &head);
	fynq_buf_add_char(&head, '\0');
	assert_non_null(strstr(head.p, "Status: 504 "));
	assert_non_null(strstr(head.p, "\r\nRateLimit-Limit: 300\r\n"));
	assert_non_null(strstr(head.p, "\r\nRateLimit-Remaining: 1\r\n"));
	assert_non_null(strstr(head.p, "\r\nRateLimit-Reset: 3600\r\n"));
	fynq_buf_release(&head);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(arguments, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(nothing_to_tell, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(admits, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(refuses, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(headers_stay, setup_request, teardown_request),
	};

	return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
