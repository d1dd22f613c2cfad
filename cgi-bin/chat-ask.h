/*
 * What the routes that ask the tutor take.
 */
#ifndef FYNQ_CHAT_ASK_H
#define FYNQ_CHAT_ASK_H

#include "fynq.h"

enum { PICTURE_BYTES = 20 << 20, CONTENT_CHARS = 32000, CONTENTS_MAX = 10 };

#define STREAM(s) FYNQ_FIELD(s, stream, FYNQ_IN_BODY, "Answer as server-sent events.")

static const struct fynq_field content_id[] = { FYNQ_ITEM(UUID), FYNQ_FIELD_END };

struct message_in {
	struct fynq_uuid chat_id;
	struct fynq_str content;
	struct fynq_array content_ids;
	bool stream;
};

static const struct fynq_field message_in[] = {
	FYNQ_FIELD(message_in, chat_id, FYNQ_IN_BODY,
	    "Chat to go on with; without it a new one is opened."),
	FYNQ_FIELD(message_in, content, FYNQ_IN_BODY | FYNQ_REQUIRED, "The student's words.",
	    .min = 1, .max = CONTENT_CHARS),
	FYNQ_FIELD(message_in, content_ids, FYNQ_IN_BODY | FYNQ_UNIQUE,
	    "Contents of the library that the question is about: the tutor is given the passages "
	    "that matter, and cites them.",
	    .max = CONTENTS_MAX, .sub = content_id),
	STREAM(message_in),
	FYNQ_FIELD_END,
};

struct image_in {
	struct fynq_upload image;
	struct fynq_uuid chat_id, file_id;
	struct fynq_str content;
	bool stream;
};

static const struct fynq_field image_in[] = {
	FYNQ_FIELD(image_in, image, FYNQ_IN_BODY | FYNQ_EITHER,
	    "The picture: PNG, JPEG, WebP, HEIC or HEIF. It is kept upright, scaled down and "
	    "without the data that cameras add.",
	    .max = PICTURE_BYTES),
	FYNQ_FIELD(image_in, file_id, FYNQ_IN_BODY | FYNQ_EITHER,
	    "Instead of a picture: one that was sent before, by its file's id."),
	FYNQ_FIELD(
	    image_in, chat_id, FYNQ_IN_BODY, "Chat to go on with; without it a new one is opened."),
	FYNQ_FIELD(image_in, content, FYNQ_IN_BODY, "What the student says to it.",
	    .max = CONTENT_CHARS, .blank = true),
	STREAM(image_in),
	FYNQ_FIELD_END,
};

struct edit_in {
	struct fynq_uuid id, mid;
	struct fynq_str content;
	struct fynq_array content_ids;
	bool stream;
};

static const struct fynq_field edit_in[] = {
	FYNQ_FIELD(edit_in, id, FYNQ_IN_PATH, "The chat."),
	FYNQ_FIELD(edit_in, mid, FYNQ_IN_PATH, "The question that is asked in other words."),
	FYNQ_FIELD(edit_in, content, FYNQ_IN_BODY | FYNQ_REQUIRED, "The student's new words.",
	    .min = 1, .max = CONTENT_CHARS),
	FYNQ_FIELD(edit_in, content_ids, FYNQ_IN_BODY | FYNQ_UNIQUE,
	    "Contents of the library that it is about now; without it the same as before.",
	    .max = CONTENTS_MAX, .sub = content_id),
	STREAM(edit_in),
	FYNQ_FIELD_END,
};

struct regenerate_in {
	struct fynq_uuid id, mid;
	bool stream;
};

static const struct fynq_field regenerate_in[] = {
	FYNQ_FIELD(regenerate_in, id, FYNQ_IN_PATH, "The chat."),
	FYNQ_FIELD(
	    regenerate_in, mid, FYNQ_IN_PATH, "The reply that is to be another, or its question."),
	STREAM(regenerate_in),
	FYNQ_FIELD_END,
};

struct stream_in {
	struct fynq_uuid id;
};

static const struct fynq_field stream_in[] = {
	FYNQ_FIELD(stream_in, id, FYNQ_IN_PATH, "The reply: reply_id of the event start."),
	FYNQ_FIELD_END,
};

/* What asking can fail with, and what a picture adds to it. */
#define ASK_ERRORS                                                                                 \
	FYNQ_E_BAD_REQUEST, FYNQ_E_UNDER_AGE, FYNQ_E_NOT_FOUND, FYNQ_E_CHAT_BUSY,                  \
	    FYNQ_E_REQUEST_RUNNING, FYNQ_E_KEY_REUSED, FYNQ_E_RATE_LIMITED, FYNQ_E_GEMINI_BLOCKED, \
	    FYNQ_E_GEMINI_QUOTA, FYNQ_E_GEMINI_DAY, FYNQ_E_GEMINI_FAILED, FYNQ_E_GEMINI_REFUSED,   \
	    FYNQ_E_GEMINI_CUT, FYNQ_E_GEMINI_EMPTY, FYNQ_E_INTERRUPTED, FYNQ_E_BUSY,               \
	    FYNQ_E_GEMINI_OVERLOADED, FYNQ_E_GEMINI_TIMEOUT
static const enum fynq_err ask_errors[] = { ASK_ERRORS, FYNQ_OK };
static const enum fynq_err image_errors[] = { ASK_ERRORS, FYNQ_E_STORAGE_QUOTA, FYNQ_E_TOO_LARGE,
	FYNQ_E_MEDIA_TYPE, FYNQ_E_INSUFFICIENT_STORAGE, FYNQ_E_PICTURES_UNAVAILABLE,
	FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err stream_errors[] = { FYNQ_E_BAD_REQUEST, FYNQ_E_NOT_FOUND,
	FYNQ_E_CHAT_BUSY, FYNQ_OK };

#endif
