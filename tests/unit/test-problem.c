#include "http/problem.h"
#include "http/request.h"
#include "unit.h"

static struct fynq_buf out = FYNQ_BUF_INIT(65536);

static int
setup(void **state)
{
	(void)state;
	fynq_buf_reset(&out);
	return 0;
}

static int
release(void **state)
{
	(void)state;
	fynq_buf_release(&out);
	return 0;
}

static void
without_a_detail(void **state)
{
	struct fynq_problem problem = { .error = FYNQ_E_NOT_FOUND };

	(void)state;
	fynq_problem_json(&out, &problem, FYNQ_STR("req-1"));
	assert_str(fynq_buf_str(&out),
	    "{\"type\":\"urn:fynq:problem:not_found\",\"title\":\"There is no such thing\","
	    "\"status\":404,\"instance\":\"req-1\",\"code\":\"not_found\"}");
}

static void
with_a_detail(void **state)
{
	struct fynq_problem problem = {
		.error = FYNQ_E_CONFLICT,
		.detail = FYNQ_STR_INIT("It is \"taken\"."),
	};

	(void)state;
	fynq_problem_json(&out, &problem, FYNQ_STR("req-1"));
	assert_str(fynq_buf_str(&out),
	    "{\"type\":\"urn:fynq:problem:conflict\",\"title\":\"It conflicts with what is there\","
	    "\"status\":409,\"detail\":\"It is \\\"taken\\\".\",\"instance\":\"req-1\","
	    "\"code\":\"conflict\"}");
}

static void
with_faults(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);

	(void)state;
	fynq_fault(rq, FYNQ_STR("a\"b"), "unknown", "There is no such member.");
	fynq_fault(rq, FYNQ_STR("n"), "too_large", "It must be at most %d.", 5);
	fynq_problem_json(&out, &rq->problem, FYNQ_STR("req-1"));
	assert_str(fynq_buf_str(&out),
	    "{\"type\":\"urn:fynq:problem:invalid\",\"title\":\"Some of the fields are not valid\","
	    "\"status\":422,\"instance\":\"req-1\",\"code\":\"invalid\",\"errors\":["
	    "{\"field\":\"a\\\"b\",\"code\":\"unknown\",\"message\":\"There is no such member.\"},"
	    "{\"field\":\"n\",\"code\":\"too_large\",\"message\":\"It must be at most 5.\"}]}");
	fynq_req_free(&rq);
}

static void
with_one_fault(void **state)
{
	struct fynq_fault fault = {
		.field = FYNQ_STR_INIT("id"),
		.code = "format",
		.message = FYNQ_STR_INIT("It must be a UUID."),
	};
	struct fynq_problem problem = { .error = FYNQ_E_INVALID, .n_faults = 1, .faults = &fault };

	(void)state;
	fynq_problem_json(&out, &problem, FYNQ_STR("req-1"));
	fynq_buf_add_char(&out, '\0');
	assert_non_null(strstr(out.p, ",\"errors\":[{\"field\":\"id\",\"code\":\"format\","
				      "\"message\":\"It must be a UUID.\"}]}"));
}

static void
with_more_faults_than_are_kept(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	size_t objects = 0;

	(void)state;
	for (int i = 0; i < FYNQ_FAULTS + 10; i++)
		fynq_fault(rq, FYNQ_STR("x"), "unknown", "No.");
	assert_int_equal(rq->problem.n_faults, FYNQ_FAULTS + 10);
	fynq_problem_json(&out, &rq->problem, FYNQ_STR("req-1"));
	for (size_t i = 0; i < out.n; i++)
		objects += out.p[i] == '{';
	assert_int_equal(objects, FYNQ_FAULTS + 1);
	fynq_req_free(&rq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_detail, setup),
		cmocka_unit_test_setup(with_a_detail, setup),
		cmocka_unit_test_setup(with_faults, setup),
		cmocka_unit_test_setup(with_one_fault, setup),
		cmocka_unit_test_setup(with_more_faults_than_are_kept, setup),
	};

	return cmocka_run_group_tests_name("problem", tests, NULL, release);
}
