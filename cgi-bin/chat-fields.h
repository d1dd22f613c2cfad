/*
 * What the chat routes take and give.
 */
#ifndef FYNQ_CHAT_FIELDS_H
#define FYNQ_CHAT_FIELDS_H

#include "fynq.h"

/* What comes in. */

static const char *const message_types[] = { "text", "image", NULL };
static const char *const senders[] = { "student", "tutor", NULL };

struct history_in {
	struct fynq_uuid user_id, chat_id;
	struct fynq_str type, sender, q;
	struct fynq_time from, to;
	int64_t limit;
	struct fynq_cursor cursor;
};

static const struct fynq_field history_in[] = {
	FYNQ_FIELD(history_in, user_id, FYNQ_IN_PATH, "Whose messages."),
	FYNQ_FIELD(history_in, chat_id, FYNQ_IN_QUERY, "Only those of this chat."),
	FYNQ_FIELD(
	    history_in, type, FYNQ_IN_QUERY, "Only those of this type.", .values = message_types),
	FYNQ_FIELD(
	    history_in, sender, FYNQ_IN_QUERY, "Only those of this side.", .values = senders),
	FYNQ_FIELD(history_in, q, FYNQ_IN_QUERY, "Only those that hold this text, in any case.",
	    .min = 1, .max = 200),
	FYNQ_FIELD(history_in, from, FYNQ_IN_QUERY, "Only those from this time on."),
	FYNQ_FIELD(history_in, to, FYNQ_IN_QUERY, "Only those before this time."),
	FYNQ_FIELDS_PAGE(history_in),
	FYNQ_FIELD_END,
};

struct list_in {
	bool archived;
	struct fynq_str q;
	int64_t limit;
	struct fynq_cursor cursor;
};

static const struct fynq_field list_in[] = {
	FYNQ_FIELD(
	    list_in, archived, FYNQ_IN_QUERY, "Those that are put away, instead of the others."),
	FYNQ_FIELD(list_in, q, FYNQ_IN_QUERY,
	    "Only those whose title, or a message in them, holds this text, in any case. A search "
	    "may end a page early, even without an item: it goes on at next_cursor.",
	    .min = 1, .max = 200),
	FYNQ_FIELDS_PAGE(list_in),
	FYNQ_FIELD_END,
};

struct new_in {
	struct fynq_str title;
};

static const struct fynq_field new_in[] = {
	FYNQ_FIELD(new_in, title, FYNQ_IN_BODY, "Its title; the first question without one.",
	    .min = 1, .max = 200, .format = FYNQ_F_LINE),
	FYNQ_FIELD_END,
};

struct chat_in {
	struct fynq_uuid id;
};

static const struct fynq_field chat_in[] = {
	FYNQ_FIELD(chat_in, id, FYNQ_IN_PATH, "The chat."),
	FYNQ_FIELD_END,
};

struct patch_in {
	struct fynq_uuid id;
	struct fynq_str title;
	bool archived;
	struct fynq_uuid leaf_id;
};

static const struct fynq_field patch_in[] = {
	FYNQ_FIELD(patch_in, id, FYNQ_IN_PATH, "The chat."),
	FYNQ_FIELD(patch_in, title, FYNQ_IN_BODY, "Its new title.", .min = 1, .max = 200,
	    .format = FYNQ_F_LINE),
	FYNQ_FIELD(patch_in, archived, FYNQ_IN_BODY, "Put it away, or take it out again."),
	FYNQ_FIELD(patch_in, leaf_id, FYNQ_IN_BODY,
	    "Choose the branch through this message of the chat, at its newest end."),
	FYNQ_FIELD_END,
};

struct turns_in {
	struct fynq_uuid id, leaf_id;
	int64_t limit;
	struct fynq_cursor cursor;
};

static const struct fynq_field turns_in[] = {
	FYNQ_FIELD(turns_in, id, FYNQ_IN_PATH, "The chat."),
	FYNQ_FIELD(turns_in, leaf_id, FYNQ_IN_QUERY,
	    "Only the branch that ends in this message: it and those before it."),
	FYNQ_FIELDS_PAGE(turns_in),
	FYNQ_FIELD_END,
};

static const char *const export_formats[] = { "json", "markdown", NULL };

struct export_in {
	struct fynq_uuid id;
	struct fynq_str format;
};

static const struct fynq_field export_in[] = {
	FYNQ_FIELD(export_in, id, FYNQ_IN_PATH, "The chat."),
	FYNQ_FIELD(export_in, format, FYNQ_IN_QUERY, "What to make of it; json without it.",
	    .values = export_formats),
	FYNQ_FIELD_END,
};

/* What goes out. */

