#include "gemini/sse.h"
#include "unit.h"

/* A reader that writes each event down, a bar after it. */
struct tape {
	struct fynq_sse sse;
	struct fynq_buf events;
	int count;
};

static void
record(void *arg, struct fynq_str data)
{
	struct tape *tape = arg;

	fynq_buf_add(&tape->events, data);
	fynq_buf_add_char(&tape->events, '|');
	tape->count++;
}

static void
start(struct tape *tape)
{
	*tape = (struct tape){ .events = FYNQ_BUF_INIT(2 * FYNQ_SSE_EVENT_MAX) };
	fynq_sse_init(&tape->sse, record, tape);
}

static void
stop(struct tape *tape)
{
	fynq_sse_release(&tape->sse);
	fynq_buf_release(&tape->events);
}

static const struct stream {
	const char *name;
	struct fynq_str bytes;
	const char *events, *raw;
} streams[] = {
	{ "nothing", FYNQ_STR_INIT(""), "", "" },
	{ "one event", FYNQ_STR_INIT("data: {\"a\":1}\n\n"), "{\"a\":1}|", "" },
	{ "two events", FYNQ_STR_INIT("data: a\n\ndata: b\n\n"), "a|b|", "" },
	{ "ends in CRLF", FYNQ_STR_INIT("data: a\r\n\r\ndata: b\r\n\r\n"), "a|b|", "" },
	{ "LF and CRLF", FYNQ_STR_INIT("data: a\n\r\ndata: b\r\n\ndata: c\n\n"), "a|b|c|", "" },
	{ "a CR inside", FYNQ_STR_INIT("data: a\rdata: b\n\n"), "a\rdata: b|", "" },
	{ "a CR before CRLF", FYNQ_STR_INIT("data: a\r\r\n\r\n"), "a\r|", "" },
	{ "several data lines", FYNQ_STR_INIT("data: {\ndata:  \"a\":\r\ndata: 1}\n\n"),
	    "{\n \"a\":\n1}|", "" },
	{ "an empty data line after others", FYNQ_STR_INIT("data: a\ndata:\ndata: b\n\n"),
	    "a\n\nb|", "" },
	{ "no space after the colon", FYNQ_STR_INIT("data:a\n\n"), "a|", "" },
	{ "two spaces after the colon", FYNQ_STR_INIT("data:  a\n\n"), " a|", "" },
	{ "a tab after the colon", FYNQ_STR_INIT("data:\ta\n\n"), "\ta|", "" },
	{ "a space at the end", FYNQ_STR_INIT("data: a \n\n"), "a |", "" },
	{ "a colon inside", FYNQ_STR_INIT("data: a: b\n\n"), "a: b|", "" },
	{ "no data", FYNQ_STR_INIT("\n\n\r\n"), "", "" },
	{ "empty data", FYNQ_STR_INIT("data:\n\ndata: \n\ndata: a\n\n"), "a|", "" },
	{ "empty lines between", FYNQ_STR_INIT("data: a\n\n\n\r\n\ndata: b\n\n"), "a|b|", "" },
	{ "comments", FYNQ_STR_INIT(":\n: hello\n:data: x\ndata: a\n: still here\ndata: b\n\n"),
	    "a\nb|", "" },
	{ "the other fields",
	    FYNQ_STR_INIT("event: delta\nid: 7\nretry: 10\ndata: a\nevent:x\nid:\nretry:5\n\n"),
	    "a|", "" },
	{ "an event without data", FYNQ_STR_INIT("event: ping\n\ndata: a\n\n"), "a|", "" },
	{ "characters of several bytes",
	    FYNQ_STR_INIT("data: \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n\n"),
	    "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|", "" },
	{ "an error on one line", FYNQ_STR_INIT("data: a\n\n{\"error\":{\"code\":503}}\n\n"), "a|",
	    "{\"error\":{\"code\":503}}\n" },
	{ "an error on many lines",
	    FYNQ_STR_INIT(
		"data: a\r\n\r\n[{\r\n  \"error\": {\r\n    \"code\": 429\r\n  }\r\n}\r\n]"),
	    "a|", "[{\n  \"error\": {\n    \"code\": 429\n  }\n}\n]\n" },
	{ "an error after an event's first line", FYNQ_STR_INIT("data: a\n{\"error\":{}}\n"), "a|",
	    "{\"error\":{}}\n" },
	{ "a page of HTML", FYNQ_STR_INIT("<html>\n\n<p>Bad gateway\n</html>\n"), "",
	    "<html>\n<p>Bad gateway\n</html>\n" },
	{ "no empty line at the end", FYNQ_STR_INIT("data: a\n\ndata: b\n"), "a|b|", "" },
	{ "no end of line at the end", FYNQ_STR_INIT("data: a\n\ndata: b"), "a|b|", "" },
	{ "a CR at the end", FYNQ_STR_INIT("data: a\r\n\r\ndata: b\r"), "a|b|", "" },
	{ "cut in the middle of a name", FYNQ_STR_INIT("data: a\n\ndat"), "a|", "dat\n" },
};

