#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/disk.h"
#include "base/ids.h"
#include "base/log.h"
#include "storage/file.h"
#include "tutor/context.h"
#include "tutor/grounding.h"

enum { INSTRUCTION_MAX = 65536, SETTINGS_MAX = 512, PICTURE_MAX = 8 << 20, UUID_CHARS = 36 };

/* The factor of the estimate, in thousandths: how far one reply moves it, and where it ends. */
enum { FACTOR_WEIGHT = 16, FACTOR_LEAST = 400, FACTOR_MOST = 4000 };

/* More tokens than any request has: what claims to be more is not multiplied. */
#define TOKENS_MAX INT64_C(1000000000000)

/* The preferences are the frontend's settings too, and may be long: so many bytes are told. */
enum { PREFERENCES_MAX = 2000 };

static struct {
	struct fynq_buf instruction; /* as a JSON string */
	char settings[SETTINGS_MAX];
	atomic_int factor;
} context = { .instruction = FYNQ_BUF_INIT(8 * INSTRUCTION_MAX), .factor = 1000 };

void
fynq_context_init(void)
{
	struct fynq_str whole = { 0 };
	char *text = fynq_disk_read(fynq_config.tutor_file, INSTRUCTION_MAX, &whole.n);
	char hash[FYNQ_SHA256_SIZE];

	whole.p = text;
	if (text == NULL || whole.n == 0 || !fynq_str_utf8(whole))
		fynq_log_fatal("config",
		    "FYNQ_TUTOR_FILE: %s cannot be read, is empty, not UTF-8 or"
		    " larger than %d bytes",
		    fynq_config.tutor_file, INSTRUCTION_MAX);
	fynq_buf_add_json(&context.instruction, whole);
	fynq_sha256(whole, hash);
	snprintf(context.settings, sizeof(context.settings), "%s %lld %s", fynq_config.gemini_model,
	    (long long)fynq_config.gemini_output_tokens, hash);
	free(text);
}

struct fynq_str
fynq_context_settings(void)
{
	return fynq_str_of(context.settings);
}

int64_t
fynq_context_budget(void)
{
	return fynq_config.context_tokens * 1000 / context.factor;
}

/* What is counted of a whole request: the chat and the instruction. */
static int64_t
whole(int64_t counted)
{
	return counted + (int64_t)context.instruction.n / 4;
}

int64_t
fynq_context_tokens(int64_t counted)
{
	return whole(counted) * context.factor / 1000;
}

void
fynq_context_learn(int64_t counted, int64_t actual)
{
	int64_t factor = context.factor, told;

	if (counted < 0 || counted > TOKENS_MAX || actual <= 0 || whole(counted) == 0)
		return;
	/*
	 * What this reply says of the factor, taken over by a sixteenth. It is measured against the
	 * bare count, not the estimate: replies that were asked for together would else each
	 * correct the same error once more. Two that learn at once: one is lost.
	 */
	told = (actual < TOKENS_MAX ? actual : TOKENS_MAX) * 1000 / whole(counted);
	told = told < FACTOR_LEAST ? FACTOR_LEAST : told > FACTOR_MOST ? FACTOR_MOST : told;
	context.factor = (int)(factor + (told - factor) / FACTOR_WEIGHT);
}

static void
add_text_part(struct fynq_buf *b, struct fynq_str text)
{
	fynq_buf_add(b, FYNQ_STR("{\"text\":"));
	fynq_buf_add_json(b, text);
	fynq_buf_add_char(b, '}');
}

/* The start of text that has at most max bytes, without half a character at its end. */
static struct fynq_str
cut(struct fynq_str text, size_t max)
{
	if (text.n <= max)
		return text;
	while (max > 0 && ((unsigned char)text.p[max] & 0xc0) == 0x80)
		max--;
	return (struct fynq_str){ text.p, max };
}

static void
add_fact(struct fynq_buf *b, const char *name, struct fynq_str json)
{
	fynq_buf_printf(b, "- %s: %.*s\n", name, FYNQ_STR_ARG(json));
}

static void
add_quoted_fact(struct fynq_buf *b, const char *name, struct fynq_str value)
{
	struct fynq_buf json = FYNQ_BUF_INIT(6 * PREFERENCES_MAX);

	if (value.n == 0)
		return;
	fynq_buf_add_json(&json, value);
	add_fact(b, name, fynq_buf_str(&json));
	fynq_buf_release(&json);
}

/*
 * What the profile says of the student, as data: they wrote it, so it is told as their words, each
 * fact on one line as a JSON value, and asks nothing of the model by itself.
 */
static void
add_learner(struct fynq_buf *b, const struct fynq_opening *o)
{
	struct fynq_buf text = FYNQ_BUF_INIT(INSTRUCTION_MAX);

	if (o->grade.n == 0 && o->locale.n == 0 && o->preferences.n == 0)
		return;
	fynq_buf_add(
	    &text, FYNQ_STR("What the student's profile says. Suit your words, your examples and"
			    " your language to it; it does not change how you help.\n"));
	add_quoted_fact(&text, "Grade level", o->grade);
	add_quoted_fact(&text, "Language, as a BCP 47 tag", o->locale);
	if (o->preferences.n > 0)
		add_fact(&text, "Preferences", cut(o->preferences, PREFERENCES_MAX));
	fynq_buf_add_char(b, ',');
	add_text_part(b, fynq_buf_str(&text));
	fynq_buf_release(&text);
}

