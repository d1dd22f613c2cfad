/*
 * What Gemini's errors mean for a student, and when to come back.
 */
#ifndef FYNQ_GEMINI_ERROR_H
#define FYNQ_GEMINI_ERROR_H

#include <json-c/json_object.h>

#include "base/err.h"
#include "base/str.h"

/*
 * The error for an error object {"code","message","status","details"}; status is the HTTP status,
 * or 0 to take the object's code. error may be NULL, as proxies answer with pages of their own.
 * *retry_after_r is in seconds and 0 where coming back does not help.
 *
 * A 429 is GEMINI_DAY where a violated quota counts by the day, which begins at midnight in
 * Pacific time, else GEMINI_QUOTA with RetryInfo's delay, or a minute where there is none.
 */
enum fynq_err fynq_gemini_error(int status, struct json_object *error, int *retry_after_r);

/* The same for a body: the object in {"error":...}, alone or inside an array, or anything else. */
enum fynq_err fynq_gemini_body_error(int status, struct fynq_str body, int *retry_after_r);

#endif
