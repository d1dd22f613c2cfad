#include <stdio.h>

#include <json-c/json_pointer.h>
#include <json-c/json_tokener.h>
#include <json-c/linkhash.h>

#include "http/openapi.h"
#include "unit.h"

static const char *const kinds[] = { "text", "image", NULL };

struct thing_in {
	struct fynq_uuid id;
	bool whole;
	struct fynq_str title, email, kind, secret;
	struct fynq_date born;
	struct fynq_time at;
	struct fynq_json free;
	int64_t limit, grade;
	struct fynq_cursor cursor;
	struct fynq_upload picture;
	struct fynq_uploads pictures;
	struct fynq_array tags, ids;
};

static const struct fynq_field tag[] = { FYNQ_ITEM(STRING, .max = 50), FYNQ_FIELD_END };
static const struct fynq_field id_item[] = { FYNQ_ITEM(UUID), FYNQ_FIELD_END };

static const struct fynq_field put_in[] = { FYNQ_FIELD(thing_in, id, FYNQ_IN_PATH, "The thing."),
	FYNQ_FIELD(thing_in, whole, FYNQ_IN_QUERY | FYNQ_REQUIRED, "All of it."),
	FYNQ_FIELD(thing_in, title, FYNQ_IN_BODY | FYNQ_REQUIRED, "Its \"title\".", .max = 200),
	FYNQ_FIELD(thing_in, email, FYNQ_IN_BODY, "An address.", .format = FYNQ_F_EMAIL),
	FYNQ_FIELD(thing_in, kind, FYNQ_IN_BODY | FYNQ_NULLABLE, "Its kind.", .values = kinds),
	FYNQ_FIELD(thing_in, secret, FYNQ_IN_BODY | FYNQ_SECRET, "A secret.", .min = 8, .max = 72),
	FYNQ_FIELD(thing_in, born, FYNQ_IN_BODY, "A date."),
	FYNQ_FIELD(thing_in, at, FYNQ_IN_BODY, "A time."),
	FYNQ_FIELD(thing_in, free, FYNQ_IN_BODY, "Anything."),
	FYNQ_FIELD(thing_in, tags, FYNQ_IN_BODY | FYNQ_NULLABLE | FYNQ_UNIQUE, "Tags.", .max = 20,
	    .sub = tag),
	FYNQ_FIELD(thing_in, ids, FYNQ_IN_BODY, "Ids.", .min = 1, .sub = id_item),
	FYNQ_FIELD(thing_in, grade, FYNQ_IN_BODY, "A number.", .min = 1, .max = 13, .fallback = 7),
	FYNQ_FIELD_END };

static const struct fynq_field post_in[] = { FYNQ_FIELD(thing_in, whole,
						 FYNQ_IN_QUERY | FYNQ_REQUIRED, "All of it."),
	FYNQ_FIELD(thing_in, title, FYNQ_IN_BODY, "Its title."), FYNQ_FIELD_END };

static const struct fynq_field list_in[] = { FYNQ_FIELDS_PAGE(thing_in), FYNQ_FIELD_END };

static const struct fynq_field picture_in[] = {
	FYNQ_FIELD(thing_in, picture, FYNQ_IN_BODY, "A picture.", .max = 1000),
	FYNQ_FIELD(thing_in, pictures, FYNQ_IN_BODY, "Pictures.", .items = 20),
	FYNQ_FIELD(thing_in, tags, FYNQ_IN_BODY, "Tags.", .sub = tag),
	FYNQ_FIELD(thing_in, title, FYNQ_IN_BODY | FYNQ_REQUIRED, "Its title."),
	FYNQ_FIELD_END,
};

static const struct fynq_field file_in[] = {
	FYNQ_FIELD(thing_in, picture, FYNQ_IN_BODY | FYNQ_REQUIRED, "A picture."),
	FYNQ_FIELD_END,
};

static const struct fynq_field either_in[] = {
	FYNQ_FIELD(thing_in, picture, FYNQ_IN_BODY | FYNQ_EITHER, "A picture."),
	FYNQ_FIELD(thing_in, pictures, FYNQ_IN_BODY | FYNQ_EITHER, "Several."),
	FYNQ_FIELD(thing_in, title, FYNQ_IN_BODY, "Its title."),
	FYNQ_FIELD_END,
};

