
#include "base/clock.h"
#include "http/json.h"
#include "identity/claims.h"
#include "identity/gotrue.h"
#include "identity/token.h"

enum { CODE_MAX = 64, EMAIL_MAX = 254 };

/*
 * Codes that mean something to a client. INVALID stands for what the input is refused with, which a
 * call may have its own word for. All others say that they, or the settings, are at fault.
 */
static const struct {
	const char *code;
	enum fynq_err error;
} codes[] = {
	{ "invalid_credentials", FYNQ_E_BAD_CREDENTIALS },
	{ "current_password_invalid", FYNQ_E_BAD_CREDENTIALS },
	{ "current_password_mismatch", FYNQ_E_BAD_CREDENTIALS },
	{ "current_password_required", FYNQ_E_BAD_CREDENTIALS },
	{ "user_banned", FYNQ_E_DISABLED },
	{ "email_not_confirmed", FYNQ_E_BAD_CREDENTIALS },
	{ "provider_email_needs_verification", FYNQ_E_BAD_CREDENTIALS },

	{ "user_already_exists", FYNQ_E_CONFLICT },
	{ "email_exists", FYNQ_E_CONFLICT },
	{ "identity_already_exists", FYNQ_E_CONFLICT },
	{ "signup_disabled", FYNQ_E_FORBIDDEN },
	{ "user_sso_managed", FYNQ_E_FORBIDDEN },
	{ "insufficient_aal", FYNQ_E_FORBIDDEN },

	{ "validation_failed", FYNQ_E_INVALID },
	{ "email_address_invalid", FYNQ_E_INVALID },
	{ "weak_password", FYNQ_E_INVALID },
	{ "same_password", FYNQ_E_INVALID },

	{ "refresh_token_not_found", FYNQ_E_BAD_REFRESH_TOKEN },
	{ "refresh_token_already_used", FYNQ_E_BAD_REFRESH_TOKEN },
	{ "session_not_found", FYNQ_E_BAD_REFRESH_TOKEN },
	{ "session_expired", FYNQ_E_BAD_REFRESH_TOKEN },

	{ "otp_expired", FYNQ_E_BAD_MAIL_TOKEN },
	{ "bad_code_verifier", FYNQ_E_BAD_CODE },
	{ "flow_state_not_found", FYNQ_E_BAD_CODE },
	{ "flow_state_expired", FYNQ_E_BAD_CODE },
	{ "flow_state_already_used", FYNQ_E_BAD_CODE },

	{ "user_not_found", FYNQ_E_NOT_FOUND },
	{ "provider_disabled", FYNQ_E_NOT_FOUND },
	{ "oauth_provider_not_supported", FYNQ_E_NOT_FOUND },

	{ "over_request_rate_limit", FYNQ_E_RATE_LIMITED },
	{ "over_email_send_rate_limit", FYNQ_E_RATE_LIMITED },
};

/* What says, where a user acts by an access token, that it is no longer good. */
static const char *const token_codes[] = { "bad_jwt", "no_authorization", "session_not_found",
	"session_expired", "user_not_found" };

static bool
is_code(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 'a' || s.p[i] > 'z') && (s.p[i] < '0' || s.p[i] > '9') &&
		    s.p[i] != '_')
			return false;
	return s.n > 0 && s.n <= CODE_MAX;
}

/* {"code":"...","message":"..."} since 2024, {"code":400,"error_code":"...","msg":"..."} before. */
static struct fynq_str
code_of(struct json_object *json)
{
	struct fynq_str code = fynq_claims_text(json, "error_code");

	if (!is_code(code))
		code = fynq_claims_text(json, "code");
	return is_code(code) ? code : (struct fynq_str){ 0 };
}

bool
fynq_gotrue_is(const struct fynq_gotrue_answer *answer, const char *code)
{
	return answer->code.p != NULL && fynq_str_eq(answer->code, fynq_str_of(code));
}

