/*
 * Thought signatures, which a model puts into its parts and wants back with them.
 *
 * They are of the model that made them, and the parts of a chat are mostly the first model's:
 * another is asked without them.
 */
#ifndef FYNQ_GEMINI_SIGNATURE_H
#define FYNQ_GEMINI_SIGNATURE_H

#include "base/buf.h"

/*
 * What stands in that model's requests where another one's signature stood; NULL for nothing.
 * Gemini 3 documents a word for it, as it misses a signature that is not there; those before it
 * miss none. Static.
 */
const char *fynq_gemini_foreign_signature(const char *model);

/* Make a request with others' signatures one for that model. What is no request stays as it is. */
void fynq_gemini_unsign(struct fynq_buf *body, const char *model);

#endif