static const struct fynq_field stored_in[] = {
	FYNQ_FIELD(thing_in, picture, FYNQ_IN_BODY | FYNQ_EITHER, "A picture."),
	FYNQ_FIELD(thing_in, id, FYNQ_IN_BODY | FYNQ_EITHER, "One that is stored."),
	FYNQ_FIELD_END,
};

static const struct fynq_field part_out[] = {
	FYNQ_OUT("text", STRING, "Words."),
	FYNQ_FIELD_END,
};

static const struct fynq_field thing_out[] = {
	FYNQ_OUT("id", UUID, "Its id."),
	FYNQ_OUT("title", STRING, "Its title.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("hint", STRING, "At times.", .flags = FYNQ_OPTIONAL),
	FYNQ_OUT("first", OBJECT, "A part.", .sub = part_out),
	FYNQ_OUT("parts", ARRAY, "Its parts.", .sub = part_out),
	FYNQ_OUT("tags", ARRAY, "Its tags.", .sub = tag),
	FYNQ_FIELD_END,
};

static const enum fynq_err put_errors[] = { FYNQ_E_CONFLICT, FYNQ_E_CHAT_BUSY, FYNQ_OK };

static const struct fynq_route routes[] = {
	{ .method = FYNQ_PUT,
	    .path = "/api/v1/things/{id}",
	    .who = FYNQ_TEACHER,
	    .in = put_in,
	    .status = 200,
	    .out = thing_out,
	    .streams = true,
	    .errors = put_errors,
	    .summary = "Put a thing." },
	{ .method = FYNQ_GET,
	    .path = "/api/v1/things",
	    .who = FYNQ_USER,
	    .in = list_in,
	    .status = 200,
	    .out = thing_out,
	    .paged = true,
	    .summary = "List things." },
	{ .method = FYNQ_POST,
	    .path = "/api/v1/things",
	    .who = FYNQ_USER,
	    .in = post_in,
	    .status = 202,
	    .summary = "Make a thing." },
	{ .method = FYNQ_OPTIONS, .path = "/api/v1/things", .status = 204, .summary = "Ask." },
	{ .method = FYNQ_DELETE,
	    .path = "/api/v1/things/{id}",
	    .who = FYNQ_USER,
	    .in = put_in,
	    .status = 204,
	    .summary = "Delete a thing." },
	{ .method = FYNQ_POST,
	    .path = "/api/v1/pictures",
	    .in = picture_in,
	    .status = 201,
	    .summary = "Send a picture." },
	{ .method = FYNQ_PUT,
	    .path = "/api/v1/pictures",
	    .in = file_in,
	    .status = 201,
	    .summary = "Put a picture." },
	{ .method = FYNQ_POST,
	    .path = "/api/v1/either",
	    .in = either_in,
	    .status = 201,
	    .summary = "Send one or several." },
	{ .method = FYNQ_PUT,
	    .path = "/api/v1/either",
	    .in = stored_in,
	    .status = 201,
	    .summary = "Send one, or name it." },
	{ .method = FYNQ_GET,
	    .path = "/.well-known/jwks.json",
	    .status = 200,
	    .out = part_out,
	    .also = "text/plain",
	    .summary = "Keys." },
	{ .method = FYNQ_GET,
	    .path = "/api/v1/tagged",
	    .header = "If-None-Match",
	    .status = 200,
	    .out = part_out,
	    .summary = "What has an ETag." },
	{ .method = FYNQ_GET,
	    .path = "/api/v1/away",
	    .status = 302,
	    .summary = "Send the browser away." },
	{ .path = NULL },
};

static struct json_object *doc;
static struct fynq_buf out = FYNQ_BUF_INIT(1 << 20);

static int
make(void **state)
{
	(void)state;
	fynq_openapi(&out, "things", routes);
	fynq_buf_add_char(&out, '\0');
	doc = json_tokener_parse(out.p);
	return doc != NULL ? 0 : -1;
}

static int
release(void **state)
{
	(void)state;
	json_object_put(doc);
	fynq_buf_release(&out);
	return 0;
}

/* The JSON at a place in the document has this text; NULL where there must be nothing. */
static void
expect(const char *place, const char *want)
{
	struct json_object *value = NULL;
	bool there = json_pointer_get(doc, place, &value) == 0;

	assert_case(there == (want != NULL), place);
	if (!there)
		return;
	if (strcmp(json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE), want) !=
	    0)
		fail_msg("%s: %s is not %s", place,
		    json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE), want);
}

