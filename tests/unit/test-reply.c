#include <stdio.h>

#include "gemini/json.h"
#include "gemini/reply.h"
#include "unit.h"

enum { MAX = 4096, OBJECTS = 6 };

/* What Gemini sends; PARTS and TEXT write what it wraps around parts and around a plain text. */
#define PARTS(parts) "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]}}]}"
#define TEXT(text)   PARTS("{\"text\":\"" text "\"}")
#define STOP	     "{\"candidates\":[{\"finishReason\":\"STOP\"}]}"

static const struct stream {
	const char *name;
	const char *objects[OBJECTS];
	const char *text, *parts;
} streams[] = {
	{ "nothing", { NULL }, "", "[]" },
	{ "plain parts are joined", { TEXT("a"), TEXT("b"), TEXT("c") }, "abc",
	    "[{\"text\":\"abc\"}]" },
	{ "plain parts of one object are joined", { PARTS("{\"text\":\"a\"},{\"text\":\"b\"}") },
	    "ab", "[{\"text\":\"ab\"}]" },
	{ "a signature stays with its part, in its place",
	    { TEXT("a"), TEXT("b"), PARTS("{\"text\":\"c\",\"thoughtSignature\":\"AA/B==\"}"),
		TEXT("d"), TEXT("e") },
	    "abcde",
	    "[{\"text\":\"ab\"},{\"text\":\"c\",\"thoughtSignature\":\"AA/B==\"},"
	    "{\"text\":\"de\"}]" },
	{ "a signature of its own at the end",
	    { TEXT("a"), PARTS("{\"text\":\"\",\"thoughtSignature\":\"AA==\"}") }, "a",
	    "[{\"text\":\"a\"},{\"text\":\"\",\"thoughtSignature\":\"AA==\"}]" },
	{ "parts with signatures are not joined",
	    { PARTS("{\"text\":\"a\",\"thoughtSignature\":\"1\"},"
		    "{\"text\":\"b\",\"thoughtSignature\":\"2\"}") },
	    "ab",
	    "[{\"text\":\"a\",\"thoughtSignature\":\"1\"},"
	    "{\"text\":\"b\",\"thoughtSignature\":\"2\"}]" },
	{ "a thought is kept and not shown",
	    { PARTS("{\"text\":\"hm\",\"thought\":true}"), TEXT("a"),
		PARTS("{\"thought\":true,\"text\":\"so\"}"), TEXT("b") },
	    "ab",
	    "[{\"text\":\"hm\",\"thought\":true},{\"text\":\"a\"},"
	    "{\"thought\":true,\"text\":\"so\"},{\"text\":\"b\"}]" },
	{ "no thought", { PARTS("{\"text\":\"a\",\"thought\":false}"), TEXT("b") }, "ab",
	    "[{\"text\":\"a\",\"thought\":false},{\"text\":\"b\"}]" },
	{ "only thoughts", { PARTS("{\"text\":\"hm\",\"thought\":true}") }, "",
	    "[{\"text\":\"hm\",\"thought\":true}]" },
	{ "a part of another kind",
	    { TEXT("a"),
		PARTS("{\"functionCall\":{\"name\":\"f\",\"args\":{\"n\":1.50,\"u\":\"a/b\"}}}"),
		TEXT("b") },
	    "ab",
	    "[{\"text\":\"a\"},"
	    "{\"functionCall\":{\"name\":\"f\",\"args\":{\"n\":1.50,\"u\":\"a/b\"}}},"
	    "{\"text\":\"b\"}]" },
	{ "an empty text", { TEXT("a"), TEXT(""), TEXT("b") }, "ab", "[{\"text\":\"ab\"}]" },
	{ "nothing but an empty text", { TEXT("") }, "", "[]" },
	{ "an empty part", { PARTS("{}") }, "", "[{}]" },
	{ "empty parts", { TEXT("a"), PARTS("") }, "a", "[{\"text\":\"a\"}]" },
	{ "content without parts",
	    { TEXT("a"), "{\"candidates\":[{\"content\":{\"role\":\"model\"}}]}" }, "a",
	    "[{\"text\":\"a\"}]" },
	{ "a candidate without content", { TEXT("a"), "{\"candidates\":[{\"index\":0}]}" }, "a",
	    "[{\"text\":\"a\"}]" },
	{ "no candidate", { "{\"candidates\":[]}", "{}", TEXT("a") }, "a", "[{\"text\":\"a\"}]" },
	{ "two candidates",
	    { "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}},"
	      "{\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}" },
	    "a", "[{\"text\":\"a\"}]" },
	{ "members of other types",
	    { "{\"candidates\":{},\"usageMetadata\":[],\"promptFeedback\":1,\"modelVersion\":{}}",
		"{\"candidates\":[7]}", "{\"candidates\":[{\"content\":\"a\",\"finishReason\":1}]}",
		"{\"candidates\":[{\"content\":{\"parts\":{\"text\":\"a\"}}}]}",
		"{\"error\":\"x\"}" },
	    "", "[]" },
	{ "a text of another type", { PARTS("{\"text\":1}"), TEXT("a") }, "a",
	    "[{\"text\":1},{\"text\":\"a\"}]" },
	{ "escapes", { TEXT("\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00"), TEXT("\xe2\x82\xac") },
	    "\"\\/\n\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac",
	    "[{\"text\":\"\\\"\\\\/\\n\xc3\xa9\xf0\x9f\x98\x80\xe2\x82\xac\"}]" },
	{ "a NUL inside a text", { TEXT("a\\u0000b\\u0000"), TEXT("\\u0000") }, "ab",
	    "[{\"text\":\"ab\"}]" },
	{ "whitespace around", { " \r\n\t" TEXT("a") "\n\n" }, "a", "[{\"text\":\"a\"}]" },
};

