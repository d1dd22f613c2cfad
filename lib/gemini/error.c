#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "gemini/error.h"
#include "gemini/json.h"

enum { MINUTE = 60, DAY = 86400, OVERLOADED_SECONDS = 10 };

/* "34.4s" rounded up. */
static int
delay_seconds(struct fynq_str text)
{
	char digits[32] = { 0 };
	double seconds;

	if (text.n == 0 || text.n >= sizeof(digits) || text.p[text.n - 1] != 's')
		return 0;
	memcpy(digits, text.p, text.n - 1);
	seconds = strtod(digits, NULL);
	return seconds > 0 && seconds < DAY ? (int)seconds + ((double)(int)seconds < seconds) : 0;
}

/* Does a QuotaFailure among the details name a quota that counts by the day? */
static bool
counts_by_day(struct json_object *detail)
{
	struct json_object *list = fynq_gemini_json_get(detail, "violations", json_type_array);

	for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		struct fynq_str id = fynq_gemini_json_str(
		    fynq_gemini_json_get(one, "quotaId", json_type_string));

		if (id.n > 0 && memmem(id.p, id.n, "PerDay", 6) != NULL)
			return true;
	}
	return false;
}

static enum fynq_err
quota_error(struct json_object *error, int *retry_after_r)
{
	struct json_object *details = fynq_gemini_json_get(error, "details", json_type_array);
	bool day = false;
	int delay = 0;

	for (size_t i = 0; details != NULL && i < json_object_array_length(details); i++) {
		struct json_object *detail = json_object_array_get_idx(details, i), *text;

		day = day || counts_by_day(detail);
		if ((text = fynq_gemini_json_get(detail, "retryDelay", json_type_string)) != NULL)
			delay = delay_seconds(fynq_gemini_json_str(text));
	}
	if (day) {
		fynq_clock_pacific_day(time(NULL), retry_after_r);
		return FYNQ_E_GEMINI_DAY;
	}
	*retry_after_r = delay > 0 ? delay : MINUTE;
	return FYNQ_E_GEMINI_QUOTA;
}

enum fynq_err
fynq_gemini_error(int status, struct json_object *error, int *retry_after_r)
{
	static const struct {
		int status;
		enum fynq_err error;
		int retry_after;
	} table[] = {
		{ 408, FYNQ_E_GEMINI_TIMEOUT, OVERLOADED_SECONDS },
		{ 499, FYNQ_E_GEMINI_FAILED, 0 },
		{ 500, FYNQ_E_GEMINI_FAILED, OVERLOADED_SECONDS },
		{ 502, FYNQ_E_GEMINI_FAILED, OVERLOADED_SECONDS },
		{ 503, FYNQ_E_GEMINI_OVERLOADED, OVERLOADED_SECONDS },
		{ 504, FYNQ_E_GEMINI_TIMEOUT, OVERLOADED_SECONDS },
	};
	struct json_object *code = fynq_gemini_json_get(error, "code", json_type_int);

	if (status == 0 && code != NULL)
		status = json_object_get_int(code);
	*retry_after_r = 0;
	if (status == 429)
		return quota_error(error, retry_after_r);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].status == status) {
			*retry_after_r = table[i].retry_after;
			return table[i].error;
		}
	}
	/* The rest of 4xx is about our key, our model, our request: an admin's to mend. */
	return status >= 400 && status < 500 ? FYNQ_E_GEMINI_REFUSED : FYNQ_E_GEMINI_FAILED;
}

enum fynq_err
fynq_gemini_body_error(int status, struct fynq_str body, int *retry_after_r)
{
	struct json_object *o = fynq_gemini_json_parse(body);
	struct json_object *top = json_object_is_type(o, json_type_array)
				      ? fynq_gemini_json_first(o)
				      : o;
	enum fynq_err e;

	e = fynq_gemini_error(
	    status, fynq_gemini_json_get(top, "error", json_type_object), retry_after_r);
	json_object_put(o);
	return e;
}
