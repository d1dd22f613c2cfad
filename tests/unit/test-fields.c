#include <stdio.h>
#include <time.h>

#include "http/router.h"
#include "request.h"

#define ID "0190163d-8694-739b-aea5-966c26f8ad90"

struct all_in {
	int64_t limit;
	struct fynq_uuid id;
	struct fynq_cursor cursor;
	struct fynq_str q;
	bool archived;
	struct fynq_time from;
	struct fynq_str title, email, locale, name, note, kind, password;
	struct fynq_uuid chat;
	bool stream;
	int64_t grade, any;
	struct fynq_time at;
	struct fynq_date born, past;
	struct fynq_json preferences, small;
	char more[64]; /* the struct is larger than its last field */
};

static const char *const kinds[] = { "text", "image", NULL };

static const struct fynq_field all_in[] = { FYNQ_FIELD(all_in, title, FYNQ_IN_BODY | FYNQ_REQUIRED,
						"A title.", .max = 5),
	FYNQ_FIELD(all_in, id, FYNQ_IN_PATH, "An id."), FYNQ_FIELDS_PAGE(all_in),
	FYNQ_FIELD(all_in, q, FYNQ_IN_QUERY, "Words."),
	FYNQ_FIELD(all_in, archived, FYNQ_IN_QUERY, "Or not."),
	FYNQ_FIELD(all_in, from, FYNQ_IN_QUERY, "Since."),
	FYNQ_FIELD(all_in, email, FYNQ_IN_BODY, "An address.", .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(all_in, locale, FYNQ_IN_BODY, "A language.", .format = FYNQ_F_LOCALE),
	FYNQ_FIELD(all_in, name, FYNQ_IN_BODY | FYNQ_NULLABLE, "A name.", .format = FYNQ_F_LINE),
	FYNQ_FIELD(all_in, note, FYNQ_IN_BODY, "A note.", .blank = true),
	FYNQ_FIELD(all_in, kind, FYNQ_IN_BODY | FYNQ_NULLABLE, "A kind.", .values = kinds),
	FYNQ_FIELD(
	    all_in, password, FYNQ_IN_BODY | FYNQ_SECRET, "A password.", .min = 8, .max = 72),
	FYNQ_FIELD(all_in, chat, FYNQ_IN_BODY | FYNQ_NULLABLE, "A chat."),
	FYNQ_FIELD(all_in, stream, FYNQ_IN_BODY, "Or not."),
	FYNQ_FIELD(all_in, grade, FYNQ_IN_BODY | FYNQ_NULLABLE, "A number.", .min = -1, .max = 13,
	    .fallback = 7),
	FYNQ_FIELD(all_in, any, FYNQ_IN_BODY, "Any number."),
	FYNQ_FIELD(all_in, at, FYNQ_IN_BODY, "A time."),
	FYNQ_FIELD(all_in, born, FYNQ_IN_BODY, "A date."),
	FYNQ_FIELD(all_in, past, FYNQ_IN_BODY, "A date.", .past = true),
	FYNQ_FIELD(all_in, preferences, FYNQ_IN_BODY | FYNQ_NULLABLE, "Anything."),
	FYNQ_FIELD(all_in, small, FYNQ_IN_BODY, "Not much.", .max = 10), FYNQ_FIELD_END };

static const struct fynq_route all_route = { .path = "/things/{id}", .in = all_in };

static const struct all_in *in;
static char faults[4096];

/* Read a table; faults holds "field:code ..." then, or the error's code and detail. */
static enum fynq_err
read_fields(const struct fynq_field *table, const char *query, struct fynq_str body)
{
	const void *read = NULL;
	enum fynq_err e;
	size_t n = 0;

	fynq_req_reset(rq);
	rq->route = &all_route;
	rq->path_args[0] = FYNQ_STR(ID);
	rq->query = fynq_str_of(query);
	rq->body = body;
	rq->content_length = body.n;
	rq->content_type = FYNQ_STR("application/json");
	e = fynq_fields_read(rq, table, &read);
	in = read;
	faults[0] = '\0';
	if (e != FYNQ_OK && e != FYNQ_E_INVALID)
		snprintf(faults, sizeof(faults), "%s %.*s", fynq_err_info(e)->code,
		    FYNQ_STR_ARG(rq->problem.detail));
	for (size_t i = 0; i < rq->problem.n_faults && i < FYNQ_FAULTS; i++)
		n += (size_t)snprintf(faults + n, sizeof(faults) - n, "%s%.*s:%s", i > 0 ? " " : "",
		    FYNQ_STR_ARG(rq->problem.faults[i].field), rq->problem.faults[i].code);
	assert_int_equal(e == FYNQ_E_INVALID, rq->problem.n_faults > 0);
	return e;
}

static const char *
read_body(const char *body)
{
	read_fields(all_in, NULL, fynq_str_of(body));
	return faults;
}

static const char *
read_query(const char *query)
{
	read_fields(all_in, query, FYNQ_STR("{\"title\":\"x\"}"));
	return faults;
}

static void
reads_everything(void **state)
{
	(void)state;
	read_fields(all_in,
	    "limit=5&cursor=AZaz09-_&q=a+b%26&archived=true&from=2026-01-31T00:00:00Z",
	    FYNQ_STR("{\"title\":\"T\xc3\xaftle\",\"email\":\"A@b.example\",\"locale\":\"pt-BR\","
		     "\"name\":\" Zo\xc3\xab \",\"note\":\"a\\n\\tb\",\"kind\":\"image\","
		     "\"password\":\"pass word\",\"chat\":\"0190163D-8694-739B-AEA5-966C26F8AD90\","
		     "\"stream\":true,\"grade\":-1,\"any\":9007199254740991,"
		     "\"at\":\"2026-01-31T12:34:56.789+02:00\",\"born\":\"2008-02-29\","
		     "\"preferences\":{ \"a\" : [ 1.50, \"/\" ] },\"small\":{\"a\":\"bc\"}}"));
	assert_string_equal(faults, "");
	assert_str(fynq_uuid_str(&in->id), ID);
	assert_int_equal(in->limit, 5);
	assert_str(in->cursor.text, "AZaz09-_");
	assert_str(in->q, "a b&");
	assert_true(in->archived);
	assert_str(in->from.text, "2026-01-31T00:00:00Z");
	assert_str(in->title, "T\xc3\xaftle");
	assert_str(in->email, "A@b.example");
	assert_str(in->locale, "pt-BR");
	assert_str(in->name, " Zo\xc3\xab ");
	assert_str(in->note, "a\n\tb");
	assert_str(in->kind, "image");
	assert_str(in->password, "pass word");
	assert_str(fynq_uuid_str(&in->chat), ID);
	assert_true(in->stream);
	assert_int_equal(in->grade, -1);
	assert_int_equal(in->any, 9007199254740991);
	assert_str(in->at.text, "2026-01-31T12:34:56.789+02:00");
	assert_str(in->born.text, "2008-02-29");
	assert_str(in->preferences.text, "{\"a\":[1.50,\"/\"]}");
	assert_str(in->small.text, "{\"a\":\"bc\"}");
	assert_int_equal(in->more[63], 0);
	assert_int_equal(json_object_object_length(rq->json), 15);
}

static void
what_was_not_sent_is_zero(void **state)
{
	(void)state;
	assert_string_equal(read_body("{\"title\":\"x\"}"), "");
	assert_int_equal(in->limit, 20);
	assert_null(in->cursor.text.p);
	assert_null(in->q.p);
	assert_false(in->archived);
	assert_null(in->email.p);
	assert_null(fynq_uuid_str(&in->chat).p);
	assert_false(in->stream);
	assert_int_equal(in->grade, 7);
	assert_int_equal(in->any, 0);
	assert_null(in->at.text.p);
	assert_null(in->born.text.p);
	assert_null(in->preferences.text.p);
	assert_string_equal(read_body("{\"title\":\"x\",\"note\":\"\",\"preferences\":{}}"), "");
	assert_non_null(in->note.p);
	assert_int_equal(in->note.n, 0);
	assert_str(in->preferences.text, "{}");
}

static void
null_is_absent_where_it_may_be(void **state)
{
	(void)state;
	assert_string_equal(read_body("{\"title\":\"x\",\"name\":null,\"chat\":null,\"grade\":null,"
				      "\"preferences\":null,\"kind\":null}"),
	    "");
	assert_null(in->name.p);
	assert_null(fynq_uuid_str(&in->chat).p);
	assert_int_equal(in->grade, 7);
	assert_null(in->preferences.text.p);
	assert_string_equal(
	    read_body("{\"title\":null,\"stream\":null,\"any\":null,\"small\":null}"),
	    "title:type stream:type any:type small:type");
}

static void
every_fault_of_a_member(void **state)
{
	static const struct {
		const char *member, *code;
	} cases[] = {
		{ "\"title\":1", "title:type" },
		{ "\"title\":true", "title:type" },
		{ "\"title\":[\"x\"]", "title:type" },
		{ "\"title\":\"\"", "title:too_short" },
		{ "\"title\":\" \\n\\u00a0\"", "title:too_short" },
		{ "\"title\":\"123456\"", "title:too_long" },
		{ "\"title\":\"\\u20ac\\u20ac\\u20ac\\u20ac\\ud83d\\ude00\"", "" },
		{ "\"title\":\"a\\u0007\"", "title:format" },
		{ "\"title\":\"a\\u007f\"", "title:format" },
		{ "\"title\":\"a\\u0085\"", "title:format" },
		{ "\"title\":\"a\\r\\n\\t\"", "" },
		{ "\"email\":\"nobody\"", "email:format" },
		{ "\"email\":\"\"", "email:too_short" },
		{ "\"locale\":\"en_GB\"", "locale:format" },
		{ "\"name\":\"a\\nb\"", "name:format" },
		{ "\"name\":\"a\\u2028b\"", "name:format" },
		{ "\"name\":\" \"", "name:too_short" },
		{ "\"note\":\" \"", "" },
		{ "\"note\":\"\\u0001\"", "note:format" },
		{ "\"kind\":\"video\"", "kind:value" },
		{ "\"kind\":\"Text\"", "kind:value" },
		{ "\"kind\":\"\"", "kind:value" },
		{ "\"kind\":7", "kind:type" },
		{ "\"password\":\"seven77\"", "password:too_short" },
		{ "\"password\":\"eight888\"", "" },
		{ "\"chat\":\"x\"", "chat:format" },
		{ "\"chat\":1", "chat:type" },
		{ "\"stream\":\"true\"", "stream:type" },
		{ "\"stream\":1", "stream:type" },
		{ "\"grade\":\"1\"", "grade:type" },
		{ "\"grade\":1.0", "grade:type" },
		{ "\"grade\":1e1", "grade:type" },
		{ "\"grade\":-2", "grade:too_small" },
		{ "\"grade\":14", "grade:too_large" },
		{ "\"any\":9007199254740992", "any:too_large" },
		{ "\"any\":-9007199254740992", "any:too_small" },
		{ "\"any\":9223372036854775808", "any:too_large" },
		{ "\"any\":18446744073709551616", "any:too_large" },
		{ "\"any\":-9223372036854775809", "any:too_small" },
		{ "\"any\":99999999999999999999999999", "any:too_large" },
		{ "\"at\":\"2026-01-31\"", "at:format" },
		{ "\"at\":\"2026-01-31T12:34:56\"", "at:format" },
		{ "\"at\":\"2026-02-31T12:34:56Z\"", "at:format" },
		{ "\"at\":\"2026-01-31T12:34:56+15:59\"", "" },
		{ "\"at\":\"2026-01-31T12:34:56-16:00\"", "at:format" },
		{ "\"at\":\"2026-01-31t12:34:56z\"", "" },
		{ "\"at\":\"2026-01-31 12:34:56.789Z\"", "" },
		/* 40 and 41 bytes. */
		{ "\"at\":\"2026-01-31T12:34:56.1234567890123456789Z\"", "" },
		{ "\"at\":\"2026-01-31T12:34:56.12345678901234567890Z\"", "at:format" },
		{ "\"at\":1769862896", "at:type" },
		{ "\"born\":\"2007-02-29\"", "born:format" },
		{ "\"born\":\"2007-02-28T00:00:00Z\"", "born:format" },
		{ "\"preferences\":[]", "preferences:type" },
		{ "\"preferences\":\"{}\"", "preferences:type" },
		{ "\"small\":{\"a\":\"bcd\"}", "small:too_large" },
		{ "\"small\": { \"a\" : \"bc\" } ", "" },
		{ "\"limit\":5", "limit:unknown" },
		{ "\"id\":\"" ID "\"", "id:unknown" },
		{ "\"Title\":\"x\"", "Title:unknown" },
		{ "\"a\\n\\u001b\":1", "a??:unknown" },
	};
	char body[256];

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		bool title = strncmp(cases[i].member, "\"title\"", 7) == 0;

		snprintf(
		    body, sizeof(body), "{%s%s}", title ? "" : "\"title\":\"x\",", cases[i].member);
		assert_case(strcmp(read_body(body), cases[i].code) == 0, cases[i].member);
	}
}

