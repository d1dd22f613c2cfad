#include "http/range.h"
#include "unit.h"

#define BYTES 1000

/* What is asked for of 1000 bytes. */
static const struct row {
	const char *header;
	bool holds, part;
	int64_t from, n;
} rows[] = {
	{ NULL, true, false, 0, BYTES },
	{ "", true, false, 0, BYTES },
	{ "bytes=0-499", true, true, 0, 500 },
	{ "bytes=500-999", true, true, 500, 500 },
	{ "bytes=0-0", true, true, 0, 1 },
	{ "bytes=999-999", true, true, 999, 1 },
	{ "bytes=0-", true, true, 0, BYTES },
	{ "bytes=999-", true, true, 999, 1 },
	{ "bytes=-1", true, true, 999, 1 },
	{ "bytes=-1000", true, true, 0, BYTES },
	{ "Bytes=1-2", true, true, 1, 2 },
	{ " bytes= 1-2 ", true, true, 1, 2 },
	{ "bytes=0001-0002", true, true, 1, 2 },
	/* An end, or a length, behind the end is the end. */
	{ "bytes=500-1000", true, true, 500, 500 },
	{ "bytes=500-99999999999999999999999999", true, true, 500, 500 },
	{ "bytes=0-9223372036854775807", true, true, 0, BYTES },
	{ "bytes=-1001", true, true, 0, BYTES },
	{ "bytes=-99999999999999999999999999", true, true, 0, BYTES },
	/* None of the bytes. */
	{ "bytes=1000-", false, false, 0, BYTES },
	{ "bytes=1000-1000", false, false, 0, BYTES },
	{ "bytes=9223372036854775807-", false, false, 0, BYTES },
	{ "bytes=99999999999999999999999999-", false, false, 0, BYTES },
	{ "bytes=-0", false, false, 0, BYTES },
	/* Not a range, or more than one. */
	{ "bytes", true, false, 0, BYTES },
	{ "bytes=", true, false, 0, BYTES },
	{ "bytes=-", true, false, 0, BYTES },
	{ "bytes=1", true, false, 0, BYTES },
	{ "bytes=2-1", true, false, 0, BYTES },
	{ "bytes=2000-1500", true, false, 0, BYTES },
	{ "bytes=a-b", true, false, 0, BYTES },
	{ "bytes=1-b", true, false, 0, BYTES },
	{ "bytes=0x1-2", true, false, 0, BYTES },
	{ "bytes=+1-2", true, false, 0, BYTES },
	{ "bytes=--1", true, false, 0, BYTES },
	{ "bytes=1--2", true, false, 0, BYTES },
	{ "bytes=1-2-3", true, false, 0, BYTES },
	{ "bytes=1 -2", true, false, 0, BYTES },
	{ "bytes=1-2,4-5", true, false, 0, BYTES },
	{ "bytes=1-2,", true, false, 0, BYTES },
	{ "bytes=1000-,0-1", true, false, 0, BYTES },
	{ "bytes 1-2", true, false, 0, BYTES },
	{ "byte=1-2", true, false, 0, BYTES },
	{ "items=1-2", true, false, 0, BYTES },
	{ "=1-2", true, false, 0, BYTES },
};

static void
headers(void **state)
{
	struct fynq_range r;

	(void)state;
	for (const struct row *row = rows; row < rows + LENGTH(rows); row++) {
		const char *name = row->header != NULL ? row->header : "none";

		assert_case(
		    fynq_range_parse(fynq_str_of(row->header), BYTES, &r) == row->holds, name);
		assert_case(r.part == row->part && r.from == row->from && r.n == row->n, name);
	}
}

/* Of nothing there is no part. */
static void
of_nothing(void **state)
{
	struct fynq_range r;

	(void)state;
	assert_false(fynq_range_parse(FYNQ_STR("bytes=0-"), 0, &r));
	assert_false(fynq_range_parse(FYNQ_STR("bytes=-1"), 0, &r));
	assert_true(fynq_range_parse(FYNQ_STR("bytes=1-0"), 0, &r));
	assert_false(r.part);
	assert_int_equal(r.n, 0);
}

/* The largest file there can be. */
static void
of_the_most(void **state)
{
	struct fynq_range r;

	(void)state;
	assert_true(fynq_range_parse(FYNQ_STR("bytes=9223372036854775806-"), INT64_MAX, &r));
	assert_int_equal(r.n, 1);
	assert_true(fynq_range_parse(FYNQ_STR("bytes=0-9223372036854775807"), INT64_MAX, &r));
	assert_int_equal(r.n, INT64_MAX);
	assert_true(fynq_range_parse(FYNQ_STR("bytes=-9223372036854775807"), INT64_MAX, &r));
	assert_int_equal(r.from, 0);
}

/* One request, as CGI has it; its answer's headers are in rq afterwards. */
static enum fynq_err
ask(struct fynq_req *rq, enum fynq_method method, const char *range, const char *if_range,
    struct fynq_range *r)
{
	fynq_req_reset(rq);
	rq->method = method;
	setenv("HTTP_RANGE", range, 1);
	setenv("HTTP_IF_RANGE", if_range, 1);
	return fynq_range_of(rq, FYNQ_STR("tag"), BYTES, r);
}

static void
requests(void **state)
{
	static const char *const other[] = { "\"other\"", "W/\"tag\"", "tag", "\"tag", "\"ta\"",
		"*", "\"tag\", \"other\"", "Sun, 06 Nov 1994 08:49:37 GMT" };
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct fynq_range r;

	(void)state;
	assert_int_equal(ask(rq, FYNQ_GET, "bytes=1-2", "", &r), FYNQ_OK);
	assert_true(r.part);
	fynq_reply_range(rq, &r, BYTES);
	assert_str(fynq_buf_str(&rq->reply.headers),
	    "Accept-Ranges: bytes\r\nContent-Range: bytes 1-2/1000\r\n");
	assert_int_equal(ask(rq, FYNQ_GET, "bytes=1-2", " \"tag\" ", &r), FYNQ_OK);
	assert_true(r.part);
	for (size_t i = 0; i < LENGTH(other); i++) {
		assert_int_equal(ask(rq, FYNQ_GET, "bytes=1-2", other[i], &r), FYNQ_OK);
		assert_case(!r.part && r.n == BYTES, other[i]);
		fynq_reply_range(rq, &r, BYTES);
		assert_str(fynq_buf_str(&rq->reply.headers), "Accept-Ranges: bytes\r\n");
	}
	assert_int_equal(ask(rq, FYNQ_HEAD, "bytes=1-2", "", &r), FYNQ_OK);
	assert_false(r.part);
	fynq_req_free(&rq);
}

static void
none_of_it(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct fynq_range r;

	(void)state;
	assert_int_equal(ask(rq, FYNQ_GET, "bytes=1000-", "", &r), FYNQ_E_RANGE);
	assert_str(fynq_buf_str(&rq->reply.headers), "Content-Range: bytes */1000\r\n");
	/* What is not to be looked at cannot be wrong. */
	assert_int_equal(ask(rq, FYNQ_GET, "bytes=1000-", "\"other\"", &r), FYNQ_OK);
	fynq_req_free(&rq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(of_nothing),
		cmocka_unit_test(of_the_most),
		cmocka_unit_test(requests),
		cmocka_unit_test(none_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
