/*
 * Questions about contents of the library: the passages that the model is given with such a
 * question, and which of them its reply cites.
 *
 * Passages are numbered from 1 on. A reply cites one by its number in brackets, [2] or [1, 3]; a
 * number that was not given is no citation, nor is one in Markdown's code, where it is an index.
 */
#ifndef FYNQ_TUTOR_GROUNDING_H
#define FYNQ_TUTOR_GROUNDING_H

#include "library/retriever.h"
#include "tutor/turn.h"

/* Tokens of a context, as SQL counts them, that are kept free for passages: see context.h. */
int64_t fynq_grounding_tokens(void);

/*
 * Find the passages for the question of an opening that names contents: its passages and sources.
 * What they take of turn's tokens comes in place of what was kept free for them. Where the question
 * names none, nothing happens. The errors of the retriever. Blocks; on a worker.
 */
enum fynq_err fynq_grounding_find(
    struct fynq_req *rq, struct fynq_turn *turn, struct fynq_opening *opening) FYNQ_MUST_CHECK;

/* What tells the model how passages are to be used; for its instruction. */
extern const struct fynq_str fynq_grounding_rule;

/*
 * Append what was found, as data: a line for each passage, all that others wrote as JSON strings.
 * To sources goes what a reply may cite: a JSON array of {"n", "content_id", "title", "page"}.
 */
void fynq_grounding_write(
    const struct fynq_found *found, size_t n, struct fynq_buf *passages, struct fynq_buf *sources);

/* The numbers that a reply cites, as PostgreSQL's int[]: "{1,3}"; those from 1 to 63. */
void fynq_grounding_cited(struct fynq_str reply, struct fynq_buf *numbers);

#endif