static void
every_fault_of_a_parameter(void **state)
{
	static const struct {
		const char *query, *faults;
	} cases[] = {
		{ "limit=1", "" },
		{ "limit=100", "" },
		{ "limit=0", "limit:too_small" },
		{ "limit=101", "limit:too_large" },
		{ "limit=", "limit:type" },
		{ "limit", "limit:type" },
		{ "limit=5.0", "limit:type" },
		{ "limit=+5", "limit:type" },
		{ "limit=99999999999999999999", "limit:type" },
		{ "limit=%35", "" },
		{ "%6cimit=5", "" },
		{ "limit=5&limit=5", "limit:not_unique" },
		{ "limit=5&q=a&limit=5&limit=6", "limit:not_unique" },
		{ "limit=%zz", "limit:format" },
		{ "cursor=", "cursor:format" },
		{ "cursor=a", "" },
		{ "cursor=.a", "cursor:format" },
		{ "cursor=a%3d", "cursor:format" },
		{ "cursor=a+b", "cursor:format" },
		{ "q=", "q:too_short" },
		{ "q=+", "q:too_short" },
		{ "q=%00", "q:format" },
		{ "q=%ff", "q:format" },
		{ "q=%07", "q:format" },
		{ "q=%", "q:format" },
		{ "archived=1", "archived:type" },
		{ "archived=TRUE", "archived:type" },
		{ "archived=false", "" },
		{ "from=2026-01-31T00:00:00+02:00", "from:format" },
		{ "from=2026-01-31T00:00:00%2B02:00", "" },
		{ "title=x", "title:unknown" },
		{ "id=" ID, "id:unknown" },
		{ "nope=1&nope=2", "nope:unknown nope:unknown" },
		{ "%ff=1", "%ff:unknown" },
		{ "=1", ":unknown" },
		{ "&&", "" },
	};
	char long_cursor[600] = "cursor=";

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		assert_case(
		    strcmp(read_query(cases[i].query), cases[i].faults) == 0, cases[i].query);
	memset(long_cursor + 7, 'x', 512);
	assert_string_equal(read_query(long_cursor), "");
	memset(long_cursor + 7, 'x', 513);
	assert_string_equal(read_query(long_cursor), "cursor:format");
}

