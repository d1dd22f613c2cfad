/*
 * The OpenAPI 3.1 document of a table of routes.
 *
 * Whatever a row says of its route is in the document: parameters and bodies with their bounds, the
 * reply's members, whom the route serves, and every error that can come of it, those that follow
 * from the row's other columns included.
 */
#ifndef FYNQ_HTTP_OPENAPI_H
#define FYNQ_HTTP_OPENAPI_H

#include "http/router.h"

/* Append the document, titled "fynq: NAME"; one member a line, so that two can be compared. */
void fynq_openapi(struct fynq_buf *out, const char *name, const struct fynq_route *routes);

#endif
