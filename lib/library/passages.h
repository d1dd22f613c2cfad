/*
 * A text in passages: what a search finds, what a question brings into the context, what a citation
 * names.
 *
 * A passage is 600 to 1,200 characters of one page, cut behind a paragraph, else a sentence, else a
 * word. Shorter is only one that is all its page has; a word that is longer is cut where it must
 * be.
 */
#ifndef FYNQ_LIBRARY_PASSAGES_H
#define FYNQ_LIBRARY_PASSAGES_H

#include "base/buf.h"

enum {
	FYNQ_PASSAGE_LEAST = 600, /* characters of a passage, but where its page has fewer */
	FYNQ_PASSAGE_MOST = 1200, /* characters of a passage */
	FYNQ_PASSAGES_MAX = 5000, /* of one content */
	FYNQ_TEXT_MAX = 5000000	  /* bytes of one content's text */
};

struct fynq_passage {
	int page; /* from 1; 0 where the text has no pages */
	struct fynq_str body;
};

/* Where a text has been cut to. */
struct fynq_passages {
	struct fynq_str rest;
	int page;
};

/*
 * Append the text to clean_r as passages are cut from it: UTF-8, without control characters and
 * characters that show nothing, each run of white space a single space, line end, or line end
 * and empty line. What is not UTF-8 becomes U+FFFD. A form feed ends a page where the text is
 * paged, else it is a line end. clean_r should take the bytes of text three times over.
 */
void fynq_passages_clean(struct fynq_str text, bool paged, struct fynq_buf *clean_r);

/* Begin with a text that was cleaned, and outlives the passages. */
struct fynq_passages fynq_passages_begin(struct fynq_str clean, bool paged);

/* The next passage, a part of the text; false at its end. */
bool fynq_passages_next(struct fynq_passages *p, struct fynq_passage *passage_r);

/* How many there are, but FYNQ_PASSAGES_MAX + 1 of any more. */
int fynq_passages_count(struct fynq_str clean, bool paged);

/*
 * The next ones, at most so many, as a JSON array of {"page": 1 or null, "body": "..."}. How many
 * they are: 0 at the end. Each takes 5,000 bytes at most.
 */
int fynq_passages_json(struct fynq_passages *p, int most, struct fynq_buf *json);

#endif