static void
expect(struct tape *tape, const struct stream *s, size_t cut)
{
	struct fynq_str raw = fynq_buf_str(&tape->sse.raw);

	if (!fynq_sse_finish(&tape->sse))
		fail_msg("%s, cut at %zu: it did not finish", s->name, cut);
	if (!fynq_str_eq(fynq_buf_str(&tape->events), fynq_str_of(s->events)))
		fail_msg("%s, cut at %zu: the events are %.*s", s->name, cut,
		    FYNQ_STR_ARG(fynq_buf_str(&tape->events)));
	raw = fynq_buf_str(&tape->sse.raw);
	if (!fynq_str_eq(raw, fynq_str_of(s->raw)))
		fail_msg("%s, cut at %zu: raw is %.*s", s->name, cut, FYNQ_STR_ARG(raw));
}

/* Bytes that go away after the call, so that what was kept of them is seen. */
static bool
feed(struct tape *tape, struct fynq_str bytes)
{
	char *copy = malloc(bytes.n + 1);
	bool ok;

	assert_non_null(copy);
	memcpy(copy, bytes.p, bytes.n);
	ok = fynq_sse_feed(&tape->sse, (struct fynq_str){ copy, bytes.n });
	free(copy);
	return ok;
}

/* In two pieces, cut at every place; in one where the cut is at an end. */
static void
reads_streams_cut_anywhere(void **state)
{
	struct tape tape;

	(void)state;
	for (size_t i = 0; i < LENGTH(streams); i++) {
		const struct stream *s = &streams[i];

		for (size_t cut = 0; cut <= s->bytes.n; cut++) {
			start(&tape);
			assert_true(feed(&tape, (struct fynq_str){ s->bytes.p, cut }));
			assert_true(
			    feed(&tape, (struct fynq_str){ s->bytes.p + cut, s->bytes.n - cut }));
			expect(&tape, s, cut);
			stop(&tape);
		}
	}
}

static void
reads_streams_byte_by_byte(void **state)
{
	struct tape tape;

	(void)state;
	for (size_t i = 0; i < LENGTH(streams); i++) {
		start(&tape);
		for (size_t at = 0; at < streams[i].bytes.n; at++)
			assert_true(feed(&tape, (struct fynq_str){ streams[i].bytes.p + at, 1 }));
		expect(&tape, &streams[i], 1);
		stop(&tape);
	}
}

/* An event is told when its empty line has come, not when the next one begins. */
static void
tells_an_event_at_once(void **state)
{
	struct tape tape;

	(void)state;
	start(&tape);
	assert_true(feed(&tape, FYNQ_STR("data: a\r\n")));
	assert_int_equal(tape.count, 0);
	assert_true(feed(&tape, FYNQ_STR("\r")));
	assert_int_equal(tape.count, 0);
	assert_true(feed(&tape, FYNQ_STR("\n")));
	assert_int_equal(tape.count, 1);
	stop(&tape);
}

