#include <string.h>

#include <json-c/json_tokener.h>
#include <json-c/json_visit.h>

#include "base/buf.h"
#include "base/log.h"
#include "gemini/json.h"

enum { DEPTH = 32, TEXT_MAX = 16 << 20 };

/* A string without its NULs, which PostgreSQL cannot store and a reader has no use for. */
static void
drop_nuls(struct json_object *string)
{
	struct fynq_str rest = fynq_gemini_json_str(string), piece;
	struct fynq_buf kept = FYNQ_BUF_INIT(TEXT_MAX);

	if (memchr(rest.p, '\0', rest.n) == NULL)
		return;
	while (rest.p != NULL) {
		fynq_str_cut(rest, '\0', &piece, &rest);
		fynq_buf_add(&kept, piece);
	}
	json_object_set_string_len(string, fynq_buf_str(&kept).p, (int)kept.n);
	fynq_buf_release(&kept);
}

static struct fynq_str
digits(struct fynq_str s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return (struct fynq_str){ s.p, n };
}

/* RFC 8259 section 6, for what json-c has taken for a number with a fraction or an exponent. */
static bool
is_number(struct fynq_str s)
{
	struct fynq_str whole, part;

	if (s.n > 0 && s.p[0] == '-')
		s = (struct fynq_str){ s.p + 1, s.n - 1 };
	whole = digits(s);
	s = (struct fynq_str){ s.p + whole.n, s.n - whole.n };
	if (whole.n == 0 || (whole.n > 1 && whole.p[0] == '0'))
		return false;
	if (s.n > 0 && s.p[0] == '.') {
		part = digits((struct fynq_str){ s.p + 1, s.n - 1 });
		s = (struct fynq_str){ s.p + 1 + part.n, s.n - 1 - part.n };
		if (part.n == 0)
			return false;
	}
	if (s.n > 0 && (s.p[0] == 'e' || s.p[0] == 'E')) {
		size_t sign = s.n > 1 && (s.p[1] == '+' || s.p[1] == '-');

		part = digits((struct fynq_str){ s.p + 1 + sign, s.n - 1 - sign });
		return part.n > 0 && part.n == s.n - 1 - sign;
	}
	return s.n == 0;
}

/* json-c takes NaN, "1." and "-.5" and writes them as it read them. What goes on must be JSON. */
static int
mend(json_object *o, int flags, json_object *parent, const char *name, size_t *index, void *bad_r)
{
	(void)parent;
	(void)name;
	(void)index;
	if (flags == JSON_C_VISIT_SECOND)
		return JSON_C_VISIT_RETURN_CONTINUE;
	if (json_object_is_type(o, json_type_string))
		drop_nuls(o);
	if (json_object_is_type(o, json_type_double) &&
	    !is_number(fynq_str_of(json_object_to_json_string(o))))
		*(bool *)bad_r = true;
	return JSON_C_VISIT_RETURN_CONTINUE;
}

struct json_object *
fynq_gemini_json_parse(struct fynq_str text)
{
	/* Only the event loop's thread parses here: one tokener serves every stream. */
	static struct json_tokener *tokener;
	struct json_object *o;
	bool bad = false;

	if (tokener == NULL) {
		tokener = json_tokener_new_ex(DEPTH);
		if (tokener == NULL)
			fynq_log_fatal("memory", "no JSON tokener");
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	}
	/* json-c takes overlong forms, and a NUL for the end. */
	if (text.n > TEXT_MAX || !fynq_str_utf8(text))
		return NULL;
	json_tokener_reset(tokener);
	o = json_tokener_parse_ex(tokener, text.p, (int)text.n);
	if (json_tokener_get_error(tokener) == json_tokener_success &&
	    json_c_visit(o, 0, mend, &bad) == 0 && !bad)
		return o;
	json_object_put(o);
	return NULL;
}

struct json_object *
fynq_gemini_json_get(struct json_object *o, const char *name, enum json_type type)
{
	struct json_object *member;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, name, &member) || !json_object_is_type(member, type))
		return NULL;
	return member;
}

struct json_object *
fynq_gemini_json_first(struct json_object *array)
{
	if (!json_object_is_type(array, json_type_array) || json_object_array_length(array) == 0)
		return NULL;
	return json_object_array_get_idx(array, 0);
}

struct fynq_str
fynq_gemini_json_str(struct json_object *string)
{
	if (string == NULL)
		return (struct fynq_str){ 0 };
	return (struct fynq_str){ json_object_get_string(string),
		(size_t)json_object_get_string_len(string) };
}
