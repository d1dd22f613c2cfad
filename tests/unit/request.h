/*
 * For tests of what works on a request: the request, made anew for a test or for all of a file.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "http/request.h"
#include "unit.h"

static struct fynq_req *rq;

static inline int
setup_request(void **state)
{
	(void)state;
	rq = fynq_req_new(-1, true);
	return 0;
}

static inline int
teardown_request(void **state)
{
	(void)state;
	fynq_req_free(&rq);
	return 0;
}

#endif