static enum fynq_err
error_of(const struct fynq_gotrue *ask, const struct fynq_gotrue_answer *answer)
{
	if (ask->token.p != NULL)
		for (size_t i = 0; i < sizeof(token_codes) / sizeof(token_codes[0]); i++)
			if (fynq_gotrue_is(answer, token_codes[i]))
				return FYNQ_E_UNAUTHORIZED;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (fynq_gotrue_is(answer, codes[i].code))
			return codes[i].error == FYNQ_E_INVALID && ask->refusal != FYNQ_OK
				   ? ask->refusal
				   : codes[i].error;
	return answer->status == 429 ? FYNQ_E_RATE_LIMITED : FYNQ_E_AUTH_UNAVAILABLE;
}

enum fynq_err
fynq_gotrue_read(struct fynq_arena *a, const struct fynq_gotrue *ask, long status,
    struct fynq_str body, struct fynq_gotrue_answer *answer_r)
{
	bool good = status >= 200 && status < 300;
	struct json_object *json = NULL;
	struct fynq_str why;

	*answer_r = (struct fynq_gotrue_answer){ .status = status, .retry_after = -1 };
	if (body.n > 0 && !fynq_json_parse(a, body, &json, &why)) {
		json = NULL;
		if (good)
			return FYNQ_E_AUTH_UNAVAILABLE;
	}
	if (good) {
		answer_r->json = json;
		return FYNQ_OK;
	}
	if (json != NULL)
		answer_r->code = code_of(json);
	return error_of(ask, answer_r);
}

/* Without control characters and spaces, so that it can go into a header. */
static bool
is_token(struct fynq_str s, size_t max)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
			return false;
	return s.n > 0 && s.n <= max;
}

static const char *
role_of(struct json_object *app_metadata)
{
	struct fynq_str role = fynq_claims_text(app_metadata, "role");

	if (fynq_str_eq(role, FYNQ_STR("admin")))
		return "admin";
	return fynq_str_eq(role, FYNQ_STR("teacher")) ? "teacher" : "student";
}

bool
fynq_gotrue_user(struct json_object *json, struct fynq_gotrue_user *user_r)
{
	struct json_object *app_metadata = NULL;
	int64_t us;

	json_object_object_get_ex(json, "app_metadata", &app_metadata);
	user_r->role = role_of(app_metadata);
	user_r->email = fynq_claims_text(json, "email");
	user_r->created_at = fynq_claims_text(json, "created_at");
	if (user_r->email.p == NULL)
		user_r->email = FYNQ_STR("");
	return fynq_uuid_parse(fynq_claims_text(json, "id"), &user_r->id) &&
	       user_r->email.n <= EMAIL_MAX && fynq_time_parse(user_r->created_at, &us);
}

/* Seconds, from 1 on; 0 for anything else, as sums of two are to be no danger. */
static int64_t
positive(struct json_object *json, const char *name)
{
	struct json_object *value = NULL;
	int64_t n = 0;

	if (json_object_object_get_ex(json, name, &value) &&
	    json_object_is_type(value, json_type_int))
		n = json_object_get_int64(value);
	return n > 0 && n <= FYNQ_CLOCK_LAST ? n : 0;
}

bool
fynq_gotrue_session(struct json_object *json, int64_t now, struct fynq_session *session_r,
    struct fynq_gotrue_user *user_r)
{
	struct json_object *user = NULL;

	if (json == NULL || !json_object_object_get_ex(json, "user", &user))
		return false;
	*session_r = (struct fynq_session){
		.access_token = fynq_claims_text(json, "access_token"),
		.refresh_token = fynq_claims_text(json, "refresh_token"),
		.expires_in = positive(json, "expires_in"),
		.expires_at = positive(json, "expires_at"),
	};
	if (session_r->expires_at == 0) /* Versions before 2023 do not say. */
		session_r->expires_at = now + session_r->expires_in;
	return session_r->expires_in > 0 &&
	       is_token(session_r->access_token, FYNQ_ACCESS_TOKEN_MAX) &&
	       is_token(session_r->refresh_token, FYNQ_GOTRUE_REFRESH_MAX) &&
	       fynq_gotrue_user(user, user_r);
}
