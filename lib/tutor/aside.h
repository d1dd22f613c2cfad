/*
 * What the tutor asks Gemini beside the answers: a title for a new chat, a summary of what is old.
 *
 * An aside is worth little: it begins when an answer is stored, takes Gemini's quota only where
 * there is room at once, and leaves no trace when it fails or its process dies; a summary is then
 * tried again after the chat's next answer.
 */
#ifndef FYNQ_TUTOR_ASIDE_H
#define FYNQ_TUTOR_ASIDE_H

#include "tutor/turn.h"

enum fynq_aside_kind { FYNQ_ASIDE_TITLE, FYNQ_ASIDE_SUMMARY };

/*
 * Begin one for the turn whose reply was just stored, where the settings have it and the chat has
 * none of this kind under way. Copies turn. On the event loop's thread.
 */
void fynq_aside_begin(enum fynq_aside_kind kind, const struct fynq_turn *turn);

/* Those that have not ended; from any thread. */
size_t fynq_asides_active(void);

/* End all; on the event loop's thread. */
void fynq_asides_cancel(void);

#endif
