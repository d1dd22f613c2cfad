#include <string.h>

#include "http/parcel.h"

/* An answer needs no more of a longer one: it is left out whole. */
static void
put(char *field, size_t size, struct fynq_str s)
{
	if (s.n > 0 && s.n < size)
		memcpy(field, s.p, s.n);
}

bool
fynq_parcel_pack(struct fynq_parcel *parcel, struct fynq_req *rq)
{
	if (rq->cgi)
		return false;
	/* What is left unread would reset the connection when it is closed. */
	fynq_req_drain(rq);
	*parcel = (struct fynq_parcel){
		.layout = FYNQ_PARCEL_LAYOUT,
		.size = sizeof(*parcel),
		.fcgi_id = rq->fcgx.requestId,
		.started_us = rq->started_us,
	};
	put(parcel->id, sizeof(parcel->id), rq->id);
	put(parcel->user, sizeof(parcel->user), rq->caller.id);
	put(parcel->traceparent, sizeof(parcel->traceparent), rq->traceparent);
	put(parcel->origin, sizeof(parcel->origin), rq->origin);
	put(parcel->path, sizeof(parcel->path), rq->path);
	return true;
}

static struct fynq_str
take(struct fynq_arena *arena, const char *field, size_t size)
{
	struct fynq_str s = { field, strnlen(field, size) };

	return s.n > 0 ? fynq_arena_copy(arena, s) : (struct fynq_str){ 0 };
}

static void
never(struct fynq_req *rq)
{
	(void)rq;
}

struct fynq_req *
fynq_parcel_unpack(const struct fynq_parcel *parcel, int fd)
{
	struct fynq_req *rq;

	if (parcel->layout != FYNQ_PARCEL_LAYOUT || parcel->size != sizeof(*parcel))
		return NULL;
	rq = fynq_req_new(-1, false);
	rq->fcgx.ipcFd = fd;
	rq->fcgx.requestId = parcel->fcgi_id;
	rq->started_us = parcel->started_us;
	rq->method = FYNQ_GET;
	rq->detached = never;
	rq->id = take(rq->arena, parcel->id, sizeof(parcel->id));
	rq->caller.id = take(rq->arena, parcel->user, sizeof(parcel->user));
	rq->traceparent = take(rq->arena, parcel->traceparent, sizeof(parcel->traceparent));
	if (rq->traceparent.n < sizeof(parcel->traceparent) - 1) /* It has but one length. */
		rq->traceparent = (struct fynq_str){ 0 };
	rq->origin = take(rq->arena, parcel->origin, sizeof(parcel->origin));
	rq->path = take(rq->arena, parcel->path, sizeof(parcel->path));
	return rq;
}