static void
all_faults_at_once_and_in_order(void **state)
{
	(void)state;
	read_fields(all_in, "zzz=1&archived=2&limit=0",
	    FYNQ_STR("{\"what\":1,\"born\":\"x\",\"stream\":\"y\",\"title\":7}"));
	assert_string_equal(faults,
	    "limit:too_small archived:type title:type stream:type born:format zzz:unknown "
	    "what:unknown");
	fynq_req_reset(rq);
	rq->route = &all_route;
	rq->path_args[0] = FYNQ_STR("42");
	assert_int_equal(fynq_fields_read(rq, all_in, (const void **)&in), FYNQ_E_INVALID);
	assert_int_equal(rq->problem.n_faults, 2);
	assert_str(rq->problem.faults[0].field, "id");
	assert_string_equal(rq->problem.faults[0].code, "format");
	assert_str(rq->problem.faults[1].field, "title");
}

static void
messages_say_what_is_wanted(void **state)
{
	(void)state;
	read_fields(all_in, "limit=1000",
	    FYNQ_STR(
		"{\"title\":\"123456\",\"kind\":\"x\",\"password\":\"hunter2\",\"stream\":1}"));
	assert_int_equal(rq->problem.n_faults, 5);
	assert_str(rq->problem.faults[0].message, "It must be at most 100.");
	assert_str(rq->problem.faults[1].message, "It must have at most 5 characters.");
	assert_str(rq->problem.faults[2].message, "It must be one of: text, image.");
	assert_str(rq->problem.faults[3].message, "It must have at least 8 characters.");
	assert_str(rq->problem.faults[4].message, "It must be true or false.");
}

