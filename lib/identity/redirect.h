/*
 * Where a browser may be sent: the URLs of the settings, and nothing that merely resembles them.
 *
 * An open redirect makes our own address a bait, and here it would hand out the code of a sign-in
 * (RFC 9700 section 4.1). So a URL is compared with the listed ones byte by byte, and only URLs
 * about whose meaning no two programs differ are accepted at all.
 */
#ifndef FYNQ_IDENTITY_REDIRECT_H
#define FYNQ_IDENTITY_REDIRECT_H

#include "base/buf.h"

/* The parts of a URL, as in RFC 3986 section 3. */
struct fynq_url {
	bool https;
	struct fynq_str host;  /* a name or an IPv4 address, without the port */
	struct fynq_str path;  /* from its "/" on, without the query; "" where there is none */
	struct fynq_str query; /* without the "?"; absent where there is none */
};

/*
 * Take a URL apart. Accepted is http or https in lower case, a host in lower case, a port without
 * leading zeros, a path and a query of the characters that RFC 3986 allows there; no user, no
 * fragment, nothing that would have to be escaped, no dot segments, nothing past 1024 bytes.
 */
bool fynq_url_parse(struct fynq_str url, struct fynq_url *url_r);

/* May a browser be sent to the URL with a code? Listed, and https unless it is this machine. */
bool fynq_redirect_allowed(struct fynq_str url);

/* Check FYNQ_REDIRECTS and FYNQ_PUBLIC_URL: false, with a line for each that is no good. */
bool fynq_redirect_init(struct fynq_buf *problems_r);

#endif