static struct fynq_gemini_reply reply;
static struct fynq_buf told, parts;

static int
setup(void **state)
{
	(void)state;
	fynq_gemini_reply_init(&reply, MAX);
	told = (struct fynq_buf)FYNQ_BUF_INIT(16 * MAX);
	parts = (struct fynq_buf)FYNQ_BUF_INIT(16 * MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fynq_gemini_reply_release(&reply);
	fynq_buf_release(&told);
	fynq_buf_release(&parts);
	return 0;
}

static void
again(void)
{
	teardown(NULL);
	setup(NULL);
}

/* Take an object and note the text that it is said to have added. */
static bool
take(struct fynq_str json)
{
	struct fynq_str text;
	bool ok = fynq_gemini_reply_add(&reply, json, &text);

	fynq_buf_add(&told, text);
	return ok;
}

static bool
take_z(const char *json)
{
	return take(fynq_str_of(json));
}

static struct fynq_str
all_parts(void)
{
	fynq_buf_reset(&parts);
	fynq_gemini_reply_parts(&reply, &parts);
	return fynq_buf_str(&parts);
}

static void
puts_replies_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(streams); i++) {
		const struct stream *s = &streams[i];

		again();
		for (size_t k = 0; k < OBJECTS && s->objects[k] != NULL; k++)
			assert_case(take_z(s->objects[k]), s->name);
		if (!fynq_str_eq(fynq_buf_str(&reply.text), fynq_str_of(s->text)))
			fail_msg("%s: the text is %.*s", s->name,
			    FYNQ_STR_ARG(fynq_buf_str(&reply.text)));
		if (!fynq_str_eq(fynq_buf_str(&told), fynq_str_of(s->text)))
			fail_msg("%s: it told %.*s", s->name, FYNQ_STR_ARG(fynq_buf_str(&told)));
		if (!fynq_str_eq(all_parts(), fynq_str_of(s->parts)))
			fail_msg("%s: the parts are %.*s", s->name, FYNQ_STR_ARG(all_parts()));
	}
}

