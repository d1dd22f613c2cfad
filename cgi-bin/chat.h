/*
 * The chat program: its handlers, and what their statements share.
 */
#ifndef FYNQ_CHAT_H
#define FYNQ_CHAT_H

#include "fynq.h"

/* chat-ask.c */
fynq_handler post_message, post_image, post_edit, post_regenerate, get_stream;

/* chat-keep.c */
fynq_handler get_chats, post_chat, get_chat, patch_chat, delete_chat;

/* chat-turns.c */
fynq_handler get_history, get_turns;

/* chat-export.c */
fynq_handler export_chat;

/* A row c of public.chats as clients see it; its members alone, where others follow. */
#define CHAT_OPENED  FYNQ_SQL_TIME("c.created_at")
#define CHAT_CHANGED FYNQ_SQL_TIME("c.updated_at")
#define CHAT_MEMBERS                                                                  \
	"'id', c.id, 'title', c.title, 'archived', c.archived, 'leaf_id', c.leaf_id," \
	" 'created_at', " CHAT_OPENED ", 'updated_at', " CHAT_CHANGED
#define CHAT_JSON "json_build_object(" CHAT_MEMBERS ")"

/*
 * The row after all others, where a list's cursor is absent. A list selects the coalesce() of the
 * two: below row security PostgreSQL takes it for a function that may leak, and compares with it
 * row by row instead of beginning there in the index.
 */
#define LAST_ID "'ffffffff-ffff-ffff-ffff-ffffffffffff'"

#endif
