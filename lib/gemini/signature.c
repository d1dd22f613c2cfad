#include <string.h>

#include <json-c/json_object.h>

#include "gemini/json.h"
#include "gemini/signature.h"

enum { REQUEST_MAX = 20 << 20 };

const char *
fynq_gemini_foreign_signature(const char *model)
{
	return strncmp(model, "gemini-2", strlen("gemini-2")) != 0
		   ? "skip_thought_signature_validator"
		   : NULL;
}

/* Of a turn: a model's has its signature in the last part. */
static void
replace_signatures(struct json_object *turn, const char *by)
{
	struct json_object *parts = fynq_gemini_json_get(turn, "parts", json_type_array), *last;
	struct fynq_str role = fynq_gemini_json_str(
	    fynq_gemini_json_get(turn, "role", json_type_string));
	size_t n = parts != NULL ? json_object_array_length(parts) : 0;

	for (size_t i = 0; i < n; i++)
		json_object_object_del(json_object_array_get_idx(parts, i), "thoughtSignature");
	if (n == 0 || by == NULL || !fynq_str_eq(role, FYNQ_STR("model")))
		return;
	last = json_object_array_get_idx(parts, n - 1);
	json_object_object_add(last, "thoughtSignature", json_object_new_string(by));
}

void
fynq_gemini_unsign(struct fynq_buf *body, const char *model)
{
	const char *by = fynq_gemini_foreign_signature(model);
	struct json_object *root = fynq_gemini_json_parse(fynq_buf_str(body)), *contents;

	contents = fynq_gemini_json_get(root, "contents", json_type_array);
	for (size_t i = 0; contents != NULL && i < json_object_array_length(contents); i++)
		replace_signatures(json_object_array_get_idx(contents, i), by);
	if (contents != NULL) {
		fynq_buf_release(body);
		*body = (struct fynq_buf)FYNQ_BUF_INIT(REQUEST_MAX);
		fynq_buf_add(body,
		    fynq_str_of(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN)));
	}
	json_object_put(root);
}
