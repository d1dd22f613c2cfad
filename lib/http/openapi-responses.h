/*
 * The responses of a route in its OpenAPI document: what it answers where all is well, and every
 * error that can come of it. Of openapi.c alone.
 */
#ifndef FYNQ_HTTP_OPENAPI_RESPONSES_H
#define FYNQ_HTTP_OPENAPI_RESPONSES_H

#include "http/document.h"
#include "http/router.h"

/* Write the member "responses" of the operation that is open. */
void fynq_openapi_responses(struct fynq_doc *d, const struct fynq_route *route);

#endif
