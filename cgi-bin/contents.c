/*
 * The library: what teachers write, upload or link to, and what a student finds in it. This file
 * has the routes; contents.h says where their handlers are.
 */
#include "contents.h"

/* A text of as many characters as it may have, each escaped. */
enum { BODY_MAX = 2 << 20, TEXT_MAX = 200000, TAGS_MAX = 20, TAG_MAX = 50 };

static const char *const types[] = { "text", "pdf", "video", NULL };
static const char *const yes_or_no[] = { "true", "false", NULL };

static const struct fynq_field list_in[] = {
	FYNQ_FIELD(list_in, q, FYNQ_IN_QUERY,
	    "Contents with these words, the best first; of words that very many contents have, "
	    "some hundreds at most, and next_cursor is null behind them: see docs/library.md. "
	    "Without it the newest come first.",
	    .format = FYNQ_F_LINE, .max = 200),
	FYNQ_FIELD(list_in, type, FYNQ_IN_QUERY, "Those of a type.", .values = types),
	FYNQ_FIELD(list_in, tag, FYNQ_IN_QUERY, "Those with this tag, in upper or lower case.",
	    .format = FYNQ_F_LINE, .max = TAG_MAX),
	FYNQ_FIELD(list_in, language, FYNQ_IN_QUERY,
	    "Those in a language: en has those in en-GB, too.", .format = FYNQ_F_LOCALE),
	FYNQ_FIELD(list_in, author, FYNQ_IN_QUERY, "Those of an author."),
	FYNQ_FIELD(list_in, mine, FYNQ_IN_QUERY, "The caller's own."),
	FYNQ_FIELD(list_in, published, FYNQ_IN_QUERY,
	    "What is published, or what is not: one's own drafts, an admin's everyone's.",
	    .values = yes_or_no),
	FYNQ_FIELDS_PAGE(list_in),
	FYNQ_FIELD_END,
};

static const struct fynq_field content_in[] = {
	FYNQ_FIELD(content_in, id, FYNQ_IN_PATH, "The content."),
	FYNQ_FIELD_END,
};

static const struct fynq_field tag[] = { FYNQ_ITEM(STRING, .max = TAG_MAX, .format = FYNQ_F_LINE),
	FYNQ_FIELD_END };

/* What a new content has, and what of one may change. */
#define WRITTEN(more)                                                                            \
	FYNQ_FIELD(write_in, title, FYNQ_IN_BODY | (more), "Its title.", .format = FYNQ_F_LINE,  \
	    .max = 200),                                                                         \
	    FYNQ_FIELD(write_in, description, FYNQ_IN_BODY | FYNQ_NULLABLE, "What it is about.", \
		.max = 2000),                                                                    \
	    FYNQ_FIELD(write_in, body, FYNQ_IN_BODY, "Of a text: the text.", .max = TEXT_MAX),   \
	    FYNQ_FIELD(write_in, file_id, FYNQ_IN_BODY,                                          \
		"Of a pdf, and of a video that is no link: a file that its author sent with "    \
		"the purpose content."),                                                         \
	    FYNQ_FIELD(write_in, url, FYNQ_IN_BODY,                                              \
		"Of a video that is no file: an https link to a host that is allowed.",          \
		.format = FYNQ_F_LINE),                                                          \
	    FYNQ_FIELD(write_in, language, FYNQ_IN_BODY,                                         \
		"Its language; und, where it is not said.", .format = FYNQ_F_LOCALE),            \
	    FYNQ_FIELD(write_in, tags, FYNQ_IN_BODY, "Its tags; kept in lower case, each once.", \
		.max = TAGS_MAX, .sub = tag),                                                    \
	    FYNQ_FIELD(write_in, published, FYNQ_IN_BODY,                                        \
		"Everyone sees it; else it is a draft, which its author sees.")

static const struct fynq_field post_in[] = {
	FYNQ_FIELD(write_in, type, FYNQ_IN_BODY | FYNQ_REQUIRED, "What it is.", .values = types),
	WRITTEN(FYNQ_REQUIRED),
	FYNQ_FIELD_END,
};

