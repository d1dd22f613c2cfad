/*
 * Which passages of contents a question is about.
 *
 * A retriever is one struct of functions. There is one, by full text; one by embeddings would be
 * another, and nothing above it would change: see docs/adr/0007-full-text-first.md.
 */
#ifndef FYNQ_LIBRARY_RETRIEVER_H
#define FYNQ_LIBRARY_RETRIEVER_H

#include "http/request.h"

/* What was found; valid as long as the arena. */
struct fynq_found {
	struct fynq_str content, title; /* the content's id and title */
	struct fynq_str page;		/* a number; absent where the text has no pages */
	struct fynq_str body;
};

/* At most so many passages and bytes of them; but one, however long, is never too much. */
struct fynq_find_max {
	int64_t passages, bytes;
};

struct fynq_retriever {
	const char *name;

	/*
	 * The passages of these contents that matter most to the question, in the order in which
	 * they stand: those of the first content first. Where fewer match than there may be, the
	 * first ones of each content are among them, so that there is something to explain to who
	 * asks for that alone; a content without passages gives its description. contents is an
	 * array of ids as PostgreSQL writes it ("{UUID,UUID}"); those that are not there, or that
	 * rq's caller may not see, give nothing. Blocks; the errors of fynq_db_run().
	 */
	enum fynq_err (*find)(struct fynq_req *rq, struct fynq_str contents,
	    struct fynq_str question, struct fynq_find_max max, struct fynq_found **found_r,
	    size_t *n_r);
};

extern const struct fynq_retriever fynq_retriever_text;

/* The one that questions go to. */
const struct fynq_retriever *fynq_retriever(void);

#endif