#define PUT  "/paths/~1api~1v1~1things~1{id}/put"
#define LIST "/paths/~1api~1v1~1things/get"
#define BODY PUT "/requestBody/content/application~1json/schema"
#define OUT  PUT "/responses/200/content/application~1json/schema"
#define PAGE LIST "/responses/200/content/application~1json/schema"

static void
says_what_it_is(void **state)
{
	(void)state;
	expect("/openapi", "\"3.1.0\"");
	expect("/info/title", "\"fynq: things\"");
	expect("/info/version", "\"" FYNQ_VERSION "\"");
	expect("/servers", "[{\"url\":\"/\"}]");
	expect("/components/securitySchemes/bearerAuth",
	    "{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"}");
	expect("/components/schemas/Problem/required",
	    "[\"type\",\"title\",\"status\",\"instance\",\"code\"]");
	expect("/components/schemas/Problem/properties/code/enum/0", "\"bad_request\"");
}

static void
has_the_operations(void **state)
{
	(void)state;
	expect(PUT "/operationId", "\"put_things_id\"");
	expect(PUT "/summary", "\"Put a thing.\"");
	expect(PUT "/security", "[{\"bearerAuth\":[\"teacher\"]}]");
	expect(LIST "/operationId", "\"get_things\"");
	expect(LIST "/security", "[{\"bearerAuth\":[]}]");
	expect(LIST "/requestBody", NULL);
	expect("/paths/~1api~1v1~1things/options/operationId", "\"options_things\"");
	expect("/paths/~1api~1v1~1things/post/responses/202/description", "\"Success.\"");
	expect("/paths/~1api~1v1~1things~1{id}/delete/operationId", "\"delete_things_id\"");
	expect("/paths/~1.well-known~1jwks.json/get/operationId", "\"get_well_known_jwks_json\"");
	expect("/paths/~1.well-known~1jwks.json/get/security", "[]");
	expect("/paths/~1.well-known~1jwks.json/get/parameters", NULL);
	assert_int_equal(json_object_object_length(json_object_object_get(doc, "paths")), 7);
}

static void
has_the_parameters(void **state)
{
	(void)state;
	expect(PUT "/parameters/0",
	    "{\"name\":\"id\",\"in\":\"path\",\"description\":\"The thing.\",\"required\":true,"
	    "\"schema\":{\"type\":\"string\",\"format\":\"uuid\"}}");
	expect(PUT "/parameters/1",
	    "{\"name\":\"whole\",\"in\":\"query\",\"description\":\"All of it.\",\"required\":true,"
	    "\"schema\":{\"type\":\"boolean\"}}");
	expect(PUT "/parameters/2", NULL);
	expect(LIST "/parameters/0/required", "false");
	expect(LIST "/parameters/0/schema", "{\"type\":\"integer\",\"format\":\"int64\","
					    "\"minimum\":1,\"maximum\":100,\"default\":20}");
	expect(LIST "/parameters/1/schema",
	    "{\"type\":\"string\",\"minLength\":1,\"maxLength\":512,"
	    "\"pattern\":\"^[A-Za-z0-9_-]+$\"}");
}

#define SEND "/paths/~1api~1v1~1pictures/post"
#define FORM SEND "/requestBody/content/multipart~1form-data/schema"
#define JSON SEND "/requestBody/content/application~1json/schema"

