/*
 * Leave to ask: a model of the settings that has room for a request.
 */
#ifndef FYNQ_GEMINI_LEAVE_H
#define FYNQ_GEMINI_LEAVE_H

#include "base/err.h"
#include "limits/quota.h"

/* Read FYNQ_GEMINI_MODEL and FYNQ_GEMINI_FALLBACKS; once, before any thread starts. */
void fynq_gemini_leave_init(void);

/* How many models there are, and the name of one; the first answers where it can. Static. */
int fynq_gemini_models(void);
const char *fynq_gemini_model(int i);

/* The leave to send one request to one model, at permit.start_us or later. */
struct fynq_gemini_leave {
	int model; /* of the settings' list: 0 for the first */
	struct fynq_permit permit;
};

/*
 * Leave for a request of about that many tokens, from the first model that has room within wait_ms,
 * beginning with that one of the list.
 * Otherwise the error of the model that will have room first, with the seconds until then:
 * GEMINI_QUOTA, GEMINI_DAY, or GEMINI_OVERLOADED where its breaker is open. From any thread,
 * without blocking: taken before a question is stored, so that one without a chance leaves no
 * trace.
 */
enum fynq_err fynq_gemini_admit(int model, int64_t tokens, int64_t wait_ms,
    struct fynq_gemini_leave *leave_r, int *retry_after_r) FYNQ_MUST_CHECK;

/* The request will not be sent. */
void fynq_gemini_give_back(const struct fynq_gemini_leave *leave);

#endif
