/*
 * The life of a responder: options, settings, threads, signals, the end.
 *
 * A responder's main is one line: `return fynq_serve(argc, argv, "users", routes, NULL);`
 */
#ifndef FYNQ_SERVICE_SERVE_H
#define FYNQ_SERVICE_SERVE_H

#include "base/companion.h"
#include "http/router.h"

/*
 * Serve routes until told to end. The process is a FastCGI responder where descriptor 0 is a
 * listening socket, else a CGI program that answers one request. Options instead of serving:
 *
 *	--routes    the table, a line a row, for the Nginx site
 *	--openapi   the OpenAPI document of these routes
 *	--check     read the settings, reach the database, say what is wrong
 *
 * SIGTERM and SIGUSR1 take nothing new and finish what runs, bounded by FYNQ_DRAIN_SECONDS; SIGHUP
 * opens the log anew. Returns the exit status: 0, or 78 (EX_CONFIG) for bad settings.
 */
int fynq_serve(int argc, char **argv, const char *name, const struct fynq_route *routes,
    const struct fynq_companion *companion);

#endif