static void
counts_faults_past_what_is_kept(void **state)
{
	char body[2048] = "{\"title\":\"x\"";
	size_t n = strlen(body);

	(void)state;
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(body + n, sizeof(body) - n, ",\"x%d\":1", i);
	body[n] = '}';
	read_body(body);
	assert_int_equal(rq->problem.n_faults, 100);
}

static void
bodies_that_are_not_json(void **state)
{
	(void)state;
	assert_string_equal(
	    read_body("{\"title\":\"x\""), "bad_json The JSON breaks off at byte 12.");
	assert_string_equal(read_body("[]"), "bad_json The JSON is not an object.");
	assert_string_equal(read_body("1"), "bad_json The JSON breaks off at byte 1.");
	assert_string_equal(read_body("{\"title\":\"x\",\"title\":\"y\"}"),
	    "bad_json An object has two members \"title\".");
	assert_string_equal(
	    read_body("{\"title\":\"\\u0000\"}"), "bad_json A string holds a NUL at byte 10.");
	/* What is wrong with the whole is said before what is wrong with its parts. */
	read_fields(all_in, "limit=0", FYNQ_STR("nonsense"));
	assert_int_equal(rq->problem.n_faults, 0);
}

static void
an_empty_body_is_an_empty_object(void **state)
{
	(void)state;
	read_fields(all_in, NULL, (struct fynq_str){ 0 });
	assert_string_equal(faults, "title:missing");
	assert_string_equal(read_body(""), "title:missing");
	assert_non_null(rq->json);
}