/* Asking for the parts half way changes nothing. */
static void
gives_the_parts_so_far(void **state)
{
	(void)state;
	assert_true(take_z(TEXT("a")));
	assert_str(all_parts(), "[{\"text\":\"a\"}]");
	assert_true(take_z(TEXT("b")));
	assert_str(all_parts(), "[{\"text\":\"ab\"}]");
	assert_true(take_z(PARTS("{\"text\":\"c\",\"thoughtSignature\":\"s\"}")));
	assert_str(all_parts(), "[{\"text\":\"ab\"},{\"text\":\"c\",\"thoughtSignature\":\"s\"}]");
}

static void
refuses_what_is_no_object(void **state)
{
	static const struct {
		const char *name;
		struct fynq_str json;
	} cases[] = {
		{ "nothing", FYNQ_STR_INIT("") },
		{ "a word", FYNQ_STR_INIT("x") },
		{ "null", FYNQ_STR_INIT("null") },
		{ "a number", FYNQ_STR_INIT("1") },
		{ "a string", FYNQ_STR_INIT("\"a\"") },
		{ "an array", FYNQ_STR_INIT("[" TEXT("a") "]") },
		{ "the end of streams elsewhere", FYNQ_STR_INIT("[DONE]") },
		{ "half an object", FYNQ_STR_INIT("{\"candidates\":[{\"content\":{\"parts\":[") },
		{ "two objects", FYNQ_STR_INIT(TEXT("a") TEXT("b")) },
		{ "something behind it", FYNQ_STR_INIT(TEXT("a") "x") },
		{ "something behind a NUL", FYNQ_STR_INIT(TEXT("a") "\0x") },
		{ "a NUL behind it", FYNQ_STR_INIT(TEXT("a") "\0") },
		{ "a NUL inside", FYNQ_STR_INIT(TEXT("a\0b")) },
		{ "a lone continuation byte", FYNQ_STR_INIT(TEXT("\x80")) },
		{ "a character cut short", FYNQ_STR_INIT(TEXT("\xe2\x82")) },
		{ "an overlong form", FYNQ_STR_INIT(TEXT("\xc0\x80")) },
		{ "a surrogate", FYNQ_STR_INIT(TEXT("\xed\xa0\x80")) },
		{ "past U+10FFFF", FYNQ_STR_INIT(TEXT("\xf4\x90\x80\x80")) },
		{ "a byte that is never in UTF-8", FYNQ_STR_INIT(TEXT("\xff")) },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		again();
		assert_case(!take(cases[i].json), cases[i].name);
		assert_case(reply.text.n == 0 && told.n == 0, cases[i].name);
		/* The next one is read as if nothing had been. */
		assert_case(take_z(TEXT("b")), cases[i].name);
		assert_case(fynq_str_eq(fynq_buf_str(&reply.text), FYNQ_STR("b")), cases[i].name);
	}
}

/* Of n objects, or arrays, one inside the other. */
static bool
takes_depth(int n, const char *open, const char *close)
{
	struct fynq_buf b = FYNQ_BUF_INIT(65536);
	bool ok;

	for (int i = 0; i < n; i++)
		fynq_buf_printf(&b, "%s", open);
	fynq_buf_add(&b, FYNQ_STR("{}"));
	for (int i = 0; i < n; i++)
		fynq_buf_printf(&b, "%s", close);
	ok = take(fynq_buf_str(&b));
	fynq_buf_release(&b);
	return ok;
}

static void
bounds_the_depth(void **state)
{
	(void)state;
	assert_true(takes_depth(20, "{\"a\":", "}"));
	assert_false(takes_depth(40, "{\"a\":", "}"));
	assert_false(takes_depth(5000, "{\"a\":", "}"));
	assert_false(takes_depth(5000, "{\"a\":[", "]}"));
	assert_true(take_z(TEXT("a")));
}

