#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json_tokener.h>

#include "base/log.h"
#include "http/json.h"
#include "http/text.h"

/* What json-c's tokener lets through is looked for token by token; the grammar is left to it. */
struct check {
	struct fynq_arena *a;
	struct json_tokener *tokener;
	struct fynq_str text;
	size_t at;
	struct fynq_str string;			    /* the last one read, without its quotes */
	struct json_object *names[FYNQ_JSON_DEPTH]; /* of each open object; NULL for an array */
	size_t depth, values;
	struct fynq_str why;
};

static bool
refuse(struct check *c, const char *what)
{
	c->why = fynq_arena_printf(c->a, "%s at byte %zu.", what, c->at);
	return false;
}

/* The UTF-16 unit that the \uXXXX at this place stands for; -1 where there is none. */
static int
unit_at(const struct check *c, size_t at)
{
	char hex[5] = "";

	if (c->text.n < 6 || at > c->text.n - 6 || memcmp(c->text.p + at, "\\u", 2) != 0)
		return -1;
	memcpy(hex, c->text.p + at + 2, 4);
	return strspn(hex, "0123456789abcdefABCDEF") == 4 ? (int)strtol(hex, NULL, 16) : -1;
}

static bool
check_escape(struct check *c)
{
	int unit = unit_at(c, c->at);

	if (unit < 0) {
		c->at += 2;
		return true;
	}
	if (unit == 0)
		return refuse(c, "A string holds a NUL");
	if (unit >= 0xd800 && unit <= 0xdbff) {
		int low = unit_at(c, c->at + 6);

		if (low < 0xdc00 || low > 0xdfff)
			return refuse(c, "A string holds half of a surrogate pair");
		c->at += 6;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		return refuse(c, "A string holds half of a surrogate pair");
	}
	c->at += 6;
	return true;
}

static bool
check_string(struct check *c)
{
	size_t from = ++c->at;

	while (c->at < c->text.n && c->text.p[c->at] != '"') {
		if ((unsigned char)c->text.p[c->at] < 0x20)
			return refuse(c, "A string holds a bare control character");
		if (c->text.p[c->at] != '\\')
			c->at++;
		else if (!check_escape(c))
			return false;
	}
	if (c->at >= c->text.n)
		return refuse(c, "A string has no end");
	c->string = (struct fynq_str){ c->text.p + from, c->at - from };
	c->at++;
	return true;
}

/* A name without its escapes; NULL where they are wrong. */
static const char *
read_name(struct check *c)
{
	struct json_object *string;
	const char *name = NULL;

	if (memchr(c->string.p, '\\', c->string.n) == NULL)
		return fynq_arena_strdup(c->a, c->string);
	string = json_tokener_parse_ex(c->tokener, c->string.p - 1, (int)c->string.n + 2);
	if (string != NULL)
		name = fynq_arena_strdup(c->a, fynq_str_of(json_object_get_string(string)));
	json_object_put(string);
	return name;
}

/* At a ":": the string before it is a name, and must be new to its object. */
static bool
check_name(struct check *c)
{
	struct json_object *names = c->depth > 0 ? c->names[c->depth - 1] : NULL;
	const char *name = c->string.p != NULL ? read_name(c) : NULL;

	if (names == NULL || name == NULL)
		return refuse(c, "There is no name before the colon");
	if (json_object_object_get_ex(names, name, NULL)) {
		struct fynq_str shown = fynq_text_shown(c->a, fynq_str_of(name));

		c->why = fynq_arena_printf(
		    c->a, "An object has two members \"%.*s\".", FYNQ_STR_ARG(shown));
		return false;
	}
	json_object_object_add_ex(names, name, NULL, JSON_C_OBJECT_ADD_KEY_IS_NEW);
	c->string = (struct fynq_str){ 0 };
	c->at++;
	return true;
}

static size_t
take_digits(struct fynq_str *s)
{
	size_t n = 0;

	for (; s->n > 0 && isdigit((unsigned char)s->p[0]); n++, s->n--)
		s->p++;
	return n;
}

static bool
take_one(struct fynq_str *s, const char *set)
{
	if (s->n == 0 || strchr(set, s->p[0]) == NULL)
		return false;
	s->p++;
	s->n--;
	return true;
}

/* RFC 8259 section 6, with an exponent of at most 3 digits: a numeric of PostgreSQL holds those. */
static bool
is_number(struct fynq_str s, bool *integer_r)
{
	size_t exponent;

	*integer_r = true;
	take_one(&s, "-");
	if (!take_one(&s, "0") && take_digits(&s) == 0)
		return false;
	if (take_one(&s, ".")) {
		*integer_r = false;
		if (take_digits(&s) == 0)
			return false;
	}
	if (take_one(&s, "eE")) {
		*integer_r = false;
		take_one(&s, "+-");
		exponent = take_digits(&s);
		if (exponent == 0 || exponent > 3)
			return false;
	}
	return s.n == 0;
}

