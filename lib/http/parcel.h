/*
 * A request on its way from one process of a host to another.
 *
 * The descriptor of a FastCGI connection can be passed over a unix socket (SCM_RIGHTS); who has it
 * can answer. A parcel holds the rest of what an answer needs. Both processes run on one host, but
 * perhaps of two versions: a parcel of another layout is refused.
 */
#ifndef FYNQ_HTTP_PARCEL_H
#define FYNQ_HTTP_PARCEL_H

#include "http/request.h"

enum { FYNQ_PARCEL_LAYOUT = 1 };

struct fynq_parcel {
	uint32_t layout, size;
	int32_t fcgi_id;
	int64_t started_us; /* the clock is the host's */
	char id[65], user[37], traceparent[56], origin[256], path[256];
};

/* Pack a request whose body was read whole. False for plain CGI, whose output is a process's own.
 */
bool fynq_parcel_pack(struct fynq_parcel *parcel_r, struct fynq_req *rq);

/*
 * The request, detached already, on fd, which is taken over. NULL where the parcel makes no sense;
 * fd is then still the caller's. fynq_req_free() it.
 */
struct fynq_req *fynq_parcel_unpack(const struct fynq_parcel *parcel, int fd);

#endif
