#include <signal.h>
#include <sys/socket.h>

#include <fastcgi.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/stream.h"
#include "unit.h"

enum { ID = 0x0102, WAIT_MS = 30000, SECOND = 1000000, KEEPALIVE = 15, ALL = 1 << 22 };

/* A stream, the server's end of its connection, and what that end has read. */
struct client {
	struct fynq_stream stream; /* first: the stream is the client */
	struct fynq_req *rq;
	size_t event_id; /* of the newest event */
	int fd;
	struct fynq_buf bytes;
	int gone, ended;
	bool in_call;  /* of the stream's module */
	bool too_soon; /* it called back from inside such a call */
};

static void
on_gone(struct fynq_stream *s)
{
	struct client *c = (struct client *)s;

	c->too_soon = c->too_soon || c->in_call;
	c->gone++;
}

static void
on_ended(struct fynq_stream *s)
{
	struct client *c = (struct client *)s;

	c->too_soon = c->too_soon || c->in_call;
	c->ended++;
}

static void
open_client(struct client *c)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*c = (struct client){ .fd = fds[1], .bytes = FYNQ_BUF_INIT(ALL), .in_call = true };
	c->rq = fynq_req_new(-1, false);
	c->rq->fcgx.ipcFd = fds[0];
	c->rq->fcgx.requestId = ID;
	fynq_stream_open(&c->stream, c->rq, on_gone);
	c->in_call = false;
}

static void
send_bytes(struct client *c, struct fynq_str bytes)
{
	c->in_call = true;
	fynq_stream_write(&c->stream, bytes);
	c->in_call = false;
}

static void
send_event(struct client *c, const char *event, struct fynq_str data)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1 << 20);

	fynq_event_add(&b, ++c->event_id, event, data);
	fynq_stream_keep_alive(&c->stream);
	send_bytes(c, fynq_buf_str(&b));
	fynq_buf_release(&b);
}

static void
tick(struct client *c)
{
	c->in_call = true;
	fynq_stream_tick(&c->stream);
	c->in_call = false;
}

static void
end_stream(struct client *c)
{
	c->in_call = true;
	fynq_stream_end(&c->stream, on_ended);
	c->in_call = false;
}