static const struct fynq_field usage_out[] = {
	FYNQ_OUT("prompt_tokens", INT, "What was sent."),
	FYNQ_OUT("reply_tokens", INT, "What came back."),
	FYNQ_OUT("thought_tokens", INT, "What the model thought."),
	FYNQ_OUT("total_tokens", INT, "All together."),
	FYNQ_FIELD_END,
};

static const struct fynq_field siblings_out[] = {
	FYNQ_OUT("index", INT, "Its place among them, from 1, the oldest."),
	FYNQ_OUT("count", INT, "How many there are, itself included."),
	FYNQ_FIELD_END,
};

static const struct fynq_field id_out[] = { FYNQ_ITEM(UUID), FYNQ_FIELD_END };

static const struct fynq_field citation_out[] = {
	FYNQ_OUT("n", INT, "The number by which the text names it: [1]."),
	FYNQ_OUT("content_id", UUID, "The content, which may be gone."),
	FYNQ_OUT("title", STRING, "The title that it had.", .max = 200),
	FYNQ_OUT(
	    "page", INT, "The page; null where it has none.", .flags = FYNQ_NULLABLE, .min = 1),
	FYNQ_FIELD_END,
};

static const struct fynq_field message_out[] = {
	FYNQ_OUT("id", UUID, "The message."),
	FYNQ_OUT("chat_id", UUID, "Its chat."),
	FYNQ_OUT("parent_id", UUID, "The message before it on its branch.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("sender", STRING, "Who wrote it.", .values = senders),
	FYNQ_OUT("type", STRING, "What it is.", .values = message_types),
	FYNQ_OUT("content", STRING, "Its text.", .max = 1000000),
	FYNQ_OUT("image_url", STRING, "Where its picture is.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("content_ids", ARRAY, "Contents of the library that a question is about.",
	    .sub = id_out),
	FYNQ_OUT("citations", ARRAY, "Passages of them that a reply cites.", .sub = citation_out),
	FYNQ_OUT("status", STRING,
	    "pending while it is written; stopped where the client went away.",
	    .values = (const char *const[]){ "pending", "complete", "stopped", "failed", NULL }),
	FYNQ_OUT("error", STRING, "The problem's code, where it failed.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("model", STRING, "The model that wrote it.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("cached", BOOL, "The same question had this reply before."),
	FYNQ_OUT("finish_reason", STRING, "Why the model ended.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("usage", OBJECT, "What it took.", .flags = FYNQ_NULLABLE, .sub = usage_out),
	FYNQ_OUT("created_at", TIME, "When it was begun."),
	FYNQ_OUT("siblings", OBJECT, "The messages with its parent; in a chat's list alone.",
	    .flags = FYNQ_OPTIONAL, .sub = siblings_out),
	FYNQ_FIELD_END,
};

static const struct fynq_field ask_out[] = {
	FYNQ_OUT("chat_id", UUID, "The chat."),
	FYNQ_OUT("message", OBJECT, "The question as it is stored.", .sub = message_out),
	FYNQ_OUT("reply", OBJECT, "The tutor's reply as it is stored.", .sub = message_out),
	FYNQ_FIELD_END,
};

static const struct fynq_field match_out[] = {
	FYNQ_OUT("message_id", UUID, "The newest message that holds the text."),
	FYNQ_OUT("snippet", STRING, "Its words around the text, on one line."),
	FYNQ_FIELD_END,
};

static const struct fynq_field chat_out[] = {
	FYNQ_OUT("id", UUID, "The chat."),
	FYNQ_OUT("title", STRING, "Its title.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("archived", BOOL, "Put away."),
	FYNQ_OUT("leaf_id", UUID, "The newest message of its branch.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("created_at", TIME, "When it was opened."),
	FYNQ_OUT("updated_at", TIME, "When it last changed."),
	FYNQ_OUT("match", OBJECT, "In a search alone; null where only the title holds the text.",
	    .flags = FYNQ_OPTIONAL | FYNQ_NULLABLE, .sub = match_out),
	FYNQ_FIELD_END,
};

static const struct fynq_field export_out[] = {
	FYNQ_OUT("format_version", INT, "1; another number where members change their meaning."),
	FYNQ_OUT("exported_at", TIME, "When this was made."),
	FYNQ_OUT("chat", OBJECT, "The chat.", .sub = chat_out),
	FYNQ_OUT("messages", ARRAY, "All its messages, of all branches, the oldest first.",
	    .sub = message_out),
	FYNQ_FIELD_END,
};

static const enum fynq_err new_errors[] = { FYNQ_E_BAD_REQUEST, FYNQ_E_NOT_FOUND, FYNQ_E_KEY_REUSED,
	FYNQ_OK };
static const enum fynq_err patch_errors[] = { FYNQ_E_CHAT_BUSY, FYNQ_E_PRECONDITION_FAILED,
	FYNQ_OK };
static const enum fynq_err export_errors[] = { FYNQ_E_CHAT_TOO_LARGE, FYNQ_OK };

#endif
