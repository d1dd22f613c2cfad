#include <errno.h>
#include <sys/socket.h>

#include "http/parcel.h"
#include "unit.h"

#define TRACE "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"

static struct fynq_req *
new_request(void)
{
	struct fynq_req *rq = fynq_req_new(-1, false);

	rq->fcgx.requestId = 7;
	rq->started_us = 12345;
	rq->id = FYNQ_STR("request-1");
	rq->caller.id = FYNQ_STR("0189dcd5-5311-7d40-8db0-9496a2eef37b");
	rq->traceparent = FYNQ_STR(TRACE);
	rq->origin = FYNQ_STR("https://app.example");
	rq->path = FYNQ_STR("/api/v1/chat/messages/1/stream");
	return rq;
}

static int
connection(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]);
	return fds[0];
}

static bool
is_open(int fd)
{
	return send(fd, "", 0, MSG_NOSIGNAL) != -1 || errno != EBADF;
}

static void
there_and_back(void **state)
{
	struct fynq_req *rq = new_request(), *back;
	struct fynq_parcel parcel;
	int fd = connection();

	(void)state;
	assert_true(fynq_parcel_pack(&parcel, rq));
	back = fynq_parcel_unpack(&parcel, fd);
	assert_non_null(back);
	assert_false(back->cgi);
	assert_int_equal(back->method, FYNQ_GET);
	assert_int_equal(back->fcgx.requestId, 7);
	assert_int_equal(back->started_us, 12345);
	assert_str(back->id, "request-1");
	assert_str(back->caller.id, "0189dcd5-5311-7d40-8db0-9496a2eef37b");
	assert_str(back->traceparent, TRACE);
	assert_str(back->origin, "https://app.example");
	assert_str(back->path, "/api/v1/chat/messages/1/stream");
	assert_non_null(back->detached); /* Its parameters are those of no connection. */
	assert_int_equal(fynq_req_fd(back), fd);
	fynq_req_free(&back);
	assert_false(is_open(fd));
	fynq_req_free(&rq);
}

/* Each field with one byte more than it has room for, and as long as it may be. */
static void
long_fields(void **state)
{
	struct fynq_req *rq = new_request(), *back;
	struct fynq_parcel parcel;
	char text[512];
	const struct {
		struct fynq_str *sent;
		size_t size;
	} fields[] = {
		{ &rq->id, sizeof(parcel.id) },
		{ &rq->caller.id, sizeof(parcel.user) },
		{ &rq->traceparent, sizeof(parcel.traceparent) },
		{ &rq->origin, sizeof(parcel.origin) },
		{ &rq->path, sizeof(parcel.path) },
	};

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t longer = 0; longer < 2; longer++) {
		for (size_t i = 0; i < LENGTH(fields); i++)
			*fields[i].sent = (struct fynq_str){ text, fields[i].size - 1 + longer };
		assert_true(fynq_parcel_pack(&parcel, rq));
		back = fynq_parcel_unpack(&parcel, connection());
		assert_non_null(back);
		for (size_t i = 0; i < LENGTH(fields); i++) {
			size_t at = (size_t)((char *)fields[i].sent - (char *)rq);
			struct fynq_str *got = (struct fynq_str *)(void *)((char *)back + at);

			assert_int_equal(got->n, longer > 0 ? 0 : fields[i].size - 1);
		}
		fynq_req_free(&back);
	}
	fynq_req_free(&rq);
}

static void
others_are_refused(void **state)
{
	struct fynq_req *rq = new_request();
	struct fynq_parcel parcel, other;
	int fd = connection();

	(void)state;
	assert_true(fynq_parcel_pack(&parcel, rq));
	other = parcel;
	other.layout++;
	assert_null(fynq_parcel_unpack(&other, fd));
	other = parcel;
	other.size--;
	assert_null(fynq_parcel_unpack(&other, fd));
	memset(&other, 0, sizeof(other));
	assert_null(fynq_parcel_unpack(&other, fd));
	assert_true(is_open(fd)); /* still the caller's */
	close(fd);
	fynq_req_free(&rq);
}

/* No origin, no traceparent: absent there, absent here. */
static void
absent_fields(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, false), *back;
	struct fynq_parcel parcel;

	(void)state;
	assert_true(fynq_parcel_pack(&parcel, rq));
	back = fynq_parcel_unpack(&parcel, connection());
	assert_null(back->origin.p);
	assert_null(back->traceparent.p);
	fynq_req_free(&back);
	fynq_req_free(&rq);
}

/* A sender that means no good: no field ends, or the traceparent ends too early to be one. */
static void
no_end_and_no_trace(void **state)
{
	struct fynq_parcel parcel;
	struct fynq_req *back;

	(void)state;
	memset(&parcel, 'x', sizeof(parcel));
	parcel.layout = FYNQ_PARCEL_LAYOUT;
	parcel.size = sizeof(parcel);
	back = fynq_parcel_unpack(&parcel, connection());
	assert_int_equal(back->id.n, sizeof(parcel.id));
	assert_int_equal(back->path.n, sizeof(parcel.path));
	fynq_req_free(&back);
	memset(parcel.traceparent, 0, sizeof(parcel.traceparent));
	parcel.traceparent[0] = '0';
	back = fynq_parcel_unpack(&parcel, connection());
	assert_int_equal(back->traceparent.n, 0);
	fynq_req_free(&back);
}

static void
cgi_has_no_connection(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct fynq_parcel parcel;

	(void)state;
	assert_false(fynq_parcel_pack(&parcel, rq));
	fynq_req_free(&rq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(long_fields),
		cmocka_unit_test(absent_fields),
		cmocka_unit_test(others_are_refused),
		cmocka_unit_test(no_end_and_no_trace),
		cmocka_unit_test(cgi_has_no_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
