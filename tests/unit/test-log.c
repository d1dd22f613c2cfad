#include <fcntl.h>
#include <stdio.h>

#include <json-c/json_tokener.h>

#include "base/log.h"
#include "unit.h"

static char path[] = "log-XXXXXX", moved[] = "log-XXXXXX.1";

/* The one line of a log as JSON; the caller puts it. */
static struct json_object *
line(const char *name)
{
	char text[16384], more[2];
	struct json_object *object;
	FILE *f = fopen(name, "r");

	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	assert_null(fgets(more, sizeof(more), f));
	fclose(f);
	object = json_tokener_parse(text);
	assert_non_null(object);
	return object;
}

static void
assert_member(struct json_object *object, const char *name, const char *want)
{
	struct json_object *value;
	bool there = json_object_object_get_ex(object, name, &value);

	if (want == NULL) {
		assert_false(there);
		return;
	}
	assert_true(there);
	assert_string_equal(json_object_get_string(value), want);
}

static int
setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	memcpy(moved, path, strlen(path));
	close(fd);
	return fynq_log_open(path, FYNQ_LOG_INFO, "unit") ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	fynq_log_request((struct fynq_str){ 0 });
	unlink(moved);
	unlink(path);
	strcpy(path, "log-XXXXXX");
	return 0;
}

static void
a_line_is_an_object(void **state)
{
	struct json_object *object;
	char pid[16];

	(void)state;
	fynq_log(FYNQ_LOG_WARN, "test", "a \"%s\"\n", "quote");
	object = line(path);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_member(object, "level", "warn");
	assert_member(object, "program", "unit");
	assert_member(object, "pid", pid);
	assert_member(object, "event", "test");
	assert_member(object, "message", "a \"quote\"\n");
	assert_member(object, "request_id", NULL);
	json_object_put(object);
}

static void
lesser_levels_are_left_out(void **state)
{
	struct json_object *object;

	(void)state;
	fynq_log(FYNQ_LOG_DEBUG, "no", "not this");
	fynq_log_members(FYNQ_LOG_DEBUG, "no", FYNQ_STR(",\"a\":1"));
	fynq_log_members(FYNQ_LOG_INFO, "yes", FYNQ_STR(",\"a\":1"));
	object = line(path);
	assert_member(object, "event", "yes");
	assert_member(object, "a", "1");
	json_object_put(object);
}

static void
carries_the_request(void **state)
{
	struct json_object *object;

	(void)state;
	fynq_log_request(FYNQ_STR("req-1"));
	fynq_log(FYNQ_LOG_INFO, "test", "x");
	object = line(path);
	assert_member(object, "request_id", "req-1");
	json_object_put(object);
}

static void
long_messages_are_cut_between_characters(void **state)
{
	struct json_object *object;
	static char text[6001];

	(void)state;
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 3);
	fynq_log(FYNQ_LOG_INFO, "test", "%s", text);
	object = line(path);
	assert_true(fynq_str_utf8(
	    fynq_str_of(json_object_get_string(json_object_object_get(object, "message")))));
	json_object_put(object);
}

static void
reopens(void **state)
{
	struct json_object *object;

	(void)state;
	fynq_log(FYNQ_LOG_INFO, "old", "x");
	assert_int_equal(rename(path, moved), 0);
	fynq_log_reopen();
	fynq_log(FYNQ_LOG_INFO, "new", "x");
	object = line(moved);
	assert_member(object, "event", "old");
	json_object_put(object);
	object = line(path);
	assert_member(object, "event", "new");
	json_object_put(object);
}

static void
die(void)
{
	fynq_log_fatal("end", "it is over");
}

static void
fatal_logs_and_exits(void **state)
{
	struct json_object *object;

	(void)state;
	assert_int_equal(unit_exit_status(die), 70);
	object = line(path);
	assert_member(object, "level", "error");
	assert_member(object, "event", "end");
	json_object_put(object);
}

static void
says_where_it_cannot_open(void **state)
{
	(void)state;
	assert_false(fynq_log_open("/nonexistent/log", FYNQ_LOG_INFO, "unit"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_is_an_object, setup, teardown),
		cmocka_unit_test_setup_teardown(lesser_levels_are_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(carries_the_request, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    long_messages_are_cut_between_characters, setup, teardown),
		cmocka_unit_test_setup_teardown(reopens, setup, teardown),
		cmocka_unit_test_setup_teardown(fatal_logs_and_exits, setup, teardown),
		cmocka_unit_test(says_where_it_cannot_open),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
