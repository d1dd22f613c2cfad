/*
 * Chats: ask the tutor, read what was said, keep chats in order. This file has the routes; chat.h
 * says where their handlers are.
 */
#include "chat-ask.h"
#include "chat-fields.h"
#include "chat.h"

static const struct fynq_route routes[] = {
	{ FYNQ_POST, "/api/v1/chat/message", FYNQ_USER, .header = "Idempotency-Key",
	    .in = message_in, .status = 201, .out = ask_out, .body_max = 200000, .streams = true,
	    .errors = ask_errors, .handler = post_message,
	    .summary = "Ask the tutor; question and reply are stored, the reply is returned or "
		       "streamed." },
	{ FYNQ_POST, "/api/v1/chat/image", FYNQ_USER, .header = "Idempotency-Key", .in = image_in,
	    .status = 201, .out = ask_out, .body_max = PICTURE_BYTES + 200000, .streams = true,
	    .errors = image_errors, .handler = post_image,
	    .summary = "Show the tutor a picture, and ask about it." },
	{ FYNQ_GET, "/api/v1/chat/messages/{id}/stream", FYNQ_USER, .header = "Last-Event-ID",
	    .in = stream_in, .status = 200, .streams = true, .errors = stream_errors,
	    .handler = get_stream,
	    .summary = "A reply's events once more, or those after Last-Event-ID; also while it is "
		       "being written." },
	{ FYNQ_GET, "/api/v1/chat/history/{user_id}", FYNQ_USER, .in = history_in, .status = 200,
	    .out = message_out, .paged = true, .handler = get_history,
	    .summary =
		"A user's messages across chats, newest first; for the user and for admins." },
	{ FYNQ_GET, "/api/v1/chats", FYNQ_USER, .in = list_in, .status = 200, .out = chat_out,
	    .paged = true, .handler = get_chats,
	    .summary = "One's chats, the one used last first; or those that hold a text." },
	{ FYNQ_POST, "/api/v1/chats", FYNQ_USER, .header = "Idempotency-Key", .in = new_in,
	    .status = 201, .out = chat_out, .errors = new_errors, .handler = post_chat,
	    .summary = "Open a chat." },
	{ FYNQ_GET, "/api/v1/chats/{id}", FYNQ_USER, .header = "If-None-Match", .in = chat_in,
	    .status = 200, .out = chat_out, .handler = get_chat, .summary = "One chat." },
	{ FYNQ_PATCH, "/api/v1/chats/{id}", FYNQ_USER, .header = "If-Match", .in = patch_in,
	    .status = 200, .out = chat_out, .errors = patch_errors, .handler = patch_chat,
	    .summary = "Rename a chat, put it away, or choose another branch of it." },
	{ FYNQ_DELETE, "/api/v1/chats/{id}", FYNQ_USER, .in = chat_in, .status = 204,
	    .handler = delete_chat,
	    .summary =
		"Delete a chat, all that was said in it, and the pictures that no other shows." },
	{ FYNQ_GET, "/api/v1/chats/{id}/messages", FYNQ_USER, .in = turns_in, .status = 200,
	    .out = message_out, .paged = true, .handler = get_turns,
	    .summary = "A chat's messages, newest first; all of them, or those of one branch." },
	{ FYNQ_POST, "/api/v1/chats/{id}/messages/{mid}/edit", FYNQ_USER,
	    .header = "Idempotency-Key", .in = edit_in, .status = 201, .out = ask_out,
	    .body_max = 200000, .streams = true, .errors = ask_errors, .handler = post_edit,
	    .summary = "Ask a question in other words, as a new branch; the old one stays." },
	{ FYNQ_POST, "/api/v1/chats/{id}/messages/{mid}/regenerate", FYNQ_USER,
	    .header = "Idempotency-Key", .in = regenerate_in, .status = 201, .out = ask_out,
	    .streams = true, .errors = ask_errors, .handler = post_regenerate,
	    .summary = "Have a question answered once more, as a new branch; the old one stays." },
	{ FYNQ_GET, "/api/v1/chats/{id}/export", FYNQ_USER, .in = export_in, .status = 200,
	    .out = export_out, .also = "text/markdown", .errors = export_errors,
	    .handler = export_chat,
	    .summary = "A whole chat as a file: all of it as JSON, or its branch as Markdown." },
	{ 0 },
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "chat", routes, &fynq_tutor);
}
