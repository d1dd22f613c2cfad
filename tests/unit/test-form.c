/*
 * Forms from a body on standard input, as CGI has it, to the struct that a handler gets.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/form.h"
#include "http/router.h"
#include "form.h"

#define ID "0190163d-8694-739b-aea5-966c26f8ad90"

#define SENT(name, filename, type, bytes)                                                          \
	"--b\r\nContent-Disposition: form-data; name=" name "; filename=\"" filename "\"\r\n" type \
	"\r\n" bytes "\r\n"
#define PNG(bytes) SENT("image", "a.png", "Content-Type: image/png\r\n", bytes)
#define TITLE	   TEXT("title", "T")

struct all_in {
	struct fynq_upload image, other;
	struct fynq_str title, note;
	struct fynq_uuid chat;
	bool stream;
	int64_t grade;
	struct fynq_time at;
	struct fynq_json free;
};

static const struct fynq_field all_in[] = {
	FYNQ_FIELD(all_in, image, FYNQ_IN_BODY, "A picture.", .max = 100000),
	FYNQ_FIELD(all_in, other, FYNQ_IN_BODY, "A file.", .min = 2),
	FYNQ_FIELD(all_in, title, FYNQ_IN_BODY | FYNQ_REQUIRED, "A title.", .max = 5),
	FYNQ_FIELD(all_in, note, FYNQ_IN_BODY, "A note.", .max = 500000),
	FYNQ_FIELD(all_in, chat, FYNQ_IN_BODY | FYNQ_NULLABLE, "A chat."),
	FYNQ_FIELD(all_in, stream, FYNQ_IN_BODY, "Or not."),
	FYNQ_FIELD(all_in, grade, FYNQ_IN_BODY, "A number.", .min = 1, .max = 13, .fallback = 7),
	FYNQ_FIELD(all_in, at, FYNQ_IN_BODY, "A time."),
	FYNQ_FIELD(all_in, free, FYNQ_IN_BODY, "Anything."),
	FYNQ_FIELD_END,
};

static const struct fynq_field must_in[] = {
	FYNQ_FIELD(all_in, image, FYNQ_IN_BODY | FYNQ_REQUIRED, "A picture."),
	FYNQ_FIELD_END,
};

/* One of two files; a file, or its name. */
static const struct fynq_field either_in[] = {
	FYNQ_FIELD(all_in, image, FYNQ_IN_BODY | FYNQ_EITHER, "A picture."),
	FYNQ_FIELD(all_in, other, FYNQ_IN_BODY | FYNQ_EITHER, "A file."),
	FYNQ_FIELD(all_in, title, FYNQ_IN_BODY, "A title."),
	FYNQ_FIELD_END,
};

static const struct fynq_field named_in[] = {
	FYNQ_FIELD(all_in, image, FYNQ_IN_BODY | FYNQ_EITHER, "A picture."),
	FYNQ_FIELD(all_in, chat, FYNQ_IN_BODY | FYNQ_NULLABLE | FYNQ_EITHER, "A chat."),
	FYNQ_FIELD_END,
};

#define CHAT  "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
#define ALONE "unsupported_media_type The body must be multipart/form-data."

static const struct fynq_field plain_in[] = {
	FYNQ_FIELD(all_in, title, FYNQ_IN_BODY, "A title."),
	FYNQ_FIELD_END,
};

enum { BODY_MAX = 1100000 };

static const struct all_in *in;
static char outcome[4096];

/*
 * Take a body through its two stages; outcome is "field:code ..." then, or the error's code and
 * detail.
 */
static enum fynq_err
take(const struct fynq_field *table, const char *content_type, struct fynq_str body, size_t length)
{
	static const struct fynq_route route = { .path = "/" };
	const void *read = NULL;
	enum fynq_err e;
	size_t n = 0;

	put_on_stdin(body);
	fynq_req_reset(rq);
	rq->started_us = fynq_clock_mono_us();
	rq->route = &route;
	rq->method = FYNQ_POST;
	rq->path = FYNQ_STR("/");
	rq->content_length = length;
	rq->content_type = fynq_str_of(content_type);
	e = fynq_form_body(rq, table, BODY_MAX);
	if (e == FYNQ_OK)
		e = fynq_fields_read(rq, table, &read);
	in = read;
	outcome[0] = '\0';
	if (e != FYNQ_OK && e != FYNQ_E_INVALID)
		snprintf(outcome, sizeof(outcome), "%s %.*s", fynq_err_info(e)->code,
		    FYNQ_STR_ARG(rq->problem.detail));
	for (size_t i = 0; i < rq->problem.n_faults; i++)
		n += (size_t)snprintf(outcome + n, sizeof(outcome) - n, "%s%.*s:%s",
		    i > 0 ? " " : "", FYNQ_STR_ARG(rq->problem.faults[i].field),
		    rq->problem.faults[i].code);
	return e;
}

