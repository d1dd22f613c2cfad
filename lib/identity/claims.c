#include <json-c/json_object.h>
#include <json-c/json_object_iterator.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/json.h"
#include "identity/claims.h"

static struct fynq_str
string_of(struct json_object *json)
{
	if (!json_object_is_type(json, json_type_string))
		return (struct fynq_str){ 0 };
	return (struct fynq_str){ json_object_get_string(json),
		(size_t)json_object_get_string_len(json) };
}

static struct json_object *
member(struct json_object *json, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(json, name, &value);
	return value;
}

struct fynq_str
fynq_claims_text(struct json_object *json, const char *name)
{
	return string_of(member(json, name));
}

struct fynq_str
fynq_claims_find(struct fynq_arena *a, struct fynq_str text, const char *name)
{
	struct json_object *object;
	struct fynq_str why;

	if (text.n == 0 || !fynq_json_parse(a, text, &object, &why))
		return (struct fynq_str){ 0 };
	return fynq_claims_text(object, name);
}

static bool
is_text(struct json_object *json, const char *text)
{
	return fynq_str_eq(string_of(json), fynq_str_of(text));
}

/* aud is one string or an array of them (RFC 7519 section 4.1.3). */
static bool
for_us(struct json_object *aud)
{
	if (!json_object_is_type(aud, json_type_array))
		return is_text(aud, fynq_config.jwt_audience);
	for (size_t i = 0; i < json_object_array_length(aud); i++)
		if (is_text(json_object_array_get_idx(aud, i), fynq_config.jwt_audience))
			return true;
	return false;
}

/*
 * A number of more than 64 bits, which the parser lets through here and json-c bends: what it
 * stands for would depend on who reads it.
 */
static bool
has_bent_number(struct json_object *json)
{
	struct json_object_iterator at = json_object_iter_begin(json);
	struct json_object_iterator end = json_object_iter_end(json);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		struct json_object *value = json_object_iter_peek_value(&at);
		int64_t n = json_object_get_int64(value);

		if (json_object_is_type(value, json_type_int) && (n == INT64_MAX || n == INT64_MIN))
			return true;
	}
	return false;
}

static bool
is_time(struct json_object *json)
{
	return json_object_is_type(json, json_type_int);
}

/* A token that claims to come from the future, by more than clocks may differ. */
static bool
ahead(struct json_object *time, int64_t now)
{
	return json_object_get_int64(time) > now + fynq_config.jwt_leeway_seconds;
}

enum fynq_who
fynq_claims_role(struct fynq_str role)
{
	if (fynq_str_eq(role, FYNQ_STR("admin")))
		return FYNQ_ADMIN;
	return fynq_str_eq(role, FYNQ_STR("teacher")) ? FYNQ_TEACHER : FYNQ_USER;
}

bool
fynq_claims_expired(int64_t exp, int64_t now)
{
	return exp <= now - fynq_config.jwt_leeway_seconds;
}

enum fynq_err
fynq_claims_check(struct json_object *json, int64_t now, struct fynq_claims *claims_r)
{
	struct json_object *exp = member(json, "exp"), *iat = member(json, "iat");
	struct json_object *nbf = member(json, "nbf"), *session = member(json, "session_id");
	struct json_object *app = member(json, "app_metadata");
	struct fynq_claims claims = { 0 };

	if (!is_text(member(json, "iss"), fynq_config.jwt_issuer) || !for_us(member(json, "aud")))
		return FYNQ_E_UNAUTHORIZED;
	if (!fynq_uuid_parse(fynq_claims_text(json, "sub"), &claims.user))
		return FYNQ_E_UNAUTHORIZED;
	if (session != NULL && !fynq_uuid_parse(string_of(session), &claims.session))
		return FYNQ_E_UNAUTHORIZED;
	if (app != NULL && !json_object_is_type(app, json_type_object))
		return FYNQ_E_UNAUTHORIZED;
	if (!is_time(exp) || !is_time(iat) || ahead(iat, now))
		return FYNQ_E_UNAUTHORIZED;
	if (json_object_get_int64(exp) > FYNQ_CLOCK_LAST || has_bent_number(json))
		return FYNQ_E_UNAUTHORIZED;
	if (nbf != NULL && (!is_time(nbf) || ahead(nbf, now)))
		return FYNQ_E_UNAUTHORIZED;
	claims.role = fynq_claims_role(fynq_claims_text(app, "role"));
	claims.exp = json_object_get_int64(exp);
	*claims_r = claims;
	return fynq_claims_expired(claims.exp, now) ? FYNQ_E_TOKEN_EXPIRED : FYNQ_OK;
}