/* All that is there to be read. */
static void
read_some(struct client *c)
{
	char block[65536];
	ssize_t n;

	while ((n = recv(c->fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		fynq_buf_add(&c->bytes, (struct fynq_str){ block, (size_t)n });
	assert_false(c->bytes.full);
}

/* Turn the loop until *what is n. */
static void
turn_until(const int *what, int n)
{
	int64_t deadline = fynq_clock_mono_us() + (int64_t)WAIT_MS * 1000;

	while (*what != n) {
		assert_true(fynq_clock_mono_us() < deadline);
		fynq_evloop_turn(100);
	}
}

/* The loop serves what is there, and what that leads to. */
static void
turn_a_few(void)
{
	for (int i = 0; i < 4; i++)
		fynq_evloop_turn(0);
}

/* End, and let the reader take all; then let go of everything. */
static void
close_client(struct client *c)
{
	if (c->ended == 0) {
		int64_t deadline = fynq_clock_mono_us() + (int64_t)WAIT_MS * 1000;

		end_stream(c);
		assert_int_equal(c->ended, 0);
		while (c->ended == 0) {
			assert_true(fynq_clock_mono_us() < deadline);
			if (c->fd >= 0)
				read_some(c);
			fynq_evloop_turn(10);
		}
	}
	turn_a_few();
	assert_int_equal(c->ended, 1);
	assert_false(c->too_soon);
	if (c->fd >= 0) {
		read_some(c);
		close(c->fd);
	}
	fynq_req_free(&c->rq);
	fynq_buf_release(&c->bytes);
}

/*
 * Take the records apart (FastCGI specification, section 3.3). What FCGI_STDOUT carried goes to
 * out; the number of its records that carried something is returned, the end of the request is
 * noted, and nothing else may be there.
 */
static int
unframe(const struct client *c, struct fynq_buf *out, bool *ended_r)
{
	const unsigned char *p = (const unsigned char *)fynq_buf_str(&c->bytes).p;
	const unsigned char *end = p + c->bytes.n;
	bool stdout_ended = false;
	int records = 0;

	*ended_r = false;
	while (p < end) {
		size_t n, padding;

		assert_false(*ended_r);
		assert_true(end - p >= FCGI_HEADER_LEN);
		n = (size_t)(p[4] << 8 | p[5]);
		padding = p[6];
		assert_true((size_t)(end - p) >= FCGI_HEADER_LEN + n + padding);
		assert_int_equal(p[0], FCGI_VERSION_1);
		assert_int_equal(p[2] << 8 | p[3], ID);
		assert_int_equal(p[7], 0);
		assert_int_equal((n + padding) % 8, 0);
		assert_true(padding < 8);
		p += FCGI_HEADER_LEN;
		if (p[-7] == FCGI_STDOUT) {
			assert_false(stdout_ended);
			fynq_buf_add(out, (struct fynq_str){ (const char *)p, n });
			stdout_ended = n == 0;
			records += n > 0;
		} else {
			assert_int_equal(p[-7], FCGI_END_REQUEST);
			assert_true(stdout_ended);
			assert_int_equal(n, sizeof(FCGI_EndRequestBody));
			for (size_t i = 0; i < n; i++)
				assert_int_equal(p[i], 0);
			*ended_r = true;
		}
		for (size_t i = 0; i < padding; i++)
			assert_int_equal(p[n + i], 0);
		p += n + padding;
	}
	return records;
}

/* What the client was sent so far is exactly this, and the request has ended or not. */
static void
expect(struct client *c, struct fynq_str want, bool want_end)
{
	struct fynq_buf out = FYNQ_BUF_INIT(ALL);
	bool ended;

	read_some(c);
	unframe(c, &out, &ended);
	assert_int_equal(out.n, want.n);
	if (want.n > 0)
		assert_memory_equal(out.p, want.p, want.n);
	assert_int_equal(ended, want_end);
	fynq_buf_release(&out);
}

static int
init(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fynq_evloop_init();
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	fynq_config.stream_buffer = 262144;
	fynq_config.keepalive_seconds = KEEPALIVE;
	return 0;
}

/* Byte for byte: version, type, request id, length, padding, reserved. */
static void
writes_records(void **state)
{
	static const char want[] = "\x01\x06\x01\x02\x00\x05\x03\x00hello\0\0\0"
				   "\x01\x06\x01\x02\x00\x08\x00\x00goodbye."
				   "\x01\x06\x01\x02\x00\x00\x00\x00"
				   "\x01\x03\x01\x02\x00\x08\x00\x00\0\0\0\0\0\0\0";
	struct client c;

	(void)state;
	open_client(&c);
	send_bytes(&c, FYNQ_STR("hello"));
	send_bytes(&c, FYNQ_STR(""));
	send_bytes(&c, FYNQ_STR("goodbye."));
	assert_int_equal(c.rq->reply.bytes_sent, 13);
	end_stream(&c);
	turn_until(&c.ended, 1);
	read_some(&c);
	assert_int_equal(c.bytes.n, sizeof(want));
	assert_memory_equal(c.bytes.p, want, sizeof(want));
	assert_int_equal(c.gone, 0);
	close_client(&c);
}

static void
pads_to_eight_bytes(void **state)
{
	struct client c;
	char text[] = "0123456789abcdef";

	(void)state;
	for (size_t n = 1; n <= 16; n++) {
		open_client(&c);
		send_bytes(&c, (struct fynq_str){ text, n });
		expect(&c, (struct fynq_str){ text, n }, false);
		assert_int_equal(c.bytes.n, FCGI_HEADER_LEN + (n + 7) / 8 * 8);
		close_client(&c);
	}
}

static void
numbers_its_events(void **state)
{
	struct client c;

	(void)state;
	open_client(&c);
	send_bytes(&c, FYNQ_STR("Status: 200 OK\r\n\r\n"));
	send_event(&c, "start", FYNQ_STR("{\"chat_id\":1}"));
	send_event(&c, "delta", FYNQ_STR("{\"text\":\"\xc3\xa9\"}"));
	send_event(&c, "done", FYNQ_STR("{}"));
	expect(&c,
	    FYNQ_STR("Status: 200 OK\r\n\r\n"
		     "id: 1\nevent: start\ndata: {\"chat_id\":1}\n\n"
		     "id: 2\nevent: delta\ndata: {\"text\":\"\xc3\xa9\"}\n\n"
		     "id: 3\nevent: done\ndata: {}\n\n"),
	    false);
	close_client(&c);
}

/* Bytes of which no two neighbouring blocks are alike. */
static struct fynq_str
noise(size_t n)
{
	char *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 251);
	return (struct fynq_str){ p, n };
}

static void
let_go(struct fynq_str s)
{
	free((void *)(uintptr_t)s.p);
}

/* More than a record holds goes in several, whole and in order, as fast as the reader reads. */
static void
splits_what_is_long(void **state)
{
	static const size_t lengths[] = { 65527, 65528, 65529, 65535, 65536, 131056, 1 << 20 };
	struct client c;

	(void)state;
	fynq_config.stream_buffer = 2 << 20;
	for (size_t i = 0; i < LENGTH(lengths); i++) {
		struct fynq_str text = noise(lengths[i]);
		struct fynq_buf out = FYNQ_BUF_INIT(ALL);
		bool ended;

		open_client(&c);
		send_bytes(&c, text);
		end_stream(&c);
		while (c.ended == 0) {
			read_some(&c);
			fynq_evloop_turn(100);
		}
		read_some(&c);
		assert_true(unframe(&c, &out, &ended) >= (int)(text.n / 65536) + (text.n > 65535));
		assert_true(ended);
		assert_int_equal(out.n, text.n);
		assert_memory_equal(out.p, text.p, text.n);
		assert_int_equal(c.gone, 0);
		fynq_buf_release(&out);
		close_client(&c);
		let_go(text);
	}
}

/* What is held back goes out when the reader reads again, behind nothing and before nothing. */
static void
holds_back_for_a_slow_reader(void **state)
{
	struct fynq_str text = noise(1 << 20);
	struct client c;
	size_t at = 0;

	(void)state;
	fynq_config.stream_buffer = 1 << 20;
	open_client(&c);
	while (c.stream.held.n == 0) {
		assert_true(at < text.n);
		send_bytes(&c, (struct fynq_str){ text.p + at, 1000 });
		at += 1000;
	}
	for (int i = 0; i < 50; i++, at += 1000)
		send_bytes(&c, (struct fynq_str){ text.p + at, 1000 });
	turn_a_few();
	assert_int_equal(c.gone, 0);
	assert_true(c.stream.held.n > 50000);
	end_stream(&c);
	turn_a_few();
	assert_int_equal(c.ended, 0);
	send_bytes(&c, FYNQ_STR("behind the end"));
	tick(&c);
	while (c.ended == 0) {
		read_some(&c);
		fynq_evloop_turn(100);
	}
	expect(&c, (struct fynq_str){ text.p, at }, true);
	assert_int_equal(c.gone, 0);
	close_client(&c);
	let_go(text);
}

/* Write until the client is lost. */
static void
overfill(struct client *c)
{
	static const char zeros[1000];

	for (int i = 0; !c->stream.lost; i++) {
		assert_true(i < ALL / 1000);
		send_bytes(c, (struct fynq_str){ zeros, sizeof(zeros) });
	}
}

/* gone() comes once and later; from then on writes go nowhere, and another stream goes on. */
static void
gives_up_a_reader_that_stalls(void **state)
{
	struct client stalled, other;
	size_t bytes, sent;

	(void)state;
	fynq_config.stream_buffer = 20000;
	open_client(&stalled);
	open_client(&other);
	overfill(&stalled);
	assert_int_equal(stalled.gone, 0);
	assert_true(stalled.stream.held.n > 20000);
	assert_true(stalled.stream.held.n < 22000);
	send_bytes(&other, FYNQ_STR("x"));
	expect(&other, FYNQ_STR("x"), false);
	turn_until(&stalled.gone, 1);

	read_some(&stalled);
	bytes = stalled.bytes.n;
	sent = stalled.rq->reply.bytes_sent;
	send_bytes(&stalled, FYNQ_STR("more"));
	send_event(&stalled, "delta", FYNQ_STR("{}"));
	tick(&stalled);
	turn_a_few();
	read_some(&stalled);
	assert_int_equal(stalled.bytes.n, bytes);
	assert_int_equal(stalled.rq->reply.bytes_sent, sent);

	end_stream(&stalled);
	assert_int_equal(stalled.ended, 0);
	turn_until(&stalled.ended, 1);
	turn_a_few();
	assert_int_equal(stalled.gone, 1);
	assert_int_equal(other.gone, 0);
	close_client(&stalled);
	close_client(&other);
}

static void
hears_of_a_client_that_closes(void **state)
{
	struct client c;

	(void)state;
	for (int with_bytes = 0; with_bytes < 2; with_bytes++) {
		open_client(&c);
		if (with_bytes == 1)
			send_bytes(&c, FYNQ_STR("unread"));
		turn_a_few();
		assert_int_equal(c.gone, 0);
		close(c.fd);
		c.fd = -1;
		turn_until(&c.gone, 1);
		send_bytes(&c, FYNQ_STR("x"));
		turn_a_few();
		assert_int_equal(c.gone, 1);
		close_client(&c);
		assert_int_equal(c.gone, 1);
	}
}

/* The write finds it out before the loop does. */
static void
hears_of_it_from_a_write(void **state)
{
	struct client c;

	(void)state;
	open_client(&c);
	close(c.fd);
	c.fd = -1;
	send_bytes(&c, FYNQ_STR("x"));
	assert_int_equal(c.gone, 0);
	turn_until(&c.gone, 1);
	turn_a_few();
	assert_int_equal(c.gone, 1);
	close_client(&c);
}

static void
hears_of_it_with_bytes_held_back(void **state)
{
	static const char zeros[1000];
	struct client c;

	(void)state;
	open_client(&c);
	while (c.stream.held.n == 0)
		send_bytes(&c, (struct fynq_str){ zeros, sizeof(zeros) });
	assert_false(c.stream.lost);
	close(c.fd);
	c.fd = -1;
	turn_until(&c.gone, 1);
	close_client(&c);
	assert_int_equal(c.gone, 1);
}

/* A stream that was ended hears ended() alone, once, however its client fares. */
static void
after_the_end_nobody_is_gone(void **state)
{
	static const char zeros[1000];
	struct client c;

	(void)state;
	/* Lost before the end, and not told yet. */
	open_client(&c);
	close(c.fd);
	c.fd = -1;
	send_bytes(&c, FYNQ_STR("x"));
	assert_true(c.stream.lost);
	end_stream(&c);
	turn_until(&c.ended, 1);
	close_client(&c);
	assert_int_equal(c.gone, 0);

	/* Lost while the rest is written. */
	open_client(&c);
	while (c.stream.held.n == 0)
		send_bytes(&c, (struct fynq_str){ zeros, sizeof(zeros) });
	end_stream(&c);
	turn_a_few();
	assert_int_equal(c.ended, 0);
	close(c.fd);
	c.fd = -1;
	turn_until(&c.ended, 1);
	close_client(&c);
	assert_int_equal(c.gone, 0);
}

/* The limit is on what the client did not take: all else is the descriptor's. */
static void
counts_only_what_is_held_back(void **state)
{
	struct fynq_str text = noise(30000);
	struct client c;

	(void)state;
	fynq_config.stream_buffer = 4096;
	open_client(&c);
	for (int i = 0; i < 20; i++) {
		send_bytes(&c, (struct fynq_str){ text.p, 2000 });
		read_some(&c);
	}
	turn_a_few();
	assert_int_equal(c.gone, 0);
	send_bytes(&c, text);
	turn_a_few();
	assert_int_equal(c.gone, 0);
	send_event(&c, "done", FYNQ_STR("{}"));
	close_client(&c);
	assert_int_equal(c.gone, 0);
	let_go(text);
}

/* Turn the stream's clock back. */
static void
let_pass(struct client *c, int seconds)
{
	c->stream.last_us -= (int64_t)seconds * SECOND;
}

static void
keeps_silent_streams_alive(void **state)
{
	struct fynq_buf want = FYNQ_BUF_INIT(1024);
	struct client c;

	(void)state;
	open_client(&c);
	/* No event yet: a head of another kind may still come. */
	let_pass(&c, 2 * KEEPALIVE);
	tick(&c);
	expect(&c, FYNQ_STR(""), false);

	send_event(&c, "start", FYNQ_STR("{}"));
	fynq_buf_add(&want, FYNQ_STR("id: 1\nevent: start\ndata: {}\n\n"));
	let_pass(&c, KEEPALIVE - 5);
	tick(&c);
	expect(&c, fynq_buf_str(&want), false);
	for (int i = 0; i < 3; i++) {
		struct fynq_buf out = FYNQ_BUF_INIT(1024);
		bool ended;

		let_pass(&c, KEEPALIVE + 1);
		tick(&c);
		tick(&c);
		read_some(&c);
		unframe(&c, &out, &ended);
		/* One comment: a line that begins with a colon, and an empty one. */
		assert_true(out.n > want.n + 2);
		assert_memory_equal(out.p, want.p, want.n);
		assert_int_equal(out.p[want.n], ':');
		assert_memory_equal(out.p + out.n - 2, "\n\n", 2);
		for (size_t k = want.n; k < out.n - 2; k++)
			assert_int_not_equal(out.p[k], '\n');
		fynq_buf_reset(&want);
		fynq_buf_add(&want, fynq_buf_str(&out));
		fynq_buf_release(&out);
	}
	/* Comments take no ids. */
	send_event(&c, "delta", FYNQ_STR("{}"));
	fynq_buf_add(&want, FYNQ_STR("id: 2\nevent: delta\ndata: {}\n\n"));
	expect(&c, fynq_buf_str(&want), false);
	fynq_buf_release(&want);
	close_client(&c);
}

/* For a minute a client may take nothing of what is held; comments on top of it help nobody. */
static void
ticks_give_up_a_reader_that_stalls(void **state)
{
	struct client c;
	char data[1000];
	size_t held;

	(void)state;
	memset(data, 'x', sizeof(data));
	open_client(&c);
	while (c.stream.held.n == 0)
		send_event(&c, "delta", (struct fynq_str){ data, sizeof(data) });
	held = c.stream.held.n;
	let_pass(&c, 50);
	for (int i = 0; i < 10; i++)
		tick(&c);
	turn_a_few();
	assert_int_equal(c.gone, 0);
	assert_true(c.stream.held.n <= held + 100);
	let_pass(&c, 11);
	tick(&c);
	assert_int_equal(c.gone, 0);
	turn_until(&c.gone, 1);
	tick(&c);
	close_client(&c);
	assert_int_equal(c.gone, 1);
}

/* An idle stream, and one whose client takes all, are not given up however long they last. */
static void
ticks_leave_the_others_alone(void **state)
{
	struct client c;

	(void)state;
	open_client(&c);
	let_pass(&c, 3600);
	tick(&c);
	turn_a_few();
	assert_int_equal(c.gone, 0);
	send_event(&c, "delta", FYNQ_STR("{}"));
	read_some(&c);
	let_pass(&c, 3600);
	tick(&c);
	turn_a_few();
	assert_int_equal(c.gone, 0);
	close_client(&c);
	assert_int_equal(c.gone, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(writes_records, setup),
		cmocka_unit_test_setup(pads_to_eight_bytes, setup),
		cmocka_unit_test_setup(numbers_its_events, setup),
		cmocka_unit_test_setup(splits_what_is_long, setup),
		cmocka_unit_test_setup(holds_back_for_a_slow_reader, setup),
		cmocka_unit_test_setup(gives_up_a_reader_that_stalls, setup),
		cmocka_unit_test_setup(hears_of_a_client_that_closes, setup),
		cmocka_unit_test_setup(hears_of_it_from_a_write, setup),
		cmocka_unit_test_setup(hears_of_it_with_bytes_held_back, setup),
		cmocka_unit_test_setup(after_the_end_nobody_is_gone, setup),
		cmocka_unit_test_setup(counts_only_what_is_held_back, setup),
		cmocka_unit_test_setup(keeps_silent_streams_alive, setup),
		cmocka_unit_test_setup(ticks_give_up_a_reader_that_stalls, setup),
		cmocka_unit_test_setup(ticks_leave_the_others_alone, setup),
	};

	return cmocka_run_group_tests_name("stream", tests, init, NULL);
}
