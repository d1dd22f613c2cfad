#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "bench/h2.h"
#include "bench/tool.h"

/* A record of TLS has 16 KB; past HELD the session waits for the socket. */
enum { READ_SIZE = 16384, HELD = 65536, OUT_MAX = 1 << 20, STREAMS = 100 };

/* No stream is short of a window: what is measured is the reader, not its windows. */
enum { STREAM_WINDOW = 1 << 20, CONNECTION_WINDOW = 1 << 30 };

static void
close_connection(struct h2 *h)
{
	fynq_evloop_unwatch(&h->watch);
	h->closed(h);
	SSL_free(h->ssl);
	nghttp2_session_del(h->session);
	fynq_buf_release(&h->out);
	close(h->watch.fd);
	free(h);
}

/*
 * 1: go on, 0: the socket wants us to wait, -1: it is over. OpenSSL looks at the thread's queue of
 * errors, where that of a connection must not stand for another.
 */
static int
progress(struct h2 *h, int result)
{
	if (result > 0)
		return 1;
	switch (SSL_get_error(h->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return 0;
	default:
		ERR_clear_error();
		return -1;
	}
}

static int
receive(struct h2 *h)
{
	static uint8_t bytes[READ_SIZE];
	int n, state;

	while ((state = progress(h, n = SSL_read(h->ssl, bytes, sizeof(bytes)))) > 0)
		if (nghttp2_session_mem_recv(h->session, bytes, (size_t)n) < 0)
			return -1;
	return state;
}

static void
gather(struct h2 *h)
{
	const uint8_t *p;
	ssize_t n;

	while (h->out.n < HELD && (n = nghttp2_session_mem_send(h->session, &p)) > 0)
		fynq_buf_add(&h->out, (struct fynq_str){ (const char *)p, (size_t)n });
}

void
h2_flush(struct h2 *h)
{
	int n;

	if (!h->ready)
		return;
	for (gather(h); h->out.n > 0; gather(h)) {
		n = SSL_write(h->ssl, h->out.p, (int)h->out.n);
		if (progress(h, n) <= 0)
			break; /* What is wrong shows itself when it is read from. */
		fynq_buf_shift(&h->out, (size_t)n);
	}
	fynq_evloop_watch(&h->watch, EPOLLIN | (h->out.n > 0 ? EPOLLOUT : 0));
}

static int
shake_hands(struct h2 *h)
{
	int state = progress(h, SSL_do_handshake(h->ssl));

	h->ready = state > 0;
	fynq_evloop_watch(&h->watch, EPOLLIN | (SSL_want_write(h->ssl) ? EPOLLOUT : 0));
	return state;
}

static void
on_ready(struct fynq_watch *w, uint32_t events)
{
	struct h2 *h = (struct h2 *)w; /* The watch is the first member. */
	int state = h->ready ? 1 : shake_hands(h);

	(void)events;
	if (h->ready)
		state = receive(h);
	if (state >= 0)
		h2_flush(h);
	if (state < 0 ||
	    (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session)))
		close_connection(h);
}

static void
submit_settings(struct h2 *h, bool server)
{
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS }, /* As Google has it. */
	};

	nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, server ? 2 : 1);
	nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
}

static void
open_session(struct h2 *h, bool server, const nghttp2_session_callbacks *callbacks)
{
	nghttp2_option *option;

	nghttp2_option_new(&option);
	/* Clients that leave cancel thousands of streams; that is what is measured, not an attack.
	 */
	nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX / 2, UINT64_MAX / 2);
	if (server)
		nghttp2_session_server_new2(&h->session, callbacks, h, option);
	else
		nghttp2_session_client_new2(&h->session, callbacks, h, option);
	nghttp2_option_del(option);
	submit_settings(h, server);
}

void
h2_open(struct h2 *h, int fd, SSL_CTX *tls, bool server, const nghttp2_session_callbacks *callbacks)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	h->watch = (struct fynq_watch){ .fd = fd, .ready = on_ready };
	h->out = (struct fynq_buf)FYNQ_BUF_INIT(OUT_MAX);
	h->ssl = SSL_new(tls);
	SSL_set_fd(h->ssl, fd);
	SSL_set_mode(h->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (server)
		SSL_set_accept_state(h->ssl);
	else
		SSL_set_connect_state(h->ssl);
	open_session(h, server, callbacks);
	fynq_evloop_watch(&h->watch, EPOLLIN | EPOLLOUT);
}
