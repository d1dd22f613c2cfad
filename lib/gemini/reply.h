/*
 * A reply of Gemini, put together from the objects of its stream.
 *
 * Each object is a whole GenerateContentResponse. What the student sees is the text of the parts
 * that are not thoughts; what goes back to the model on the next turn is every part as it came,
 * thought signatures included, except that neighbouring parts which are nothing but text are
 * joined.
 */
#ifndef FYNQ_GEMINI_REPLY_H
#define FYNQ_GEMINI_REPLY_H

#include <json-c/json_object.h>

#include "base/buf.h"
#include "base/err.h"

struct fynq_gemini_usage {
	int64_t prompt, reply, thought, total; /* tokens */
	int64_t cached;			       /* those of the prompt that Gemini had cached */
};

struct fynq_gemini_reply {
	struct fynq_buf text;  /* what the student sees, whole so far */
	struct fynq_buf parts; /* closed parts, as members of a JSON array, each with a comma */
	size_t run;	       /* where in text the plain part that is still growing begins */
	char finish[40];       /* finishReason; empty until it came */
	char blocked[40];      /* promptFeedback.blockReason; empty where the prompt was taken */
	char model[64];	       /* modelVersion */
	struct fynq_gemini_usage usage;
	enum fynq_err error; /* of an error object inside the stream */
	int retry_after;     /* seconds, with error */
};

/* An empty reply; text holds at most max bytes, the rest in proportion. */
void fynq_gemini_reply_init(struct fynq_gemini_reply *r, size_t max);

/*
 * Take one object. *text_r is the text that it added, valid until the next call. False where it is
 * no JSON object, or where the reply has grown past its maximum.
 */
bool fynq_gemini_reply_add(
    struct fynq_gemini_reply *r, struct fynq_str json, struct fynq_str *text_r);

/* All parts so far as a JSON array; "[]" for none. */
void fynq_gemini_reply_parts(const struct fynq_gemini_reply *r, struct fynq_buf *out);

/*
 * What the reply comes to once the stream has ended: FYNQ_OK for one that is complete; otherwise
 * the error in the stream, GEMINI_BLOCKED, GEMINI_EMPTY, GEMINI_FAILED for a reason that leaves the
 * reply unusable, or GEMINI_CUT where no finishReason came.
 */
enum fynq_err fynq_gemini_reply_verdict(const struct fynq_gemini_reply *r) FYNQ_MUST_CHECK;

void fynq_gemini_reply_release(struct fynq_gemini_reply *r);

#endif