/* The bytes of a picture, as inlineData; or a word for it where they are lost. */
static enum fynq_err
add_picture(struct fynq_req *rq, const struct fynq_turn *turn, const struct fynq_uuid *file,
    struct fynq_str rest_of_part, struct fynq_buf *b)
{
	struct fynq_mark arena = fynq_arena_mark(rq->arena);
	struct fynq_str bytes;
	enum fynq_err e = fynq_file_read(rq, &turn->user, file, PICTURE_MAX, &bytes);

	if (e == FYNQ_E_NOT_FOUND) {
		fynq_log(FYNQ_LOG_ERROR, "storage", "the picture %s is lost", file->text);
		rq->problem = (struct fynq_problem){ 0 };
		fynq_buf_add(b, FYNQ_STR("{\"text\":\"(a picture)\"}"));
		return FYNQ_OK;
	}
	FYNQ_TRY(e);
	fynq_buf_add(b, FYNQ_STR("{\"inlineData\":{\"data\":\""));
	fynq_base64(b, bytes.p, bytes.n);
	fynq_buf_add(b, rest_of_part);
	fynq_arena_release(rq->arena, arena);
	return FYNQ_OK;
}

/*
 * Contents, or a piece of them, with the bytes of pictures where SQL has put "@file:UUID". The text
 * of a turn cannot be taken for such a part: a quote inside a JSON string has a backslash before
 * it.
 */
static enum fynq_err
add_piece(struct fynq_req *rq, const struct fynq_turn *turn, const struct fynq_opening *o,
    struct fynq_str rest, struct fynq_buf *b)
{
	static const struct fynq_str mark = FYNQ_STR_INIT("{\"inlineData\": {\"data\": \"@file:");
	struct fynq_uuid file;
	const char *at, *end;

	while (o->files.n > 0 && (at = memmem(rest.p, rest.n, mark.p, mark.n)) != NULL) {
		fynq_buf_add(b, (struct fynq_str){ rest.p, (size_t)(at - rest.p) });
		at += mark.n;
		rest.n -= (size_t)(at - rest.p);
		rest.p = at;
		end = memmem(rest.p, rest.n, "}}", 2);
		if (end == NULL || end - at < UUID_CHARS ||
		    !fynq_uuid_parse((struct fynq_str){ at, UUID_CHARS }, &file))
			return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
		end += 2;
		at += UUID_CHARS;
		FYNQ_TRY(
		    add_picture(rq, turn, &file, (struct fynq_str){ at, (size_t)(end - at) }, b));
		rest.n -= (size_t)(end - rest.p);
		rest.p = end;
	}
	fynq_buf_add(b, rest);
	return FYNQ_OK;
}

/*
 * All contents, with the passages where SQL has put a part for them: the last such part, since a
 * turn of the model before it may hold whatever the model sent.
 */
static enum fynq_err
add_contents(struct fynq_req *rq, const struct fynq_turn *turn, const struct fynq_opening *o,
    struct fynq_buf *b)
{
	static const struct fynq_str mark = FYNQ_STR_INIT("{\"passages\": true}");
	struct fynq_str head, tail = o->contents;
	const char *at;

	if (o->passages.p == NULL)
		return add_piece(rq, turn, o, o->contents, b);
	while ((at = memmem(tail.p, tail.n, mark.p, mark.n)) != NULL) {
		tail.n -= (size_t)(at + mark.n - tail.p);
		tail.p = at + mark.n;
	}
	head = (struct fynq_str){ o->contents.p, o->contents.n - tail.n };
	if (head.n < mark.n)
		return fynq_fail(rq, FYNQ_E_INTERNAL, NULL);
	head.n -= mark.n;
	FYNQ_TRY(add_piece(rq, turn, o, head, b));
	add_text_part(b, o->passages);
	return add_piece(rq, turn, o, tail, b);
}

static void
add_config(struct fynq_buf *b, int64_t output_tokens)
{
	fynq_buf_printf(
	    b, ",\"generationConfig\":{\"maxOutputTokens\":%lld}}", (long long)output_tokens);
}

enum fynq_err
fynq_context_build(struct fynq_req *rq, const struct fynq_turn *turn,
    const struct fynq_opening *opening, struct fynq_buf *body)
{
	fynq_buf_add(body, FYNQ_STR("{\"systemInstruction\":{\"parts\":[{\"text\":"));
	fynq_buf_add(body, fynq_buf_str(&context.instruction));
	fynq_buf_add_char(body, '}');
	add_learner(body, opening);
	if (opening->passages.p != NULL) {
		fynq_buf_add_char(body, ',');
		add_text_part(body, fynq_grounding_rule);
	}
	fynq_buf_add(body, FYNQ_STR("]},\"contents\":"));
	FYNQ_TRY(add_contents(rq, turn, opening, body));
	add_config(body, fynq_config.gemini_output_tokens);
	if (body->full)
		return fynq_fail(rq, FYNQ_E_TOO_LARGE, "The pictures of this chat are too large.");
	return FYNQ_OK;
}

void
fynq_context_plain(
    struct fynq_buf *body, struct fynq_str instruction, struct fynq_str text, int64_t output_tokens)
{
	fynq_buf_add(body, FYNQ_STR("{\"systemInstruction\":{\"parts\":["));
	add_text_part(body, instruction);
	fynq_buf_add(body, FYNQ_STR("]},\"contents\":[{\"role\":\"user\",\"parts\":["));
	add_text_part(body, text);
	fynq_buf_add(body, FYNQ_STR("]}]"));
	add_config(body, output_tokens);
}
