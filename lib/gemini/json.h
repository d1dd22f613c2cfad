/*
 * Reading Gemini's JSON without trusting its shape: every step yields NULL where a member is
 * absent or of another type, and takes NULL.
 */
#ifndef FYNQ_GEMINI_JSON_H
#define FYNQ_GEMINI_JSON_H

#include <json-c/json_object.h>

#include "base/str.h"

/*
 * Parse a whole text, strictly and at most 32 levels deep; json_object_put() it. NULL if bad. What
 * it holds can be written as JSON again, and stored: its strings have lost their NULs.
 */
struct json_object *fynq_gemini_json_parse(struct fynq_str text);

/* A member of that type; belongs to o. */
struct json_object *fynq_gemini_json_get(
    struct json_object *o, const char *name, enum json_type type);

/* An array's first element; belongs to the array. */
struct json_object *fynq_gemini_json_first(struct json_object *array);

/* A string's bytes; absent for NULL. Valid as long as the string. */
struct fynq_str fynq_gemini_json_str(struct json_object *string);

#endif