static void
has_the_files(void **state)
{
	(void)state;
	expect(FORM "/properties/picture", "{\"description\":\"A picture.\",\"type\":\"string\","
					   "\"contentMediaType\":\"application/octet-stream\"}");
	expect(FORM "/properties/title/maxLength", "1000");
	expect(FORM "/required", "[\"title\"]");
	expect(FORM "/additionalProperties", "false");
	expect(FORM "/properties/pictures",
	    "{\"description\":\"Pictures.\",\"type\":\"array\",\"minItems\":1,\"maxItems\":20,"
	    "\"items\":{\"type\":\"string\",\"contentMediaType\":\"application/octet-stream\"}}");
	expect(FORM "/properties/tags", NULL);
	expect(JSON "/properties/pictures", NULL);
	expect(JSON "/properties/tags/type", "\"array\"");
	expect(JSON "/properties/picture", NULL);
	expect(JSON "/properties/title/maxLength", "1000");
	expect(JSON "/required", "[\"title\"]");
	expect(JSON "/additionalProperties", "false");
	expect(SEND "/responses/507/description",
	    "\"There is no room for the file (insufficient_storage).\"");
	expect(PUT "/responses/507", NULL);
	expect(PUT "/requestBody/content/multipart~1form-data", NULL);
	/* JSON would always lack the file. */
	expect("/paths/~1api~1v1~1pictures/put/requestBody/required", "true");
	expect("/paths/~1api~1v1~1pictures/put/requestBody/content/application~1json", NULL);
}

#define EITHER(method) "/paths/~1api~1v1~1either/" method "/requestBody"

static void
has_what_stands_for_each_other(void **state)
{
	(void)state;
	expect(EITHER("post") "/required", "true");
	expect(EITHER("post") "/content/application~1json", NULL);
	expect(EITHER("post") "/content/multipart~1form-data/schema/oneOf",
	    "[{\"required\":[\"picture\"]},{\"required\":[\"pictures\"]}]");
	expect(EITHER("put") "/required", "true");
	expect(
	    EITHER("put") "/content/application~1json/schema/oneOf", "[{\"required\":[\"id\"]}]");
	expect(EITHER("put") "/content/multipart~1form-data/schema/oneOf",
	    "[{\"required\":[\"picture\"]},{\"required\":[\"id\"]}]");
	expect(FORM "/oneOf", NULL);
}

static void
has_the_body(void **state)
{
	(void)state;
	expect(PUT "/requestBody/required", "true");
	expect("/paths/~1api~1v1~1things/post/requestBody/required", "false");
	expect(BODY "/type", "\"object\"");
	expect(BODY "/additionalProperties", "false");
	expect(BODY "/required", "[\"title\"]");
	expect(BODY "/properties/id", NULL);
	expect(BODY "/properties/title",
	    "{\"description\":\"Its \\\"title\\\".\",\"type\":\"string\",\"minLength\":1,"
	    "\"maxLength\":200}");
	expect(BODY "/properties/email",
	    "{\"description\":\"An address.\",\"type\":\"string\",\"format\":\"email\","
	    "\"minLength\":1,\"maxLength\":254}");
	expect(BODY "/properties/kind",
	    "{\"description\":\"Its kind.\",\"type\":[\"string\",\"null\"],"
	    "\"enum\":[\"text\",\"image\",null]}");
	expect(BODY "/properties/secret",
	    "{\"description\":\"A secret.\",\"type\":\"string\",\"minLength\":8,\"maxLength\":72,"
	    "\"writeOnly\":true}");
	expect(BODY "/properties/born/format", "\"date\"");
	expect(BODY "/properties/at/format", "\"date-time\"");
	expect(BODY "/properties/free", "{\"description\":\"Anything.\",\"type\":\"object\"}");
	expect(BODY "/properties/grade/default", "7");
	expect(BODY "/properties/tags",
	    "{\"description\":\"Tags.\",\"type\":[\"array\",\"null\"],\"minItems\":0,"
	    "\"maxItems\":20,\"uniqueItems\":true,"
	    "\"items\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":50}}");
	expect(BODY "/properties/ids",
	    "{\"description\":\"Ids.\",\"type\":\"array\",\"minItems\":1,\"maxItems\":100,"
	    "\"uniqueItems\":false,\"items\":{\"type\":\"string\",\"format\":\"uuid\"}}");
}

