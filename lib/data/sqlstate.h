/*
 * What PostgreSQL's error codes (documentation, appendix A) mean for a request.
 */
#ifndef FYNQ_DATA_SQLSTATE_H
#define FYNQ_DATA_SQLSTATE_H

#include <stdbool.h>

#include "base/err.h"

/* The error that a client is told for a five-character SQLSTATE; INTERNAL for an unknown one. */
enum fynq_err fynq_sqlstate_error(const char *sqlstate);

/* True where the same transaction may well succeed when it is run again at once. */
bool fynq_sqlstate_transient(const char *sqlstate);

/* True where the server session is of no more use: it ends, or forgot its statements. */
bool fynq_sqlstate_fatal(const char *sqlstate);

#endif
