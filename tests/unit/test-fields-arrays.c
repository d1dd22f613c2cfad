/*
 * Arrays of strings and of ids in a JSON body.
 */
#include <stdio.h>

#include "http/router.h"
#include "request.h"

#define A "0190163d-8694-739b-aea5-966c26f8ad90"
#define B "0190163d-8694-739b-aea5-966c26f8ad91"

struct arrays_in {
	struct fynq_array tags, ids, any, must;
	struct fynq_json free;
};

static const struct fynq_field tag[] = {
	FYNQ_ITEM(STRING, .max = 5, .format = FYNQ_F_LINE),
	FYNQ_FIELD_END,
};
static const struct fynq_field id[] = { FYNQ_ITEM(UUID), FYNQ_FIELD_END };
static const struct fynq_field note[] = { FYNQ_ITEM(STRING, .blank = true), FYNQ_FIELD_END };
static const struct fynq_field in_free[] = {
	FYNQ_OUT("tags", ARRAY, "Tags.", .max = 2, .sub = tag),
	FYNQ_FIELD_END,
};

static const struct fynq_field table[] = {
	FYNQ_FIELD(arrays_in, tags, FYNQ_IN_BODY | FYNQ_NULLABLE | FYNQ_UNIQUE, "Tags.", .max = 4,
	    .sub = tag),
	FYNQ_FIELD(
	    arrays_in, ids, FYNQ_IN_BODY | FYNQ_UNIQUE, "Ids.", .min = 1, .max = 3, .sub = id),
	FYNQ_FIELD(arrays_in, any, FYNQ_IN_BODY | FYNQ_IN_QUERY, "Any.", .sub = note),
	FYNQ_FIELD(arrays_in, free, FYNQ_IN_BODY, "An object.", .sub = in_free),
	FYNQ_FIELD_END,
};

static const struct fynq_field must[] = {
	FYNQ_FIELD(arrays_in, must, FYNQ_IN_BODY | FYNQ_REQUIRED, "Ids.", .sub = id),
	FYNQ_FIELD_END,
};

static const struct arrays_in *in;
static char outcome[8192];

/* What is wrong with the body, "field:code ...", or "" for nothing. */
static const char *
take(const struct fynq_field *fields, const char *query, const char *body)
{
	static const struct fynq_route route = { .path = "/" };
	const void *read = NULL;
	enum fynq_err e;
	size_t n = 0;

	fynq_req_reset(rq);
	rq->route = &route;
	rq->query = fynq_str_of(query);
	rq->body = fynq_str_of(body);
	rq->content_length = rq->body.n;
	rq->content_type = FYNQ_STR("application/json");
	e = fynq_fields_read(rq, fields, &read);
	in = read;
	snprintf(outcome, sizeof(outcome), "%s",
	    e == FYNQ_OK || e == FYNQ_E_INVALID ? "" : fynq_err_info(e)->code);
	for (size_t i = 0; i < rq->problem.n_faults && i < FYNQ_FAULTS; i++)
		n += (size_t)snprintf(outcome + n, sizeof(outcome) - n, "%s%.*s:%s",
		    i > 0 ? " " : "", FYNQ_STR_ARG(rq->problem.faults[i].field),
		    rq->problem.faults[i].code);
	return outcome;
}

static void
reads_them(void **state)
{
	(void)state;
	assert_string_equal(take(table, NULL,
				"{ \"tags\": [ \"a\\/b\", \"\xc3\xa9\\\"12\\u20ac\" ],\n\"ids\":"
				"[\"0190163D-8694-739B-AEA5-966C26F8AD90\", \"" B "\"],"
				"\"any\":[\"x\",\"x\",\"\"],\"free\":{\"tags\":[\"1\",\"2\"]}}"),
	    "");
	assert_str(in->tags.text, "[\"a/b\",\"\xc3\xa9\\\"12\xe2\x82\xac\"]");
	assert_int_equal(in->tags.n, 2);
	assert_str(in->ids.text, "[\"" A "\",\"" B "\"]");
	assert_int_equal(in->ids.n, 2);
	assert_str(in->any.text, "[\"x\",\"x\",\"\"]");
	assert_int_equal(in->any.n, 3);
	assert_str(in->free.text, "{\"tags\":[\"1\",\"2\"]}");
}

