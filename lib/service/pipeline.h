/*
 * A request's way from its head to its handler.
 */
#ifndef FYNQ_SERVICE_PIPELINE_H
#define FYNQ_SERVICE_PIPELINE_H

#include "http/router.h"

/*
 * Run the stages in order: head, route, authorisation, body, fields, handler. The first that fails
 * makes the answer a problem. Afterwards rq->reply is ready to be sent, or rq->detached is set and
 * the request is the event loop's.
 */
void fynq_pipeline(struct fynq_req *rq, const struct fynq_route *routes);

#endif