/* What goes back to Gemini and into PostgreSQL's jsonb must be JSON, whatever json-c takes. */
static void
lets_no_bad_json_into_the_parts(void **state)
{
	static const char *const values[] = { "NaN", "Infinity", "-Infinity", "1.", "-.5", "'x'" };

	(void)state;
	for (size_t i = 0; i < LENGTH(values); i++) {
		struct fynq_buf json = FYNQ_BUF_INIT(MAX);

		again();
		fynq_buf_printf(
		    &json, PARTS("{\"functionCall\":{\"args\":{\"x\":%s}}}"), values[i]);
		if (take(fynq_buf_str(&json)))
			assert_case(memmem(all_parts().p, all_parts().n, values[i],
					strlen(values[i])) == NULL,
			    values[i]);
		fynq_buf_release(&json);
	}
}

static void
judges(void **state)
{
	static const struct {
		const char *reason;
		enum fynq_err with_text, without;
	} cases[] = {
		{ "STOP", FYNQ_OK, FYNQ_E_GEMINI_EMPTY },
		{ "MAX_TOKENS", FYNQ_OK, FYNQ_E_GEMINI_EMPTY },
		{ "SAFETY", FYNQ_E_GEMINI_BLOCKED, FYNQ_E_GEMINI_BLOCKED },
		{ "RECITATION", FYNQ_E_GEMINI_BLOCKED, FYNQ_E_GEMINI_BLOCKED },
		{ "BLOCKLIST", FYNQ_E_GEMINI_BLOCKED, FYNQ_E_GEMINI_BLOCKED },
		{ "PROHIBITED_CONTENT", FYNQ_E_GEMINI_BLOCKED, FYNQ_E_GEMINI_BLOCKED },
		{ "SPII", FYNQ_E_GEMINI_BLOCKED, FYNQ_E_GEMINI_BLOCKED },
		{ "LANGUAGE", FYNQ_E_GEMINI_FAILED, FYNQ_E_GEMINI_FAILED },
		{ "OTHER", FYNQ_E_GEMINI_FAILED, FYNQ_E_GEMINI_FAILED },
		{ "MALFORMED_FUNCTION_CALL", FYNQ_E_GEMINI_FAILED, FYNQ_E_GEMINI_FAILED },
		{ "A_REASON_OF_NEXT_YEAR", FYNQ_OK, FYNQ_E_GEMINI_EMPTY },
		{ "A_REASON_THAT_IS_LONGER_THAN_ALL_REASONS_THAT_THERE_ARE", FYNQ_OK,
		    FYNQ_E_GEMINI_EMPTY },
		{ "", FYNQ_E_GEMINI_CUT, FYNQ_E_GEMINI_CUT },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		char json[200];

		snprintf(json, sizeof(json), "{\"candidates\":[{\"finishReason\":\"%s\"}]}",
		    cases[i].reason);
		again();
		assert_true(take_z(json));
		assert_case(fynq_gemini_reply_verdict(&reply) == cases[i].without, cases[i].reason);
		assert_case(strncmp(reply.finish, cases[i].reason, sizeof(reply.finish) - 1) == 0,
		    cases[i].reason);
		assert_true(take_z(TEXT("a")));
		assert_case(
		    fynq_gemini_reply_verdict(&reply) == cases[i].with_text, cases[i].reason);
	}
}

