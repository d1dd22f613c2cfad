#include "base/config.h"
#include "http/router.h"
#include "request.h"

enum {
	GET_CHATS,
	POST_CHATS,
	GET_CHAT,
	PATCH_CHAT,
	GET_TURN,
	GET_USER,
	GET_ME,
	OPTIONS_ME,
	GET_ALL,
	GET_FOUR,
	GET_FIVE,
	GET_DOT,
	POST_UP
};

#define ROW(m, p, w, ...)                                             \
	{                                                             \
		.method = (m), .path = (p), .who = (w), ##__VA_ARGS__ \
	}

static const struct fynq_route routes[] = {
	[GET_CHATS] = ROW(FYNQ_GET, "/api/v1/chats", FYNQ_USER),
	[POST_CHATS] = ROW(
	    FYNQ_POST, "/api/v1/chats", FYNQ_USER, .body_max = 1024, .streams = true),
	[GET_CHAT] = ROW(FYNQ_GET, "/api/v1/chats/{id}", FYNQ_USER),
	[PATCH_CHAT] = ROW(FYNQ_PATCH, "/api/v1/chats/{id}", FYNQ_TEACHER),
	[GET_TURN] = ROW(FYNQ_GET, "/api/v1/chats/{chat_id}/turns/{id}", FYNQ_USER),
	[GET_USER] = ROW(FYNQ_GET, "/api/v1/users/{id}", FYNQ_ADMIN),
	[GET_ME] = ROW(FYNQ_GET, "/api/v1/users/me", FYNQ_USER),
	[OPTIONS_ME] = ROW(FYNQ_OPTIONS, "/api/v1/users/me", FYNQ_ANYONE),
	[GET_ALL] = ROW(FYNQ_GET, "/api/v1/{kind}/all", FYNQ_ANYONE),
	[GET_FOUR] = ROW(FYNQ_GET, "/{a}/{b}/{c}/{d}", FYNQ_ANYONE),
	[GET_FIVE] = ROW(FYNQ_GET, "/{a}/{b}/{c}/{d}/{e}", FYNQ_ANYONE),
	[GET_DOT] = ROW(FYNQ_GET, "/.well-known/keys.json", FYNQ_ANYONE),
	[POST_UP] = ROW(FYNQ_POST, "/", FYNQ_ANYONE),
	{ .path = NULL },
};

static enum fynq_err
find(enum fynq_method method, const char *path)
{
	fynq_req_reset(rq);
	rq->method = method;
	rq->path = fynq_str_of(path);
	return fynq_route_find(rq, routes);
}

static void
finds_rows(void **state)
{
	static const struct {
		enum fynq_method method;
		const char *path;
		int row;
	} cases[] = {
		{ FYNQ_GET, "/api/v1/chats", GET_CHATS },
		{ FYNQ_HEAD, "/api/v1/chats", GET_CHATS },
		{ FYNQ_POST, "/api/v1/chats", POST_CHATS },
		{ FYNQ_GET, "/api/v1/chats/42", GET_CHAT },
		{ FYNQ_PATCH, "/api/v1/chats/42", PATCH_CHAT },
		{ FYNQ_GET, "/api/v1/chats/42/turns/43", GET_TURN },
		{ FYNQ_GET, "/api/v1/%63hats", GET_CHATS },
		{ FYNQ_GET, "/api/v1/users/7", GET_USER },
		{ FYNQ_GET, "/.well-known/keys.json", GET_DOT },
		{ FYNQ_POST, "/", POST_UP },
		/* A literal goes first, wherever its row stands. */
		{ FYNQ_GET, "/api/v1/users/me", GET_ME },
		{ FYNQ_OPTIONS, "/api/v1/users/me", OPTIONS_ME },
		/* Of two literals the earlier one. */
		{ FYNQ_GET, "/api/v1/chats/all", GET_CHAT },
		{ FYNQ_GET, "/api/v1/files/all", GET_ALL },
		{ FYNQ_GET, "/w/x/y/z", GET_FOUR },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_case(find(cases[i].method, cases[i].path) == FYNQ_OK, cases[i].path);
		assert_case(rq->route == &routes[cases[i].row], cases[i].path);
		assert_int_equal(rq->reply.headers.n, 0);
	}
}

static void
finds_nothing(void **state)
{
	static const char *const paths[] = {
		"",
		"x",
		"*",
		"/api",
		"/api/v1",
		"/api/v1/",
		"/api/v1/chats/",
		"//api/v1/chats",
		"/api//chats",
		"/API/v1/chats",
		"/api/v1/chats/42/",
		"/api/v1/chats/42/turns",
		"/api/v1/chats/%",
		"/api/v1/chats/%zz",
		"/api/v1/chats/%ff",
		"/api/v1/chats/%00",
		"/api/v1/chats/a%2fb",
		"/api/v1/chats/%2F",
		"/api/v1/chats/\xff",
		"/api/v1/cha%74s%20",
		"/api/v1/%7Bkind%7D",
		"/{a}/{b}/{c}",
		"/v/w/x/y/z",
		"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(paths); i++) {
		assert_case(find(FYNQ_GET, paths[i]) == FYNQ_E_NOT_FOUND, paths[i]);
		assert_null(rq->route);
		assert_int_equal(rq->problem.error, FYNQ_E_NOT_FOUND);
	}
}