static bool
in_range(const struct check *c, struct fynq_str number, bool integer)
{
	char text[FYNQ_JSON_NUMBER + 1] = "";
	int64_t value;

	if (integer)
		return c->depth <= 1 || fynq_str_int(number, &value);
	memcpy(text, number.p, number.n);
	errno = 0;
	strtod(text, NULL);
	return errno != ERANGE;
}

/* A number, true, false or null: all that stands outside strings and is no punctuation. */
static bool
check_word(struct check *c)
{
	static const struct fynq_str words[] = {
		FYNQ_STR_INIT("true"),
		FYNQ_STR_INIT("false"),
		FYNQ_STR_INIT("null"),
	};
	struct fynq_str word = { c->text.p + c->at, 0 };
	bool integer;

	while (c->at + word.n < c->text.n && strchr(" \t\r\n,:[]{}\"", word.p[word.n]) == NULL)
		word.n++;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (fynq_str_eq(word, words[i])) {
			c->at += word.n;
			return true;
		}
	}
	if (!is_number(word, &integer))
		return refuse(c, "There is something that is no value");
	if (word.n > FYNQ_JSON_NUMBER || !in_range(c, word, integer))
		return refuse(c, "There is a number out of range");
	c->at += word.n;
	return true;
}

static bool
check_open(struct check *c, bool object)
{
	if (c->depth == FYNQ_JSON_DEPTH)
		return refuse(c, "There are too many levels");
	c->names[c->depth++] = object ? json_object_new_object() : NULL;
	c->at++;
	return true;
}

static bool
check_close(struct check *c)
{
	if (c->depth == 0)
		return refuse(c, "A bracket closes nothing");
	json_object_put(c->names[--c->depth]);
	c->at++;
	return true;
}

static bool
check_token(struct check *c)
{
	char first = c->text.p[c->at];

	if (strchr(" \t\r\n,:}]", first) == NULL && ++c->values > FYNQ_JSON_VALUES)
		return refuse(c, "There are too many values");
	switch (first) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case ',':
		c->at++;
		return true;
	case '"':
		return check_string(c);
	case ':':
		return check_name(c);
	case '{':
	case '[':
		return check_open(c, first == '{');
	case '}':
	case ']':
		return check_close(c);
	default:
		return check_word(c);
	}
}

static bool
check_text(struct check *c)
{
	bool sound = true;

	if (!fynq_str_utf8(c->text)) {
		c->why = FYNQ_STR("The JSON is not UTF-8, or holds a NUL.");
		return false;
	}
	while (sound && c->at < c->text.n)
		sound = check_token(c);
	while (c->depth > 0)
		json_object_put(c->names[--c->depth]);
	return sound;
}

static void
put_object(void *object)
{
	json_object_put(object);
}

static bool
build(struct check *c, struct json_object **object_r)
{
	enum json_tokener_error e;

	*object_r = json_tokener_parse_ex(c->tokener, c->text.p, (int)c->text.n);
	fynq_arena_defer(c->a, put_object, *object_r);
	e = json_tokener_get_error(c->tokener);
	c->at = json_tokener_get_parse_end(c->tokener);
	if (e == json_tokener_continue)
		return refuse(c, "The JSON breaks off");
	if (e != json_tokener_success)
		return refuse(c, "The JSON is malformed");
	if (json_object_get_type(*object_r) != json_type_object) {
		c->why = FYNQ_STR("The JSON is not an object.");
		return false;
	}
	return true;
}

bool
fynq_json_parse(struct fynq_arena *a, struct fynq_str text, struct json_object **object_r,
    struct fynq_str *why_r)
{
	struct check c = { .a = a, .text = text };
	bool done;

	/* One level more than the limit: json-c counts the values in the innermost as one. */
	c.tokener = json_tokener_new_ex(FYNQ_JSON_DEPTH + 1);
	if (c.tokener == NULL)
		fynq_log_fatal("memory", "out of memory for a JSON tokener");
	json_tokener_set_flags(c.tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	done = check_text(&c) && build(&c, object_r);
	json_tokener_free(c.tokener);
	*why_r = c.why;
	return done;
}

bool
fynq_json_is_type(struct fynq_str type)
{
	struct fynq_str part, name, value;

	fynq_str_cut(type, ';', &part, &type);
	if (!fynq_str_ieq(fynq_str_trim(part), FYNQ_STR("application/json")))
		return false;
	while (type.p != NULL) {
		fynq_str_cut(type, ';', &part, &type);
		part = fynq_str_trim(part);
		if (part.n == 0)
			continue;
		fynq_str_cut(part, '=', &name, &value);
		if (!fynq_str_ieq(name, FYNQ_STR("charset")) ||
		    (!fynq_str_ieq(value, FYNQ_STR("utf-8")) &&
			!fynq_str_ieq(value, FYNQ_STR("\"utf-8\""))))
			return false;
	}
	return true;
}