static void
has_the_replies(void **state)
{
	(void)state;
	expect(OUT "/required", "[\"id\",\"title\",\"first\",\"parts\",\"tags\"]");
	expect(OUT "/properties/tags/items", "{\"type\":\"string\"}");
	expect(OUT "/additionalProperties", NULL);
	expect(OUT "/type", "\"object\"");
	expect(OUT "/properties/id",
	    "{\"description\":\"Its id.\",\"type\":\"string\",\"format\":\"uuid\"}");
	expect(OUT "/properties/parts/items/type", "\"object\"");
	expect("/components/schemas/Problem/type", "\"object\"");
	expect(OUT "/properties/title",
	    "{\"description\":\"Its title.\",\"type\":[\"string\",\"null\"]}");
	expect(OUT "/properties/first/properties/text/type", "\"string\"");
	expect(OUT "/properties/parts/items/properties/text/type", "\"string\"");
	expect(
	    PUT "/responses/200/content/text~1event-stream", "{\"schema\":{\"type\":\"string\"}}");
	expect(PAGE "/required", "[\"items\",\"next_cursor\"]");
	expect(PAGE "/properties/items/items/properties/id/format", "\"uuid\"");
	expect(PAGE "/properties/next_cursor/type", "[\"string\",\"null\"]");
	expect(LIST "/responses/200/content/text~1event-stream", NULL);
	expect("/paths/~1.well-known~1jwks.json/get/responses/200/content/text~1plain",
	    "{\"schema\":{\"type\":\"string\"}}");
	expect(LIST "/responses/200/content/text~1plain", NULL);
	expect("/paths/~1api~1v1~1things~1{id}/delete/responses/204/content", NULL);
}

/* The statuses of a route's responses, in their order. */
static void
expect_statuses(const char *place, const char *want)
{
	struct json_object *responses = NULL;
	char statuses[256] = "";

	assert_int_equal(json_pointer_get(doc, place, &responses), 0);
	for (struct lh_entry *e = json_object_get_object(responses)->head; e != NULL; e = e->next)
		strcat(strcat(statuses, lh_entry_k(e)), " ");
	assert_string_equal(statuses, want);
}

/* A tag may be asked for, and what is had already need not come again. */
static void
has_what_is_no_failure(void **state)
{
	(void)state;
	expect("/paths/~1api~1v1~1tagged/get/parameters/0/name", "\"If-None-Match\"");
	expect("/paths/~1api~1v1~1tagged/get/responses/304",
	    "{\"description\":\"What is had already still holds.\"}");
	expect(LIST "/responses/304", NULL);
	expect("/paths/~1api~1v1~1away/get/responses/302",
	    "{\"description\":\"The browser goes on to Location.\"}");
}

static void
has_the_errors(void **state)
{
	(void)state;
	expect_statuses(PUT "/responses", "200 400 401 403 404 408 409 413 415 422 500 503 ");
	expect_statuses(LIST "/responses", "200 400 401 403 422 500 503 ");
	expect_statuses("/paths/~1.well-known~1jwks.json/get/responses", "200 400 422 500 503 ");
	expect(PUT "/responses/409",
	    "{\"description\":\"It conflicts with what is there (conflict). A reply is still being "
	    "written in this chat (chat_busy).\",\"content\":{\"application/problem+json\":{"
	    "\"schema\":{\"$ref\":\"#/components/schemas/Problem\"}}}}");
}

static void
can_be_compared(void **state)
{
	(void)state;
	assert_true(fynq_str_starts(fynq_str_of(out.p),
	    FYNQ_STR("{\n  \"openapi\": \"3.1.0\",\n  \"info\": {\n    \"title\"")));
	assert_non_null(strstr(out.p, "\"bearerAuth\": []\n"));
	assert_string_equal(out.p + strlen(out.p) - 7, "\n  }\n}\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_what_it_is),
		cmocka_unit_test(has_the_operations),
		cmocka_unit_test(has_the_parameters),
		cmocka_unit_test(has_what_stands_for_each_other),
		cmocka_unit_test(has_the_body),
		cmocka_unit_test(has_the_files),
		cmocka_unit_test(has_the_replies),
		cmocka_unit_test(has_what_is_no_failure),
		cmocka_unit_test(has_the_errors),
		cmocka_unit_test(can_be_compared),
	};

	return cmocka_run_group_tests_name("openapi", tests, make, release);
}