static void
keeps_what_names_matched(void **state)
{
	(void)state;
	assert_int_equal(find(FYNQ_GET, "/api/v1/chats/a%20b+c/turns/%C3%A9"), FYNQ_OK);
	assert_str(rq->path_args[0], "a b+c");
	assert_str(rq->path_args[1], "\xc3\xa9");
	assert_null(rq->path_args[2].p);
	assert_str(fynq_route_arg(rq, "chat_id"), "a b+c");
	assert_str(fynq_route_arg(rq, "id"), "\xc3\xa9");
	assert_null(fynq_route_arg(rq, "turns").p);
	assert_null(fynq_route_arg(rq, "i").p);
	assert_int_equal(find(FYNQ_GET, "/api/v1/chats"), FYNQ_OK);
	assert_null(rq->path_args[0].p);
}

static void
other_methods_are_told_which(void **state)
{
	static const struct {
		enum fynq_method method;
		const char *path, *allow;
	} cases[] = {
		{ FYNQ_DELETE, "/api/v1/chats", "Allow: GET, HEAD, POST, OPTIONS\r\n" },
		{ FYNQ_POST, "/api/v1/chats/42", "Allow: GET, HEAD, PATCH, OPTIONS\r\n" },
		/* Not what {id} would serve there. */
		{ FYNQ_PUT, "/api/v1/users/me", "Allow: GET, HEAD, OPTIONS\r\n" },
		{ FYNQ_GET, "/", "Allow: POST, OPTIONS\r\n" },
		{ FYNQ_HEAD, "/", "Allow: POST, OPTIONS\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		assert_case(find(cases[i].method, cases[i].path) == FYNQ_E_METHOD_NOT_ALLOWED,
		    cases[i].path);
		assert_null(rq->route);
		assert_str(fynq_buf_str(&rq->reply.headers), cases[i].allow);
	}
}

static void
options_need_no_row(void **state)
{
	(void)state;
	assert_int_equal(find(FYNQ_OPTIONS, "/api/v1/chats/42"), FYNQ_OK);
	assert_null(rq->route);
	assert_str(fynq_buf_str(&rq->reply.headers), "Allow: GET, HEAD, PATCH, OPTIONS\r\n");
	assert_int_equal(find(FYNQ_OPTIONS, "/nowhere"), FYNQ_E_NOT_FOUND);
}

static void
prints(void **state)
{
	static const struct fynq_field by_query[] = {
		{ .name = "at", .flags = FYNQ_IN_QUERY },
		{ .name = "by", .flags = FYNQ_IN_QUERY | FYNQ_SECRET },
		FYNQ_FIELD_END,
	};
	static const struct fynq_field by_body[] = {
		{ .name = "at", .flags = FYNQ_IN_QUERY },
		{ .name = "by", .flags = FYNQ_IN_BODY | FYNQ_SECRET },
		FYNQ_FIELD_END,
	};
	static const struct fynq_route few[] = {
		ROW(FYNQ_GET, "/a/{id}", FYNQ_ANYONE),
		ROW(FYNQ_POST, "/u", FYNQ_USER, .body_max = FYNQ_ROUTE_UPLOAD, .in = by_body),
		ROW(FYNQ_POST, "/v", FYNQ_USER, .body_max = FYNQ_ROUTE_UPLOAD - 1),
		ROW(FYNQ_GET, "/l", FYNQ_ANYONE, .in = by_query),
		ROW(FYNQ_POST, "/a", FYNQ_USER, .body_max = 17, .streams = true),
		ROW(FYNQ_PUT, "/b", FYNQ_TEACHER),
		ROW(FYNQ_DELETE, "/b", FYNQ_ADMIN),
		{ .path = NULL },
	};
	struct fynq_buf out = FYNQ_BUF_INIT(4096);

	(void)state;
	fynq_config.body_max = 262144;
	fynq_routes_print(&out, few);
	assert_str(fynq_buf_str(&out), "GET\t/a/{id}\tanyone\t262144\t-\t-\n"
				       "POST\t/u\tuser\t100000000\tupload\t-\n"
				       "POST\t/v\tuser\t99999999\t-\t-\n"
				       "GET\t/l\tanyone\t262144\t-\tsecret\n"
				       "POST\t/a\tuser\t17\tstream\t-\n"
				       "PUT\t/b\tteacher\t262144\t-\t-\n"
				       "DELETE\t/b\tadmin\t262144\t-\t-\n");
	fynq_buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_rows, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(finds_nothing, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    keeps_what_names_matched, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    other_methods_are_told_which, setup_request, teardown_request),
		cmocka_unit_test_setup_teardown(
		    options_need_no_row, setup_request, teardown_request),
		cmocka_unit_test(prints),
	};

	return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