/* n times the byte c. */
static struct fynq_str
many(char c, size_t n)
{
	char *p = malloc(n);

	assert_non_null(p);
	memset(p, c, n);
	return (struct fynq_str){ p, n };
}

static void
let_go(struct fynq_str s)
{
	free((void *)(uintptr_t)s.p);
}

enum { ROOM = FYNQ_SSE_EVENT_MAX - 6 }; /* beside "data: " on a line of the greatest length */

static void
takes_the_largest_event(void **state)
{
	struct fynq_str x = many('x', ROOM);
	struct tape tape;

	(void)state;
	start(&tape);
	assert_true(feed(&tape, FYNQ_STR("data: ")));
	assert_true(feed(&tape, x));
	assert_true(feed(&tape, FYNQ_STR("\n\n")));
	assert_int_equal(tape.events.n, ROOM + 1);
	assert_memory_equal(tape.events.p, x.p, ROOM);
	assert_true(feed(&tape, FYNQ_STR("data: a\n\n")));
	assert_int_equal(tape.count, 2);
	assert_true(fynq_sse_finish(&tape.sse));
	stop(&tape);
	let_go(x);
}

/* Fed piece by piece, the last one being more than fits: refused, and told to nobody; nor is what
 * follows. */
static void
refuses_what_is_too_large(void **state)
{
	static const struct {
		const char *name;
		struct fynq_str before, after;
		size_t n;
	} cases[] = {
		{ "a line that goes on", FYNQ_STR_INIT("data: "), FYNQ_STR_INIT("y"), ROOM },
		{ "a line that ends", FYNQ_STR_INIT("data: "), FYNQ_STR_INIT("y\n"), ROOM },
		{ "an event that ends", FYNQ_STR_INIT("data: "), FYNQ_STR_INIT("y\n\n"), ROOM },
		{ "an event of two lines", FYNQ_STR_INIT("data: xxxxxx\ndata: "),
		    FYNQ_STR_INIT("\n\n"), ROOM },
		{ "what is no event", FYNQ_STR_INIT("{"), FYNQ_STR_INIT("\n"), FYNQ_SSE_RAW_MAX },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fynq_str x = many('x', cases[i].n);
		struct tape tape;

		start(&tape);
		assert_case(feed(&tape, cases[i].before), cases[i].name);
		assert_case(feed(&tape, x), cases[i].name);
		assert_case(!feed(&tape, cases[i].after), cases[i].name);
		assert_case(!feed(&tape, FYNQ_STR("\n\ndata: a\n\n")), cases[i].name);
		assert_case(!fynq_sse_finish(&tape.sse), cases[i].name);
		assert_case(tape.count == 0, cases[i].name);
		stop(&tape);
		let_go(x);
	}
}

/* The same where only the end of the body ends it. */
static void
refuses_at_the_end_what_is_too_large(void **state)
{
	static const struct {
		const char *name;
		struct fynq_str before;
		size_t n;
	} cases[] = {
		{ "an event of two lines", FYNQ_STR_INIT("data: xxxxxx\ndata: "), ROOM },
		{ "what is no event", FYNQ_STR_INIT("{"), FYNQ_SSE_RAW_MAX },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fynq_str x = many('x', cases[i].n);
		struct tape tape;

		start(&tape);
		assert_case(feed(&tape, cases[i].before), cases[i].name);
		assert_case(feed(&tape, x), cases[i].name);
		assert_case(!fynq_sse_finish(&tape.sse), cases[i].name);
		assert_case(tape.count == 0, cases[i].name);
		stop(&tape);
		let_go(x);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_streams_cut_anywhere),
		cmocka_unit_test(reads_streams_byte_by_byte),
		cmocka_unit_test(tells_an_event_at_once),
		cmocka_unit_test(takes_the_largest_event),
		cmocka_unit_test(refuses_what_is_too_large),
		cmocka_unit_test(refuses_at_the_end_what_is_too_large),
	};

	return cmocka_run_group_tests_name("sse", tests, NULL, NULL);
}
