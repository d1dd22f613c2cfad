/*
 * The access log: one line for each request, when its answer is complete.
 */
#ifndef FYNQ_HTTP_ACCESS_H
#define FYNQ_HTTP_ACCESS_H

#include "http/request.h"

/*
 * Log method, route, status, duration, sizes, the caller's id and the error's code. The route is
 * the table's path, not the request's: no id or query goes to the log but the caller's own.
 */
void fynq_access_log(const struct fynq_req *rq);

#endif
