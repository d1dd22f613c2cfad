/*
 * Reading: a content that waits for it gets its passages, a pdf's out of the file.
 *
 * A content that is new, or has another text, is in the state waiting (contents.extraction); the
 * database sees to that. It is taken by one process at a time, for as long as reading it may take;
 * then another may. A process that is told to end begins no other, and leaves what it cannot end in
 * FYNQ_DRAIN_SECONDS to the next. What cannot be done now is tried again, after a minute at first
 * and an hour at last; what can never be done has failed, with a code in contents.extraction_error:
 *
 *	encrypted  the pdf wants a password
 *	damaged    it is no pdf, or cannot be read
 *	too_large  it has more text than is kept, or takes too long
 *	no_text    it shows pictures alone, or nothing
 *
 * The contents responder has it as its companion, and wakes it when a content waits. As plain CGI a
 * request reads what waits after its answer, and `fynqctl upkeep` what waits still, from cron.
 */
#ifndef FYNQ_LIBRARY_READING_H
#define FYNQ_LIBRARY_READING_H

#include "base/companion.h"
#include "http/request.h"

extern const struct fynq_companion fynq_reading;

/* Have a worker look for contents that wait, soon; for who has just committed one. */
void fynq_reading_wake(void);

/*
 * Read all that wait, one after the other, also what was put off; not what another process reads.
 * Returns how many could not be tried properly; the log says which. Blocks, for as long as that
 * takes.
 */
int fynq_reading_run(struct fynq_req *rq);

#endif
