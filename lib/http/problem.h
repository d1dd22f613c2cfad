/*
 * Problems: how a request that fails is told so (RFC 9457, application/problem+json).
 */
#ifndef FYNQ_HTTP_PROBLEM_H
#define FYNQ_HTTP_PROBLEM_H

#include "base/buf.h"
#include "base/err.h"

enum { FYNQ_FAULTS = 32 };

/* One faulty field; code is one of a few words (see fields.h), message is for a person. */
struct fynq_fault {
	struct fynq_str field, message;
	const char *code;
};

struct fynq_problem {
	enum fynq_err error;	/* FYNQ_OK while nothing is wrong */
	struct fynq_str detail; /* absent: the title says it all */
	int retry_after;	/* seconds for Retry-After; 0 for none */
	size_t n_faults;	/* of all that were found; those past FYNQ_FAULTS are not kept */
	struct fynq_fault *faults;
};

/*
 * When to come back, in seconds: what was recorded, else a few seconds where the status is 429 or
 * 503, else 0 for nothing to say.
 */
int fynq_problem_retry_after(const struct fynq_problem *problem);

/*
 * Append the problem as JSON: type (urn:fynq:problem:CODE), title, status, detail where there is
 * one, instance (the request's id), code, retry_after where there is one (an event of a stream has
 * no header) and, where fields are at fault, errors[] with the field, code and message of each.
 */
void fynq_problem_json(
    struct fynq_buf *out, const struct fynq_problem *problem, struct fynq_str instance);

#endif