static void
judges_what_has_no_reason(void **state)
{
	static const struct {
		const char *name;
		const char *objects[OBJECTS];
		enum fynq_err error;
	} cases[] = {
		{ "nothing came", { NULL }, FYNQ_E_GEMINI_CUT },
		{ "no reason came", { TEXT("a"), TEXT("b") }, FYNQ_E_GEMINI_CUT },
		{ "nothing but thoughts", { PARTS("{\"text\":\"a\",\"thought\":true}"), STOP },
		    FYNQ_E_GEMINI_EMPTY },
		{ "nothing but NULs", { TEXT("\\u0000"), STOP }, FYNQ_E_GEMINI_EMPTY },
		{ "text behind the reason", { STOP, TEXT("a") }, FYNQ_OK },
		{ "the reason with the text",
		    { "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},"
		      "\"finishReason\":\"STOP\"}]}" },
		    FYNQ_OK },
		{ "a blocked prompt", { "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}" },
		    FYNQ_E_GEMINI_BLOCKED },
		{ "feedback without a block", { "{\"promptFeedback\":{}}", TEXT("a"), STOP },
		    FYNQ_OK },
		{ "an error in the stream",
		    { TEXT("a"), "{\"error\":{\"code\":503,\"status\":\"UNAVAILABLE\"}}" },
		    FYNQ_E_GEMINI_OVERLOADED },
		{ "an error, whatever follows", { "{\"error\":{\"code\":504}}", TEXT("a"), STOP },
		    FYNQ_E_GEMINI_TIMEOUT },
		{ "an error without a code", { "{\"error\":{}}" }, FYNQ_E_GEMINI_FAILED },
		{ "an error before a block",
		    { "{\"error\":{\"code\":500},\"promptFeedback\":{\"blockReason\":\"OTHER\"}}" },
		    FYNQ_E_GEMINI_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		again();
		for (size_t k = 0; k < OBJECTS && cases[i].objects[k] != NULL; k++)
			assert_case(take_z(cases[i].objects[k]), cases[i].name);
		assert_case(fynq_gemini_reply_verdict(&reply) == cases[i].error, cases[i].name);
	}
}

static void
notes_when_to_come_back(void **state)
{
	(void)state;
	assert_true(take_z("{\"error\":{\"code\":429,\"details\":[{\"retryDelay\":\"34.4s\"}]}}"));
	assert_int_equal(fynq_gemini_reply_verdict(&reply), FYNQ_E_GEMINI_QUOTA);
	assert_int_equal(reply.retry_after, 35);
}

static void
notes_what_is_beside_the_text(void **state)
{
	(void)state;
	assert_true(take_z("{\"promptFeedback\":{\"blockReason\":\"BLOCKLIST\"},"
			   "\"modelVersion\":\"gemini-2.5-flash\"}"));
	assert_string_equal(reply.blocked, "BLOCKLIST");
	assert_string_equal(reply.model, "gemini-2.5-flash");
	assert_true(take_z("{\"modelVersion\":\"gemini-2.5-flash-002\"}"));
	assert_true(take_z(TEXT("a")));
	assert_string_equal(reply.model, "gemini-2.5-flash-002");
}

/* Words that do not fit are cut, but never within a character: they are stored and shown. */
static void
keeps_long_words_in_utf8(void **state)
{
	struct fynq_buf json = FYNQ_BUF_INIT(MAX), word = FYNQ_BUF_INIT(MAX);

	(void)state;
	fynq_buf_add_char(&word, 'x');
	for (int i = 0; i < 50; i++)
		fynq_buf_add(&word, FYNQ_STR("\xe2\x82\xac"));
	/* Moved by one byte at a time, the cut falls on every byte of a character. */
	for (int shift = 0; shift < 3; shift++) {
		fynq_buf_reset(&json);
		fynq_buf_printf(&json, "{\"candidates\":[{\"finishReason\":\"%.*s%.*s\"}],", shift,
		    "xx", FYNQ_STR_ARG(fynq_buf_str(&word)));
		fynq_buf_printf(&json, "\"promptFeedback\":{\"blockReason\":\"%.*s%.*s\"},", shift,
		    "xx", FYNQ_STR_ARG(fynq_buf_str(&word)));
		fynq_buf_printf(&json, "\"modelVersion\":\"%.*s%.*s\"}", shift, "xx",
		    FYNQ_STR_ARG(fynq_buf_str(&word)));
		assert_true(take(fynq_buf_str(&json)));
		assert_true(fynq_str_utf8(fynq_str_of(reply.finish)));
		assert_true(fynq_str_utf8(fynq_str_of(reply.blocked)));
		assert_true(fynq_str_utf8(fynq_str_of(reply.model)));
		assert_true(strlen(reply.finish) > sizeof(reply.finish) - 5);
	}
	fynq_buf_release(&json);
	fynq_buf_release(&word);
}

static void
takes_the_last_usage(void **state)
{
	(void)state;
	assert_true(take_z("{\"usageMetadata\":{\"promptTokenCount\":7,\"totalTokenCount\":7}}"));
	assert_int_equal(reply.usage.prompt, 7);
	assert_int_equal(reply.usage.reply, 0);
	assert_int_equal(reply.usage.total, 7);
	assert_true(take_z("{\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":2,"
			   "\"thoughtsTokenCount\":3,\"totalTokenCount\":12}}"));
	assert_true(take_z("{\"usageMetadata\":{\"promptTokenCount\":8,\"candidatesTokenCount\":20,"
			   "\"thoughtsTokenCount\":30,\"totalTokenCount\":58}}"));
	assert_true(take_z(STOP));
	assert_int_equal(reply.usage.prompt, 8);
	assert_int_equal(reply.usage.reply, 20);
	assert_int_equal(reply.usage.thought, 30);
	assert_int_equal(reply.usage.total, 58);
	assert_true(take_z("{\"usageMetadata\":{\"promptTokenCount\":\"9\"}}"));
	assert_int_equal(reply.usage.prompt, 8);
}

/* As text lies in the reply, so it was told, whether or not all of an object fitted. */
static void
stops_at_its_maximum(void **state)
{
	static const char *const last[] = { TEXT("xxx"),
		PARTS("{\"text\":\"xx\"},{\"text\":\"x\"},{\"text\":\"x\"}"),
		PARTS("{\"text\":\"xxx\",\"thoughtSignature\":\"s\"}"),
		PARTS("{\"text\":\"x\"},{\"text\":\"hm\",\"thought\":true},{\"text\":\"xx\"}") };
	struct json_object *array;

	(void)state;
	for (size_t i = 0; i < LENGTH(last); i++) {
		teardown(NULL);
		setup(NULL);
		fynq_gemini_reply_init(&reply, 10);
		assert_true(take_z(TEXT("12345678")));
		assert_false(take_z(last[i]));
		assert_true(reply.text.n <= 10);
		assert_true(fynq_str_eq(fynq_buf_str(&reply.text), fynq_buf_str(&told)));
		array = fynq_gemini_json_parse(all_parts());
		assert_case(json_object_is_type(array, json_type_array), last[i]);
		json_object_put(array);
		assert_false(take_z(TEXT("x")));
	}
}

/* Thoughts fill the parts and leave the text alone; what is there by then stays JSON. */
static void
stops_where_the_parts_are_full(void **state)
{
	(void)state;
	for (int n = 1; n < 90; n++) {
		struct fynq_buf json = FYNQ_BUF_INIT(MAX);
		struct json_object *array;
		int thoughts = 0;

		again();
		fynq_gemini_reply_init(&reply, 64);
		fynq_buf_printf(
		    &json, PARTS("{\"text\":\"a\"},{\"text\":\"%0*d\",\"thought\":true}"), n, 0);
		while (take(fynq_buf_str(&json)))
			assert_true(++thoughts < 100);
		array = fynq_gemini_json_parse(all_parts());
		if (!json_object_is_type(array, json_type_array))
			fail_msg("%d: the parts are %.*s", n, FYNQ_STR_ARG(all_parts()));
		json_object_put(array);
		fynq_buf_release(&json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(puts_replies_together, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_the_parts_so_far, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_is_no_object, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_the_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(lets_no_bad_json_into_the_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(judges, setup, teardown),
		cmocka_unit_test_setup_teardown(judges_what_has_no_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(notes_when_to_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(notes_what_is_beside_the_text, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_long_words_in_utf8, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_the_last_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(stops_at_its_maximum, setup, teardown),
		cmocka_unit_test_setup_teardown(stops_where_the_parts_are_full, setup, teardown),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