static enum fynq_err
read_as(const char *content_type)
{
	const void *read;

	fynq_req_reset(rq);
	rq->route = &all_route;
	rq->path_args[0] = FYNQ_STR(ID);
	rq->body = FYNQ_STR("{\"title\":\"x\"}");
	rq->content_type = fynq_str_of(content_type);
	return fynq_fields_read(rq, all_in, &read);
}

static void
content_types(void **state)
{
	static const char *const yes[] = {
		"application/json",
		"Application/JSON",
		" application/json ",
		"application/json;charset=utf-8",
		"application/json; charset=UTF-8",
		"application/json ; Charset=\"utf-8\"",
		"application/json;",
		"application/json; ;",
	};
	static const char *const no[] = {
		NULL,
		"",
		"text/plain",
		"application/jsonx",
		"application",
		"application/problem+json",
		"application/x-www-form-urlencoded",
		"multipart/form-data; boundary=x",
		"application/json; charset=latin1",
		"application/json; charset=\"\"",
		"application/json; boundary=x",
		"application/json; charset",
		"application/json, text/html",
		"text/plain; application/json",
		";application/json",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++)
		assert_case(read_as(yes[i]) == FYNQ_OK, yes[i]);
	for (size_t i = 0; i < LENGTH(no); i++)
		assert_case(read_as(no[i]) == FYNQ_E_MEDIA_TYPE, no[i] != NULL ? no[i] : "none");
}

struct page_in {
	int64_t limit;
	struct fynq_cursor cursor;
};
static const struct fynq_field page_in[] = { FYNQ_FIELDS_PAGE(page_in), FYNQ_FIELD_END };

static void
tables_without_a_body(void **state)
{
	(void)state;
	assert_int_equal(read_fields(page_in, "limit=3", (struct fynq_str){ 0 }), FYNQ_OK);
	assert_int_equal(((const struct page_in *)in)->limit, 3);
	assert_null(rq->json);
	read_fields(page_in, "limit=3", FYNQ_STR("{}"));
	assert_string_equal(faults, "body:unknown");
	read_fields(page_in, "limit=3", FYNQ_STR(" "));
	assert_string_equal(faults, "body:unknown");
}

