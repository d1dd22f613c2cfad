/*
 * Several files under one name, and what a caller may send at most.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/form.h"
#include "http/router.h"
#include "form.h"

#define SENT(name, filename, bytes)                                                  \
	"--b\r\nContent-Disposition: form-data; name=" name "; filename=\"" filename \
	"\"\r\nContent-Type: text/plain\r\n\r\n" bytes "\r\n"
#define FILE_1(bytes) SENT("files", "a.txt", bytes)

struct files_in {
	struct fynq_uploads files, pair;
	struct fynq_upload file;
	struct fynq_str purpose;
};

static const struct fynq_field table[] = {
	FYNQ_FIELD(files_in, files, FYNQ_IN_BODY, "Files.", .min = 2, .max = 10, .items = 3),
	FYNQ_FIELD(files_in, pair, FYNQ_IN_BODY, "More files."),
	FYNQ_FIELD(files_in, file, FYNQ_IN_BODY, "A file.", .max = 10),
	FYNQ_FIELD(files_in, purpose, FYNQ_IN_BODY, "What for."),
	FYNQ_FIELD_END,
};

static const struct fynq_field must[] = {
	FYNQ_FIELD(files_in, files, FYNQ_IN_BODY | FYNQ_REQUIRED, "Files."),
	FYNQ_FIELD_END,
};

static const struct files_in *in;
static char outcome[4096];

/* "field:code ..." for faults, the error's detail for another error, "" for none. */
static const char *
take(const struct fynq_field *fields, const char *type, const char *body, int64_t file_max)
{
	static const struct fynq_route route = { .path = "/" };
	const void *read = NULL;
	enum fynq_err e;
	size_t n = 0;

	put_on_stdin(fynq_str_of(body));
	fynq_req_reset(rq);
	rq->started_us = fynq_clock_mono_us();
	rq->route = &route;
	rq->content_length = strlen(body);
	rq->content_type = fynq_str_of(type);
	rq->file_max = file_max;
	e = fynq_form_body(rq, fields, 600000);
	if (e == FYNQ_OK)
		e = fynq_fields_read(rq, fields, &read);
	in = read;
	snprintf(outcome, sizeof(outcome), "%.*s", FYNQ_STR_ARG(rq->problem.detail));
	assert_int_equal(e == FYNQ_E_INVALID, rq->problem.n_faults > 0);
	for (size_t i = 0; i < rq->problem.n_faults; i++)
		n += (size_t)snprintf(outcome + n, sizeof(outcome) - n, "%s%.*s:%s",
		    i > 0 ? " " : "", FYNQ_STR_ARG(rq->problem.faults[i].field),
		    rq->problem.faults[i].code);
	return outcome;
}

static const char *
take_form(const char *body)
{
	return take(table, "multipart/form-data; boundary=b", body, 0);
}

static void
assert_holds(const struct fynq_upload *u, const char *name, const char *bytes)
{
	char have[32] = "";

	assert_str(u->name, name);
	assert_int_equal(u->bytes, strlen(bytes));
	assert_int_equal(read(u->fd, have, sizeof(have) - 1), strlen(bytes));
	assert_string_equal(have, bytes);
}

static void
reads_them_in_their_order(void **state)
{
	(void)state;
	assert_string_equal(
	    take_form(FILE_1("abc") TEXT("purpose", "chat") SENT("file", "c", "1")
		    SENT("files", "b.txt", "defg") SENT("pair", "p", "2") FILE_1("hi") END),
	    "");
	assert_int_equal(in->files.n, 3);
	assert_holds(&in->files.p[0], "a.txt", "abc");
	assert_holds(&in->files.p[1], "b.txt", "defg");
	assert_holds(&in->files.p[2], "a.txt", "hi");
	assert_string_equal(in->files.p[0].sha256, SHA256_ABC);
	assert_str(in->files.p[1].media_type, "text/plain");
	assert_int_equal(in->pair.n, 1);
	assert_holds(&in->pair.p[0], "p", "2");
	assert_holds(&in->file, "c", "1");
	assert_str(in->purpose, "chat");
}

static void
none(void **state)
{
	static const char unchosen[] = SENT("files", "", "") END;

	(void)state;
	assert_string_equal(take_form(END), "");
	assert_int_equal(in->files.n, 0);
	assert_string_equal(take_form(unchosen), "");
	assert_int_equal(in->files.n, 0);
	assert_string_equal(
	    take(must, "multipart/form-data; boundary=b", unchosen, 0), "files:missing");
	assert_string_equal(
	    take(must, "application/json", "{}", 0), "The body must be multipart/form-data.");
}

static void
faults(void **state)
{
	static const char *const cases[][2] = {
		{ FILE_1("abc") FILE_1("1") FILE_1("") END, "files.1:too_small files.2:too_small" },
		{ FILE_1("abc") TEXT("files", "abc") END, "files.1:type" },
		{ TEXT("files", "abc") END, "files.0:type" },
		{ FILE_1("12345678901") END, "files.0 may have at most 10 bytes." },
		{ FILE_1("123") FILE_1("12345678901") END, "files.1 may have at most 10 bytes." },
		{ FILE_1("11") FILE_1("22") FILE_1("33") FILE_1("44") TEXT("x", "y") END,
		    "files:too_long" },
		{ SENT("file", "a", "1") SENT("file", "a", "2") END, "file:not_unique" },
		{ TEXT("purpose", "a") TEXT("purpose", "a") END, "purpose:not_unique" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(strcmp(take_form(cases[i][0]), cases[i][1]) == 0, outcome);
}

/* As many descriptors as the row says, whatever else is in the body. */
static void
opens_no_more_than_it_takes(void **state)
{
	struct fynq_buf body = FYNQ_BUF_INIT(65536);
	int before = dup(STDIN_FILENO), after;

	(void)state;
	close(before);
	for (int i = 0; i < 2; i++)
		fynq_buf_add(&body, FYNQ_STR(FILE_1("abc")));
	for (int i = 0; i < 20; i++)
		fynq_buf_add(&body, FYNQ_STR(SENT("file", "x", "1") SENT("what", "x", "1")));
	fynq_buf_add(&body, FYNQ_STR(END "\0"));
	take_form(body.p);
	assert_non_null(strstr(outcome, "file:not_unique"));
	after = dup(STDIN_FILENO);
	close(after);
	assert_true(after <= before + 4);
	fynq_buf_release(&body);
}

static void
what_the_caller_may_send(void **state)
{
	static const char type[] = "multipart/form-data; boundary=b";

	(void)state;
	assert_string_equal(take(table, type, SENT("file", "a", "12345") END, 5), "");
	assert_string_equal(take(table, type, SENT("file", "a", "123456") END, 5),
	    "file may have at most 5 bytes.");
	assert_string_equal(take(table, type, FILE_1("12") FILE_1("123456") END, 5),
	    "files.1 may have at most 5 bytes.");
	/* The field's own is in force where it is less. */
	assert_string_equal(
	    take(table, type, FILE_1("12345678901") END, 50), "files.0 may have at most 10 bytes.");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_them_in_their_order),
		cmocka_unit_test(none),
		cmocka_unit_test(faults),
		cmocka_unit_test(opens_no_more_than_it_takes),
		cmocka_unit_test(what_the_caller_may_send),
	};

	return cmocka_run_group_tests_name("form-files", tests, setup_form, teardown_form);
}
