/*
 * What a request says of the machine that sent it.
 */
#ifndef FYNQ_HTTP_CLIENT_H
#define FYNQ_HTTP_CLIENT_H

#include "http/request.h"

/* The address that it came from, as PostgreSQL's inet takes it; absent where there is none. */
struct fynq_str fynq_client_address(const struct fynq_req *rq);

/* The client's own words about itself, at most 256 bytes of UTF-8; absent where they are not text.
 */
struct fynq_str fynq_client_agent(const struct fynq_req *rq);

#endif