/* Where the body was not read, its announced length tells. */
static void
a_body_that_was_not_read(void **state)
{
	const void *read;

	(void)state;
	rq->route = &all_route;
	rq->content_length = 1;
	assert_int_equal(fynq_fields_read(rq, page_in, &read), FYNQ_E_INVALID);
	assert_str(rq->problem.faults[0].field, "body");
}

static void
no_table_at_all(void **state)
{
	(void)state;
	assert_int_equal(read_fields(NULL, NULL, (struct fynq_str){ 0 }), FYNQ_OK);
	assert_null(in);
	read_fields(NULL, "a=1", FYNQ_STR("x"));
	assert_string_equal(faults, "a:unknown body:unknown");
}

static void
bounds(void **state)
{
	static const struct fynq_field rows[] = {
		{ .name = "a", .type = FYNQ_T_STRING },
		{ .name = "b", .type = FYNQ_T_STRING, .blank = true, .max = 20 },
		{ .name = "c", .type = FYNQ_T_STRING, .format = FYNQ_F_EMAIL },
		{ .name = "d", .type = FYNQ_T_STRING, .format = FYNQ_F_LOCALE },
		{ .name = "e", .type = FYNQ_T_STRING, .min = 8 },
		{ .name = "f", .type = FYNQ_T_INT },
		{ .name = "g", .type = FYNQ_T_INT, .min = 0, .max = 9 },
		{ .name = "h", .type = FYNQ_T_OBJECT },
		{ .name = "i", .type = FYNQ_T_CURSOR },
		{ .name = "j", .type = FYNQ_T_FILE },
		{ .name = "k", .type = FYNQ_T_FILE, .min = 2, .max = 3 },
		{ .name = "l", .type = FYNQ_T_FILES },
		{ .name = "m", .type = FYNQ_T_ARRAY },
		{ .name = "n", .type = FYNQ_T_ARRAY, .min = 1, .max = 5 },
	};
	static const int64_t want[][2] = { { 1, 1000 }, { 0, 20 }, { 1, 254 }, { 1, 35 },
		{ 8, 1000 }, { -9007199254740991, 9007199254740991 }, { 0, 9 }, { 0, 8192 },
		{ 1, 512 }, { 1, 10485760 }, { 2, 3 }, { 1, 10485760 }, { 0, 100 }, { 1, 5 } };
	int64_t min, max;

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		fynq_field_bounds(&rows[i], &min, &max);
		assert_case(min == want[i][0] && max == want[i][1], rows[i].name);
	}
}

/* A body with that date, in UTC, so many days from now. */
static const char *
read_past(int days)
{
	time_t at = time(NULL) + days * 86400;
	char body[64];
	struct tm day;

	gmtime_r(&at, &day);
	strftime(body, sizeof(body), "{\"title\":\"x\",\"past\":\"%Y-%m-%d\"}", &day);
	return read_body(body);
}

/* Two days, as a day may end while this runs. */
static void
dates_that_are_past(void **state)
{
	(void)state;
	assert_string_equal(read_past(-2), "");
	assert_string_equal(read_past(0), "");
	assert_string_equal(read_past(2), "past:too_large");
	assert_string_equal(
	    read_body("{\"title\":\"x\",\"past\":\"9999-12-31\"}"), "past:too_large");
	assert_string_equal(read_body("{\"title\":\"x\",\"past\":\"9999-12-32\"}"), "past:format");
	assert_string_equal(read_body("{\"title\":\"x\",\"born\":\"9999-12-31\"}"), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_everything, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    what_was_not_sent_is_zero, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    null_is_absent_where_it_may_be, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    every_fault_of_a_member, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    every_fault_of_a_parameter, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    all_faults_at_once_and_in_order, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    messages_say_what_is_wanted, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    counts_faults_past_what_is_kept, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    bodies_that_are_not_json, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    an_empty_body_is_an_empty_object, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(content_types, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    tables_without_a_body, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    a_body_that_was_not_read, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(no_table_at_all, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    dates_that_are_past, setup_request, teardown_request),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
