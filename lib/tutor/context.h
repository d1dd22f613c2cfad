/*
 * What the model is told: the tutor's instruction, what the student says of themselves, the chat.
 *
 * Tokens are estimated at four bytes each and 1,100 a picture, times a factor that each reply's own
 * count corrects: so the factor follows the language that is spoken here.
 */
#ifndef FYNQ_TUTOR_CONTEXT_H
#define FYNQ_TUTOR_CONTEXT_H

#include "tutor/turn.h"

/* What a row m of messages costs in SQL: a picture's 1,100 and 8 for the frame of each turn. */
#define FYNQ_CONTEXT_COST                                                                  \
	"(greatest(octet_length(m.content), coalesce(octet_length(m.parts::text), 0)) / 4" \
	" + case when m.file_id is null then 8 else 1108 end)"

/* The title that a chat has from its first question alone; null where that is without words. */
#define FYNQ_CONTEXT_TITLE(content) \
	"nullif(btrim(left(btrim(regexp_replace(" content ", '\\s+', ' ', 'g')), 80)), '')"

/* Read FYNQ_TUTOR_FILE; once, at start. A file that cannot be read ends the process. */
void fynq_context_init(void);

/* The settings that shape an answer, as one string: the key of answers that may serve again. */
struct fynq_str fynq_context_settings(void);

/* How much of a chat goes back to the model, in tokens as SQL counts them. From any thread. */
int64_t fynq_context_budget(void);

/* What a chat of so many of those takes together with the instruction, in Gemini's tokens. */
int64_t fynq_context_tokens(int64_t counted);

/*
 * A request with a chat of so many of those took actual tokens, by Gemini's own count. One reply
 * moves the factor little, whatever it says, and the factor keeps between 0.4 and 4. From any
 * thread.
 */
void fynq_context_learn(int64_t counted, int64_t actual);

/*
 * The request to Gemini, into body: instruction, learner, contents with their pictures. Errors are
 * those of reading a picture. Blocks; on a worker.
 */
enum fynq_err fynq_context_build(struct fynq_req *rq, const struct fynq_turn *turn,
    const struct fynq_opening *opening, struct fynq_buf *body) FYNQ_MUST_CHECK;

/* A request of one instruction and one text, such as a summary's, into body. */
void fynq_context_plain(struct fynq_buf *body, struct fynq_str instruction, struct fynq_str text,
    int64_t output_tokens);

#endif