static const struct fynq_field patch_in[] = {
	FYNQ_FIELD(write_in, id, FYNQ_IN_PATH, "The content."),
	WRITTEN(0),
	FYNQ_FIELD_END,
};

static const struct fynq_field tag_out[] = { FYNQ_ITEM(STRING), FYNQ_FIELD_END };

#define SHOWN                                                                                     \
	FYNQ_OUT("id", UUID, "The content's id."), FYNQ_OUT("author_id", UUID, "Who keeps it."),  \
	    FYNQ_OUT("type", STRING, "text, pdf or video."),                                      \
	    FYNQ_OUT("title", STRING, "Its title."),                                              \
	    FYNQ_OUT("description", STRING, "What it is about.", .flags = FYNQ_NULLABLE),         \
	    FYNQ_OUT("language", STRING, "Its language, a BCP 47 tag; und where nobody said."),   \
	    FYNQ_OUT("tags", ARRAY, "Its tags.", .sub = tag_out),                                 \
	    FYNQ_OUT("published", BOOL, "Everyone sees it."),                                     \
	    FYNQ_OUT("file_id", UUID, "The file that it is.", .flags = FYNQ_NULLABLE),            \
	    FYNQ_OUT("url", STRING, "Where the file or the video is; null of a text.",            \
		.flags = FYNQ_NULLABLE),                                                          \
	    FYNQ_OUT("pages", INT, "Of a pdf, once it was read.", .flags = FYNQ_NULLABLE),        \
	    FYNQ_OUT("extraction", STRING,                                                        \
		"Whether its text can be found: none where it has none, waiting, done, failed."), \
	    FYNQ_OUT("extraction_error", STRING,                                                  \
		"Why it failed: encrypted, damaged, too_large or no_text.",                       \
		.flags = FYNQ_NULLABLE),                                                          \
	    FYNQ_OUT("created_at", TIME, "When it was added."),                                   \
	    FYNQ_OUT("updated_at", TIME, "When it last changed.")

static const struct fynq_field item_out[] = {
	SHOWN,
	FYNQ_OUT("snippet", STRING,
	    "Of a search: a piece of it, as HTML, with what was found in <mark>. Nothing else in "
	    "it is markup.",
	    .flags = FYNQ_NULLABLE),
	FYNQ_FIELD_END,
};

static const struct fynq_field content_out[] = {
	SHOWN,
	FYNQ_OUT("body", STRING, "The text of a text.", .flags = FYNQ_NULLABLE),
	FYNQ_FIELD_END,
};

static const enum fynq_err post_errors[] = { FYNQ_E_NOT_FOUND, FYNQ_E_KEY_REUSED,
	FYNQ_E_RATE_LIMITED, FYNQ_OK };
static const enum fynq_err patch_errors[] = { FYNQ_E_PRECONDITION_FAILED, FYNQ_OK };

static const struct fynq_route routes[] = {
	{ FYNQ_GET, "/api/v1/contents", FYNQ_USER, list_in, .status = 200, .out = item_out,
	    .paged = true, .handler = get_contents,
	    .summary = "The library: what is published, and the caller's own." },
	{ FYNQ_POST, "/api/v1/contents", FYNQ_TEACHER, post_in, .body_max = BODY_MAX,
	    .header = "Idempotency-Key", .status = 201, .out = content_out, .errors = post_errors,
	    .handler = post_content, .summary = "Add a content; it is a draft unless published." },
	{ FYNQ_GET, "/api/v1/contents/{id}", FYNQ_USER, content_in, .header = "If-None-Match",
	    .status = 200, .out = content_out, .handler = get_content, .summary = "One content." },
	{ FYNQ_PATCH, "/api/v1/contents/{id}", FYNQ_TEACHER, patch_in, .body_max = BODY_MAX,
	    .header = "If-Match", .status = 200, .out = content_out, .errors = patch_errors,
	    .handler = patch_content,
	    .summary = "Change a content of one's own; an admin changes any." },
	{ FYNQ_DELETE, "/api/v1/contents/{id}", FYNQ_TEACHER, content_in, .status = 204,
	    .handler = delete_content,
	    .summary = "Delete a content of one's own; its file stays. An admin deletes any." },
	{ 0 },
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "contents", routes, &fynq_reading);
}
