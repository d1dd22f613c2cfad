/*
 * One HTTP/2 connection over TLS on the event loop, of a server or of a client (RFC 9113).
 *
 * nghttp2 knows the protocol, OpenSSL the encryption; this moves bytes between them. What
 * h2_flush() does not get rid of waits for the socket.
 */
#ifndef FYNQ_BENCH_H2_H
#define FYNQ_BENCH_H2_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/evloop.h"

struct h2 {
	struct fynq_watch watch;
	SSL *ssl;
	nghttp2_session *session;
	struct fynq_buf out; /* what the socket has not taken yet */
	bool ready;	     /* the handshake is done */
	void (*closed)(struct h2 *h);
};

/*
 * Open it over a connected, non-blocking descriptor, which becomes its own. h is the first member
 * of something from fynq_alloc(), with closed set: that is called once, never from inside
 * h2_flush(), and then all is freed.
 */
void h2_open(
    struct h2 *h, int fd, SSL_CTX *tls, bool server, const nghttp2_session_callbacks *callbacks);

/* Write what the session has to say. */
void h2_flush(struct h2 *h);

#define H2_HEADER(n, v)                                   \
	((nghttp2_nv){ .name = (uint8_t *)(uintptr_t)(n), \
	    .value = (uint8_t *)(uintptr_t)(v),           \
	    .namelen = strlen(n),                         \
	    .valuelen = strlen(v) })

#endif
