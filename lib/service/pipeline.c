#include "base/config.h"
#include "base/log.h"
#include "http/form.h"
#include "http/response.h"
#include "identity/identity.h"
#include "service/pipeline.h"

static enum fynq_err
run(struct fynq_req *rq, const struct fynq_route *routes)
{
	const struct fynq_route *route;
	const void *in = NULL;
	size_t body_max;

	FYNQ_TRY(fynq_req_head(rq));
	fynq_log_request(rq->id);
	FYNQ_TRY(fynq_route_find(rq, routes));
	if ((route = rq->route) == NULL)
		return fynq_reply_empty(rq, 204); /* OPTIONS: a browser's preflight. */

	FYNQ_TRY(fynq_authorise(rq, route->who));
	if (route->admit != NULL)
		FYNQ_TRY(route->admit(rq));
	body_max = route->body_max > 0 ? route->body_max : (size_t)fynq_config.body_max;
	FYNQ_TRY(fynq_form_body(rq, route->in, body_max));
	FYNQ_TRY(fynq_fields_read(rq, route->in, &in));
	return route->handler(rq, in);
}

void
fynq_pipeline(struct fynq_req *rq, const struct fynq_route *routes)
{
	enum fynq_err e = run(rq, routes);

	fynq_log_request((struct fynq_str){ 0 });
	if (e != FYNQ_OK) {
		rq->problem.error = e;
		rq->detached = NULL;
		fynq_reply_problem(rq);
		/*
		 * On a kept connection what is left of a body would be taken for the next
		 * request's records, and whoever sent the body chose the bytes.
		 */
		if (rq->content_length > 0)
			fynq_req_drain(rq);
	} else if (rq->detached != NULL) {
		fynq_req_drain(rq);
		fynq_req_slim(rq);
	}
}
