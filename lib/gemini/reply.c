#include <string.h>

#include "gemini/error.h"
#include "gemini/json.h"
#include "gemini/reply.h"

void
fynq_gemini_reply_init(struct fynq_gemini_reply *r, size_t max)
{
	*r = (struct fynq_gemini_reply){
		.text = FYNQ_BUF_INIT(max),
		.parts = FYNQ_BUF_INIT(8 * max),
	};
}

void
fynq_gemini_reply_release(struct fynq_gemini_reply *r)
{
	fynq_buf_release(&r->text);
	fynq_buf_release(&r->parts);
}

static void
add_plain_part(struct fynq_buf *out, struct fynq_str text)
{
	if (text.n == 0)
		return;
	fynq_buf_add(out, FYNQ_STR("{\"text\":"));
	fynq_buf_add_json(out, text);
	fynq_buf_add(out, FYNQ_STR("},"));
}

static struct fynq_str
growing_part(const struct fynq_gemini_reply *r)
{
	return (struct fynq_str){ fynq_buf_str(&r->text).p + r->run, r->text.n - r->run };
}

/* Close the plain part that is growing and put another behind it, both or neither. */
static void
add_closed_part(struct fynq_gemini_reply *r, struct json_object *part)
{
	struct fynq_buf both = FYNQ_BUF_INIT(r->parts.max);

	add_plain_part(&both, growing_part(r));
	fynq_buf_add(&both, fynq_str_of(json_object_to_json_string_ext(
				part, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	fynq_buf_add_char(&both, ',');
	if (both.full)
		r->parts.full = true;
	else
		fynq_buf_add(&r->parts, fynq_buf_str(&both));
	fynq_buf_release(&both);
}

static void
add_part(struct fynq_gemini_reply *r, struct json_object *part)
{
	struct json_object *text = fynq_gemini_json_get(part, "text", json_type_string);
	struct json_object *thought = fynq_gemini_json_get(part, "thought", json_type_boolean);
	bool shown = text != NULL && !json_object_get_boolean(thought);
	bool plain = shown && thought == NULL && json_object_object_length(part) == 1;

	if (!plain)
		add_closed_part(r, part);
	if (shown)
		fynq_buf_add(&r->text, fynq_gemini_json_str(text));
	if (!plain)
		r->run = r->text.n;
}

/* As much of a word as fits, cut between characters. */
static void
copy(char *to, size_t size, struct json_object *from)
{
	struct fynq_str word = fynq_gemini_json_str(from);

	if (from == NULL)
		return;
	if (word.n > size - 1)
		word.n = size - 1;
	while (!fynq_str_utf8(word))
		word.n--;
	memcpy(to, word.p, word.n);
	to[word.n] = '\0';
}

static void
add_usage(struct fynq_gemini_usage *usage, struct json_object *o)
{
	static const struct {
		const char *name;
		size_t offset;
	} counts[] = {
		{ "promptTokenCount", offsetof(struct fynq_gemini_usage, prompt) },
		{ "candidatesTokenCount", offsetof(struct fynq_gemini_usage, reply) },
		{ "thoughtsTokenCount", offsetof(struct fynq_gemini_usage, thought) },
		{ "totalTokenCount", offsetof(struct fynq_gemini_usage, total) },
		{ "cachedContentTokenCount", offsetof(struct fynq_gemini_usage, cached) },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct json_object *count = fynq_gemini_json_get(o, counts[i].name, json_type_int);

		int64_t n = count != NULL ? json_object_get_int64(count) : -1;

		if (n >= 0 && n <= INT32_MAX)
			*(int64_t *)((char *)usage + counts[i].offset) = n;
	}
}

bool
fynq_gemini_reply_add(struct fynq_gemini_reply *r, struct fynq_str json, struct fynq_str *text_r)
{
	struct json_object *o = fynq_gemini_json_parse(json), *candidate, *content, *parts, *error;
	size_t before = r->text.n;

	*text_r = (struct fynq_str){ 0 };
	if (!json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		return false;
	}
	if ((error = fynq_gemini_json_get(o, "error", json_type_object)) != NULL)
		r->error = fynq_gemini_error(0, error, &r->retry_after);
	candidate = fynq_gemini_json_first(fynq_gemini_json_get(o, "candidates", json_type_array));
	content = fynq_gemini_json_get(candidate, "content", json_type_object);
	parts = fynq_gemini_json_get(content, "parts", json_type_array);
	for (size_t i = 0; parts != NULL && i < json_object_array_length(parts); i++)
		add_part(r, json_object_array_get_idx(parts, i));
	copy(r->finish, sizeof(r->finish),
	    fynq_gemini_json_get(candidate, "finishReason", json_type_string));
	copy(r->blocked, sizeof(r->blocked),
	    fynq_gemini_json_get(fynq_gemini_json_get(o, "promptFeedback", json_type_object),
		"blockReason", json_type_string));
	copy(r->model, sizeof(r->model), fynq_gemini_json_get(o, "modelVersion", json_type_string));
	add_usage(&r->usage, fynq_gemini_json_get(o, "usageMetadata", json_type_object));
	json_object_put(o);
	*text_r = (struct fynq_str){ fynq_buf_str(&r->text).p + before, r->text.n - before };
	return !r->text.full && !r->parts.full;
}

void
fynq_gemini_reply_parts(const struct fynq_gemini_reply *r, struct fynq_buf *out)
{
	fynq_buf_add_char(out, '[');
	fynq_buf_add(out, fynq_buf_str(&r->parts));
	add_plain_part(out, growing_part(r));
	if (out->n > 1 && out->p[out->n - 1] == ',')
		out->n--;
	fynq_buf_add_char(out, ']');
}

enum fynq_err
fynq_gemini_reply_verdict(const struct fynq_gemini_reply *r)
{
	/* A reason that is not listed is a new one: the reply is as good as its text. */
	static const struct {
		const char *reason;
		enum fynq_err error;
	} table[] = {
		{ "SAFETY", FYNQ_E_GEMINI_BLOCKED },
		{ "RECITATION", FYNQ_E_GEMINI_BLOCKED },
		{ "BLOCKLIST", FYNQ_E_GEMINI_BLOCKED },
		{ "PROHIBITED_CONTENT", FYNQ_E_GEMINI_BLOCKED },
		{ "SPII", FYNQ_E_GEMINI_BLOCKED },
		{ "LANGUAGE", FYNQ_E_GEMINI_FAILED },
		{ "OTHER", FYNQ_E_GEMINI_FAILED },
		{ "MALFORMED_FUNCTION_CALL", FYNQ_E_GEMINI_FAILED },
	};

	if (r->error != FYNQ_OK)
		return r->error;
	if (r->blocked[0] != '\0')
		return FYNQ_E_GEMINI_BLOCKED;
	if (r->finish[0] == '\0')
		return FYNQ_E_GEMINI_CUT;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(r->finish, table[i].reason) == 0)
			return table[i].error;
	return r->text.n > 0 ? FYNQ_OK : FYNQ_E_GEMINI_EMPTY;
}
