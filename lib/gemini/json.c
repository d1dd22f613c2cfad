#include <json-c/json_tokener.h>

#include "base/log.h"
#include "gemini/json.h"

enum { DEPTH = 32, TEXT_MAX = 16 << 20 };

struct json_object *
fynq_gemini_json_parse(struct fynq_str text)
{
	/* Only the event loop's thread parses here: one tokener serves every stream. */
	static struct json_tokener *tokener;
	struct json_object *o;

	if (tokener == NULL) {
		tokener = json_tokener_new_ex(DEPTH);
		if (tokener == NULL)
			fynq_log_fatal("memory", "no JSON tokener");
		json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	}
	if (text.n > TEXT_MAX)
		return NULL;
	json_tokener_reset(tokener);
	o = json_tokener_parse_ex(tokener, text.p, (int)text.n);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		json_object_put(o);
		return NULL;
	}
	return o;
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