static const char *
take_form(struct fynq_str body)
{
	take(all_in, "multipart/form-data; boundary=b", body, body.n);
	return outcome;
}

static const char *
take_json(const struct fynq_field *table, const char *body)
{
	take(table, "application/json", fynq_str_of(body), strlen(body));
	return outcome;
}

/* The upload's file from where it stands to its end. */
static struct fynq_str
rest_of(const struct fynq_upload *u)
{
	char *p = fynq_arena_alloc(rq->arena, 200000);
	ssize_t n = read(u->fd, p, 200000);

	assert_true(n >= 0);
	return (struct fynq_str){ p, (size_t)n };
}

static void
reads_everything(void **state)
{
	struct stat st;

	(void)state;
	assert_string_equal(
	    take_form(FYNQ_STR(TITLE TEXT("chat", "0190163D-8694-739B-AEA5-966C26F8AD90") TEXT(
		"stream", "true") PNG("abc") TEXT("grade", "13") TEXT("note", "a\r\nb \xe2\x82\xac")
		    TEXT("at", "2026-01-31T00:00:00Z") END)),
	    "");
	assert_str(in->title, "T");
	assert_str(fynq_uuid_str(&in->chat), ID);
	assert_true(in->stream);
	assert_int_equal(in->grade, 13);
	assert_str(in->note, "a\r\nb \xe2\x82\xac");
	assert_str(in->at.text, "2026-01-31T00:00:00Z");
	assert_int_equal(in->image.bytes, 3);
	assert_str(in->image.name, "a.png");
	assert_str(in->image.media_type, "image/png");
	assert_string_equal(in->image.sha256, SHA256_ABC);
	assert_int_equal(fstat(in->image.fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_str(rest_of(&in->image), "abc");
	assert_int_equal(in->other.fd, -1);
	assert_int_equal(rq->body.n, 0);
}

static void
closes_its_files(void **state)
{
	int fd;

	(void)state;
	assert_string_equal(take_form(FYNQ_STR(TITLE PNG("abc") END)), "");
	fd = in->image.fd;
	assert_true(fcntl(fd, F_GETFD) >= 0);
	fynq_req_reset(rq);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void
what_was_not_sent(void **state)
{
	(void)state;
	assert_string_equal(take_form(FYNQ_STR(TITLE END)), "");
	assert_int_equal(in->image.fd, -1);
	assert_int_equal(in->image.bytes, 0);
	assert_null(in->image.name.p);
	assert_string_equal(in->image.sha256, "");
	assert_null(in->note.p);
	assert_int_equal(in->grade, 7);
	/* A browser's file that was not chosen. */
	assert_string_equal(take_form(FYNQ_STR(TITLE SENT("image", "",
				"Content-Type: application/octet-stream\r\n", "") END)),
	    "");
	assert_int_equal(in->image.fd, -1);
	assert_string_equal(take_json(all_in, "{\"title\":\"T\"}"), "");
	assert_int_equal(in->image.fd, -1);
	assert_null(rq->form);
}

static void
faults(void **state)
{
	static const struct {
		struct fynq_str body;
		const char *outcome;
	} cases[] = {
		{ FYNQ_STR_INIT(END), "title:missing" },
		{ FYNQ_STR_INIT(TEXT("title", "") END), "title:too_short" },
		{ FYNQ_STR_INIT(TEXT("title", "123456") END), "title:too_long" },
		{ FYNQ_STR_INIT(TEXT("title", "\xff") END), "title:format" },
		{ FYNQ_STR_INIT(TEXT("title", "a\0b") END), "title:format" },
		{ FYNQ_STR_INIT(TEXT("title", "a\1b") END), "title:format" },
		{ FYNQ_STR_INIT(TITLE TITLE END), "title:not_unique" },
		{ FYNQ_STR_INIT(TITLE TITLE TITLE END), "title:not_unique" },
		{ FYNQ_STR_INIT(TITLE PNG("1") PNG("2") END), "image:not_unique" },
		{ FYNQ_STR_INIT(TITLE PNG("1") TEXT("image", "2") END), "image:not_unique" },
		{ FYNQ_STR_INIT(TITLE TEXT("image", "abc") END), "image:type" },
		{ FYNQ_STR_INIT(SENT("title", "a.txt", "", "T") END), "title:type" },
		{ FYNQ_STR_INIT(TITLE PNG("") END), "image:too_small" },
		{ FYNQ_STR_INIT(TITLE SENT("other", "x", "", "1") END), "other:too_small" },
		{ FYNQ_STR_INIT(TITLE TEXT("stream", "1") END), "stream:type" },
		{ FYNQ_STR_INIT(TITLE TEXT("grade", "14") END), "grade:too_large" },
		{ FYNQ_STR_INIT(TITLE TEXT("grade", "\"5\"") END), "grade:type" },
		{ FYNQ_STR_INIT(TITLE TEXT("chat", "") END), "chat:format" },
		{ FYNQ_STR_INIT(TITLE TEXT("free", "{}") END), "free:type" },
		{ FYNQ_STR_INIT(TITLE TEXT("what", "1") SENT("\"\xc3\xa9\"", "x", "", "2") END),
		    "what:unknown \xc3\xa9:unknown" },
		{ FYNQ_STR_INIT(TEXT("zzz", "1") PNG("") TEXT("grade", "0") END),
		    "image:too_small title:missing grade:too_small zzz:unknown" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(strcmp(take_form(cases[i].body), cases[i].outcome) == 0, outcome);
	take(must_in, "multipart/form-data; boundary=b", FYNQ_STR(END), sizeof(END) - 1);
	assert_string_equal(outcome, "image:missing");
	assert_string_equal(take_json(must_in, "{}"), ALONE);
	assert_string_equal(take_json(must_in, ""), "image:missing");
	assert_string_equal(take_json(all_in, "{\"image\":\"abc\",\"title\":\"T\"}"), "image:type");
	assert_string_equal(take_json(all_in, "{\"image\":null,\"title\":\"T\"}"), "image:type");
}

static const char *
take_parts(const struct fynq_field *table, const char *parts)
{
	take(table, "multipart/form-data; boundary=b", fynq_str_of(parts), strlen(parts));
	return outcome;
}

/* Fields that stand for each other. */
static void
one_of_several(void **state)
{
	static const char missing[] = "image:missing", both[] = "image:not_unique";

	(void)state;
	assert_string_equal(take_parts(either_in, PNG("1") END), "");
	assert_string_equal(take_parts(either_in, SENT("other", "x", "", "1") END), "");
	assert_string_equal(take_parts(either_in, TITLE END), missing);
	assert_string_equal(take_parts(either_in, SENT("image", "", "", "") END), missing);
	assert_string_equal(take_parts(either_in, PNG("1") SENT("other", "x", "", "1") END), both);
	assert_string_equal(
	    take_parts(either_in, SENT("image", "", "", "") SENT("other", "x", "", "1") END), "");
	assert_string_equal(take_json(either_in, "{\"title\":\"T\"}"), ALONE);
	assert_string_equal(take_json(either_in, ""), missing);

	assert_string_equal(take_json(named_in, "{\"chat\":\"" CHAT "\"}"), "");
	assert_string_equal(take_json(named_in, "{\"chat\":null}"), missing);
	assert_string_equal(take_json(named_in, "{}"), missing);
	assert_string_equal(take_parts(named_in, PNG("1") END), "");
	assert_string_equal(take_parts(named_in, TEXT("chat", CHAT) END), "");
	assert_string_equal(take_parts(named_in, PNG("1") TEXT("chat", CHAT) END), both);
}

static void
bodies_that_are_refused(void **state)
{
	static const struct {
		const char *type, *outcome;
		struct fynq_str body;
		size_t length; /* 0: the body's */
	} cases[] = {
		{ "text/plain",
		    "unsupported_media_type The body must be multipart/form-data or "
		    "application/json.",
		    FYNQ_STR_INIT("x"), 0 },
		{ "multipart/mixed; boundary=b",
		    "unsupported_media_type The body must be multipart/form-data or "
		    "application/json.",
		    FYNQ_STR_INIT(END), 0 },
		{ "multipart/form-data",
		    "bad_request The Content-Type has no boundary, or a bad one.",
		    FYNQ_STR_INIT(END), 0 },
		{ "multipart/form-data; boundary=b",
		    "bad_request The body ends before its last boundary.", FYNQ_STR_INIT(PNG("1")),
		    0 },
		{ "multipart/form-data; boundary=b",
		    "bad_request A part has no Content-Disposition.",
		    FYNQ_STR_INIT("--b\r\n\r\n" END), 0 },
		{ "multipart/form-data; boundary=b", "bad_request The body ended early.",
		    FYNQ_STR_INIT(TITLE END), sizeof(TITLE END) },
		{ "multipart/form-data; boundary=b",
		    "too_large The body may have at most 1100000 bytes.", FYNQ_STR_INIT(TITLE),
		    BODY_MAX + 1 },
		{ "image/png",
		    "unsupported_media_type The body must be multipart/form-data or "
		    "application/json.",
		    FYNQ_STR_INIT("x"), 300000 },
		/* Of JSON there is no more than elsewhere. */
		{ "application/json", "too_large The body may have at most 262144 bytes.",
		    FYNQ_STR_INIT("{}"), 262145 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		size_t length = cases[i].length > 0 ? cases[i].length : cases[i].body.n;

		take(all_in, cases[i].type, cases[i].body, length);
		assert_case(strcmp(outcome, cases[i].outcome) == 0, outcome);
	}
	take(plain_in, "multipart/form-data; boundary=b", FYNQ_STR(TITLE END), 10);
	assert_string_equal(outcome, "unsupported_media_type The body must be application/json.");
	assert_null(rq->form);
}

/* A form whose last part has n bytes. */
static struct fynq_str
large(const char *head, size_t n)
{
	static char body[BODY_MAX];
	size_t at = (size_t)snprintf(body, sizeof(body), "%s", head);

	assert_true(at + n + 16 < sizeof(body));
	for (size_t i = 0; i < n; i++)
		body[at++] = (char)('0' + i % 7);
	at += (size_t)snprintf(body + at, sizeof(body) - at, "\r\n" END);
	return (struct fynq_str){ body, at };
}

#define OPEN(params) "--b\r\nContent-Disposition: form-data; " params "\r\n\r\n"

static void
large_files(void **state)
{
	static const size_t sizes[] = { 16383, 16384, 65535, 65536, 65537, 99999, 100000 };
	static const char head[] = TITLE OPEN("name=image; filename=a");
	char sha256[FYNQ_SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < LENGTH(sizes); i++) {
		struct fynq_str body = large(head, sizes[i]);
		struct fynq_str bytes = { body.p + sizeof(head) - 1, sizes[i] };

		assert_string_equal(take_form(body), "");
		assert_int_equal(in->image.bytes, sizes[i]);
		fynq_sha256(bytes, sha256);
		assert_string_equal(in->image.sha256, sha256);
		assert_true(fynq_str_eq(rest_of(&in->image), bytes));
	}
	assert_string_equal(
	    take_form(large(head, 100001)), "too_large image may have at most 100000 bytes.");
}

/* What is too large is not read to its end. */
static void
stops_where_it_is_too_large(void **state)
{
	(void)state;
	take_form(large(OPEN("name=image; filename=a"), 1000000));
	assert_string_equal(outcome, "too_large image may have at most 100000 bytes.");
	assert_true(rq->body_read < 100000 + 2 * 262144);
	take_form(large(OPEN("name=note"), 1000000));
	assert_string_equal(
	    outcome, "too_large The form's texts may have at most 262144 bytes together.");
	assert_true(rq->body_read < 262144 + 2 * 262144);
}

static void
texts_together(void **state)
{
	(void)state;
	assert_string_equal(take_form(large(TITLE OPEN("name=note"), 262143)), "");
	assert_int_equal(in->note.n, 262143);
	assert_string_equal(take_form(large(TITLE OPEN("name=note"), 262144)),
	    "too_large The form's texts may have at most 262144 bytes together.");
	/* A part that no field takes is not kept. */
	assert_string_equal(take_form(large(TITLE OPEN("name=what"), 500000)), "what:unknown");
}

static void
nowhere_to_put_it(void **state)
{
	(void)state;
	fynq_config.files_dir = "/nowhere/at/all";
	assert_string_equal(take_form(FYNQ_STR(TITLE PNG("1") END)), "storage_unavailable ");
	fynq_config.files_dir = "/proc";
	assert_string_equal(take_form(FYNQ_STR(TITLE PNG("1") END)), "storage_unavailable ");
	/* A form without a file needs no place. */
	assert_string_equal(take_form(FYNQ_STR(TITLE END)), "");
}

static void
a_full_disk(void **state)
{
	struct fynq_upload u = { .fd = open("/dev/full", O_WRONLY | O_CLOEXEC) };

	(void)state;
	if (u.fd < 0)
		skip();
	assert_int_equal(fynq_upload_add(rq, &u, fynq_digest_new(rq->arena), FYNQ_STR("abc")),
	    FYNQ_E_INSUFFICIENT_STORAGE);
	close(u.fd);
}

static const char *
fingerprint(const char *type, struct fynq_str body)
{
	char *hex = malloc(FYNQ_SHA256_SIZE);

	assert_case(take(all_in, type, body, body.n) == FYNQ_OK, outcome);
	fynq_req_fingerprint(rq, hex);
	return hex;
}

#define SAME(a, b) (strcmp((a), (b)) == 0)

static void
fingerprints(void **state)
{
	static const struct {
		const char *type;
		struct fynq_str body;
		int same_as; /* the row that is the same request, or -1 */
	} cases[] = {
		{ "multipart/form-data; boundary=b", FYNQ_STR_INIT(TITLE PNG("abc") END), -1 },
		{ "multipart/form-data; boundary=\"b\"",
		    FYNQ_STR_INIT("x\r\n" TITLE PNG("abc") END), 0 },
		{ "multipart/form-data; boundary=b", FYNQ_STR_INIT(TITLE PNG("abd") END), -1 },
		{ "multipart/form-data; boundary=b",
		    FYNQ_STR_INIT(TEXT("title", "S") PNG("abc") END), -1 },
		{ "multipart/form-data; boundary=b", FYNQ_STR_INIT(TITLE END), -1 },
		{ "multipart/form-data; boundary=b",
		    FYNQ_STR_INIT(TITLE SENT("other", "a.png", "", "abc") END), -1 },
		{ "multipart/form-data; boundary=b",
		    FYNQ_STR_INIT(TITLE TEXT("note", SHA256_ABC) END), -1 },
		{ "application/json", FYNQ_STR_INIT("{\"title\":\"T\"}"), -1 },
		{ "application/json; charset=utf-8", FYNQ_STR_INIT("{\"title\":\"T\"}"), 7 },
		{ "application/json", FYNQ_STR_INIT("{\"title\":\"S\"}"), -1 },
	};
	char *hex[LENGTH(cases)], other[FYNQ_SHA256_SIZE];

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		hex[i] = (char *)(uintptr_t)fingerprint(cases[i].type, cases[i].body);
		assert_int_equal(strlen(hex[i]), 64);
		for (size_t k = 0; k < i; k++)
			assert_case(
			    SAME(hex[i], hex[k]) == (cases[i].same_as == (int)k), cases[i].body.p);
	}
	rq->path = FYNQ_STR("/b");
	fynq_req_fingerprint(rq, other);
	assert_string_not_equal(other, hex[LENGTH(cases) - 1]);
	rq->path = FYNQ_STR("/");
	rq->method = FYNQ_PUT;
	fynq_req_fingerprint(rq, other);
	assert_string_not_equal(other, hex[LENGTH(cases) - 1]);
	for (size_t i = 0; i < LENGTH(cases); i++)
		free(hex[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(closes_its_files),
		cmocka_unit_test(what_was_not_sent),
		cmocka_unit_test(faults),
		cmocka_unit_test(one_of_several),
		cmocka_unit_test(bodies_that_are_refused),
		cmocka_unit_test(large_files),
		cmocka_unit_test(stops_where_it_is_too_large),
		cmocka_unit_test(texts_together),
		cmocka_unit_test(a_full_disk),
		cmocka_unit_test(fingerprints),
		cmocka_unit_test(nowhere_to_put_it),
	};

	return cmocka_run_group_tests_name("form", tests, setup_form, teardown_form);
}