static void
empty_and_absent(void **state)
{
	(void)state;
	assert_string_equal(take(table, NULL, "{\"tags\":[]}"), "");
	assert_str(in->tags.text, "[]");
	assert_int_equal(in->tags.n, 0);
	assert_null(in->ids.text.p);
	assert_int_equal(in->ids.n, 0);
	assert_string_equal(take(table, NULL, "{\"tags\":null}"), "");
	assert_null(in->tags.text.p);
	assert_string_equal(take(must, NULL, "{}"), "must:missing");
	assert_string_equal(take(must, NULL, "{\"must\":null}"), "must:type");
}

static void
faults(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"tags\":\"a\"}", "tags:type" },
		{ "{\"tags\":{}}", "tags:type" },
		{ "{\"ids\":null}", "ids:type" },
		{ "{\"ids\":[]}", "ids:too_short" },
		{ "{\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\"]}", "tags:too_long" },
		{ "{\"tags\":[\"1\",2]}", "tags.1:type" },
		{ "{\"tags\":[null]}", "tags.0:type" },
		{ "{\"tags\":[[\"a\"]]}", "tags.0:type" },
		{ "{\"tags\":[\"a\",\"b\",\"c\",\"123456\"]}", "tags.3:too_long" },
		{ "{\"tags\":[\"12345\",\"\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\"]}",
		    "" },
		{ "{\"tags\":[\"\"]}", "tags.0:too_short" },
		{ "{\"tags\":[\" \\t\"]}", "tags.0:too_short" },
		{ "{\"tags\":[\"a\\nb\"]}", "tags.0:format" },
		{ "{\"tags\":[\"a\\u0001\"]}", "tags.0:format" },
		{ "{\"tags\":[\"a\\u0000\"]}", "bad_json" },
		{ "{\"tags\":[\"a\",\"b\",\"a\",\"a\"]}", "tags.2:not_unique tags.3:not_unique" },
		{ "{\"tags\":[\"a\",\"A\"]}", "" },
		{ "{\"tags\":[1,\"1\"]}", "tags.0:type" },
		{ "{\"ids\":[\"x\",\"" B "\",\"\"]}", "ids.0:format ids.2:format" },
		/* The same id in other letters is the same. */
		{ "{\"ids\":[\"0190163D-8694-739B-AEA5-966C26F8AD90\",\"" A "\"]}",
		    "ids.1:not_unique" },
		{ "{\"free\":{\"tags\":[\"1\",\"2\",\"3\"]}}", "free.tags:too_long" },
		{ "{\"free\":{\"tags\":[\"1\",\"123456\"]}}", "free.tags.1:too_long" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(strcmp(take(table, NULL, cases[i][0]), cases[i][1]) == 0, cases[i][0]);
	assert_string_equal(take(table, "any=[]", "{}"), "any:type");
}

/* 100 items where the row says nothing, and never more faults than a problem holds. */
static void
many(void **state)
{
	struct fynq_buf body = FYNQ_BUF_INIT(8192);

	(void)state;
	for (int n = 100; n <= 101; n++) {
		fynq_buf_reset(&body);
		fynq_buf_add(&body, FYNQ_STR("{\"any\":["));
		for (int i = 0; i < n; i++)
			fynq_buf_printf(&body, "%s\"%d\"", i > 0 ? "," : "", i);
		fynq_buf_add(&body, FYNQ_STR("]}"));
		fynq_buf_add_char(&body, '\0');
		assert_string_equal(take(table, NULL, body.p), n == 100 ? "" : "any:too_long");
	}
	fynq_buf_reset(&body);
	fynq_buf_add(&body, FYNQ_STR("{\"any\":[0"));
	for (int i = 1; i < 100; i++)
		fynq_buf_add(&body, FYNQ_STR(",0"));
	fynq_buf_add(&body, FYNQ_STR("]}"));
	fynq_buf_add_char(&body, '\0');
	take(table, NULL, body.p);
	assert_int_equal(rq->problem.n_faults, 100);
	fynq_buf_release(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_them),
		cmocka_unit_test(empty_and_absent),
		cmocka_unit_test(faults),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("fields-arrays", tests, setup_request, teardown_request);
}
