/*
 * Does a FastCGI responder answer?
 */
#ifndef FYNQ_SBIN_PROBE_H
#define FYNQ_SBIN_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Send the responder behind a unix socket one request, GET / with the id "fynqctl-probe", and read
 * its whole answer, whatever that is. False where there is nobody, or timeout_ms passed before.
 *
 * (FastCGI's own question, FCGI_GET_VALUES, would not do: libfcgi does not answer it before
 * another record comes.)
 */
bool probe(const char *socket_path, int64_t timeout_ms);

#endif
