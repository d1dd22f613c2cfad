/*
 * Whatever Gemini sends, the text is UTF-8 without NUL, what was told joined is the text, and the
 * parts are JSON that holds the text again.
 *
 * The first byte chooses the reply's maximum. Each line that follows is one object of the stream,
 * or the array of its parts, or the string of its text.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "gemini/json.h"
#include "gemini/reply.h"

enum { DEPTH = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
must(bool holds)
{
	if (!holds)
		abort();
}

/* A reader of RFC 8259 and of nothing more: json-c's own takes NaN, 1., -.5 and 'x'. */
struct reader {
	const char *p, *end;
};

static bool read_value(struct reader *r, int depth);

static void
skip_space(struct reader *r)
{
	while (r->p < r->end && memchr(" \t\r\n", *r->p, 4) != NULL)
		r->p++;
}

static bool
take(struct reader *r, char c)
{
	skip_space(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool
read_string(struct reader *r)
{
	if (!take(r, '"'))
		return false;
	while (r->p < r->end && *r->p != '"') {
		if ((unsigned char)*r->p < 0x20)
			return false;
		if (*r->p++ != '\\')
			continue;
		if (r->p == r->end || memchr("\"\\/bfnrtu", *r->p, 9) == NULL)
			return false;
		for (int i = *r->p++ == 'u' ? 4 : 0; i > 0; i--)
			if (r->p == r->end || !isxdigit((unsigned char)*r->p++))
				return false;
	}
	return take(r, '"');
}

static bool
read_digits(struct reader *r)
{
	const char *from = r->p;

	while (r->p < r->end && isdigit((unsigned char)*r->p))
		r->p++;
	return r->p > from;
}

static bool
read_number(struct reader *r)
{
	if (*r->p == '-')
		r->p++;
	if (r->p < r->end && *r->p == '0')
		r->p++;
	else if (!read_digits(r))
		return false;
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (!read_digits(r))
			return false;
	}
	if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
		r->p++;
		if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
			r->p++;
		return read_digits(r);
	}
	return true;
}

/* What is between brackets; for an object with a name before each value. */
static bool
read_members(struct reader *r, char close, int depth)
{
	r->p++;
	if (take(r, close))
		return true;
	do {
		if (close == '}' && (!read_string(r) || !take(r, ':')))
			return false;
		if (!read_value(r, depth + 1))
			return false;
	} while (take(r, ','));
	return take(r, close);
}

static bool
read_value(struct reader *r, int depth)
{
	static const char *const words[] = { "true", "false", "null" };

	skip_space(r);
	if (r->p == r->end || depth > DEPTH)
		return false;
	if (*r->p == '{')
		return read_members(r, '}', depth);
	if (*r->p == '[')
		return read_members(r, ']', depth);
	if (*r->p == '"')
		return read_string(r);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(r->end - r->p) >= n && memcmp(r->p, words[i], n) == 0) {
			r->p += n;
			return true;
		}
	}
	return read_number(r);
}

static bool
is_json(struct fynq_str s)
{
	struct reader r = { s.p, s.p + s.n };

	if (!read_value(&r, 0))
		return false;
	skip_space(&r);
	return r.p == r.end;
}

/* What the parts show, which is the text but for its NULs. */
static void
must_show(struct json_object *parts, struct fynq_str text)
{
	size_t at = 0;

	for (size_t i = 0; i < json_object_array_length(parts); i++) {
		struct json_object *part = json_object_array_get_idx(parts, i);
		struct fynq_str piece = fynq_gemini_json_str(
		    fynq_gemini_json_get(part, "text", json_type_string));

		if (json_object_get_boolean(
			fynq_gemini_json_get(part, "thought", json_type_boolean)))
			continue;
		for (size_t k = 0; k < piece.n; k++) {
			if (piece.p[k] == '\0')
				continue;
			must(at < text.n && text.p[at] == piece.p[k]);
			at++;
		}
	}
	must(at == text.n);
}

static void
check(const struct fynq_gemini_reply *reply, const struct fynq_buf *told)
{
	struct fynq_buf parts = FYNQ_BUF_INIT(16 << 20);
	struct fynq_str text = fynq_buf_str(&reply->text);
	enum fynq_err e = fynq_gemini_reply_verdict(reply);
	struct json_object *array;

	must(fynq_str_utf8(text));
	must(fynq_str_eq(text, fynq_buf_str(told)));
	must(fynq_str_utf8(fynq_str_of(reply->finish)));
	must(fynq_str_utf8(fynq_str_of(reply->blocked)));
	must(fynq_str_utf8(fynq_str_of(reply->model)));
	must(reply->retry_after >= 0);
	must(e < FYNQ_E_COUNT && (e != FYNQ_OK || text.n > 0));

	fynq_gemini_reply_parts(reply, &parts);
	must(!parts.full && is_json(fynq_buf_str(&parts)) && fynq_str_utf8(fynq_buf_str(&parts)));
	array = fynq_gemini_json_parse(fynq_buf_str(&parts));
	must(json_object_is_type(array, json_type_array));
	if (!reply->text.full && !reply->parts.full)
		must_show(array, text);
	json_object_put(array);
	fynq_buf_release(&parts);
}

/* Parts and texts get what Gemini wraps around them; other lines stand for whole objects. */
static void
add_line(struct fynq_gemini_reply *reply, struct fynq_str line, struct fynq_buf *told)
{
	struct fynq_buf json = FYNQ_BUF_INIT(1 << 20);
	const char *open = "", *close = "";
	struct fynq_str text;

	if (fynq_str_starts(line, FYNQ_STR("["))) {
		open = "{\"candidates\":[{\"content\":{\"parts\":";
		close = "}}]}";
	} else if (fynq_str_starts(line, FYNQ_STR("\""))) {
		open = "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":";
		close = "}]}}]}";
	}
	fynq_buf_add(&json, fynq_str_of(open));
	fynq_buf_add(&json, line);
	fynq_buf_add(&json, fynq_str_of(close));
	(void)fynq_gemini_reply_add(reply, fynq_buf_str(&json), &text);
	fynq_buf_add(told, text);
	fynq_buf_release(&json);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct fynq_buf told = FYNQ_BUF_INIT(1 << 20);
	struct fynq_gemini_reply reply;
	struct fynq_str rest, line;

	if (n == 0)
		return 0;
	fynq_gemini_reply_init(&reply, (size_t)16 << data[0] % 12);
	rest = (struct fynq_str){ (const char *)data + 1, n - 1 };
	while (rest.n > 0) {
		fynq_str_cut(rest, '\n', &line, &rest);
		add_line(&reply, line, &told);
	}
	check(&reply, &told);
	fynq_gemini_reply_release(&reply);
	fynq_buf_release(&told);
	return 0;
}
