/*
 * The text of a document, as Poppler's pdftotext reads it, run as a child under limits: a document
 * is hostile until it has been read.
 */
#ifndef FYNQ_LIBRARY_EXTRACT_H
#define FYNQ_LIBRARY_EXTRACT_H

#include "http/request.h"

enum fynq_extract_end {
	FYNQ_EXTRACT_DONE,
	FYNQ_EXTRACT_ENCRYPTED, /* it wants a password */
	FYNQ_EXTRACT_DAMAGED,	/* it is no PDF, or cannot be read */
	FYNQ_EXTRACT_TOO_LARGE, /* more text than FYNQ_TEXT_MAX, or more work than there is time */
	FYNQ_EXTRACT_LATER,	/* it could not be tried properly; the log says why */
	FYNQ_EXTRACT_STOPPED	/* fynq_extract_stop() */
};

/*
 * Read the first FYNQ_PDF_PAGES pages of the PDF in a regular file, within FYNQ_PDF_SECONDS of
 * processor time and three times that in all. Each page of *text_r ends in a form feed; the text is
 * in no way checked, and is valid until the request ends or its arena is released. Blocks; on a
 * worker.
 */
enum fynq_extract_end fynq_extract_pdf(struct fynq_req *rq, int fd, struct fynq_str *text_r);

/* End what is being read, and read nothing any more: the process ends. From any thread. */
void fynq_extract_stop(void);

#endif
