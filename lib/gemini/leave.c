#include <string.h>

#include "base/config.h"
#include "base/str.h"
#include "gemini/leave.h"
#include "limits/breaker.h"

enum { MODELS_MAX = 8 };

static struct {
	const char *models[MODELS_MAX];
	int n_models;
} settings;

/* The models of the settings: the first, then the fallbacks. */
void
fynq_gemini_leave_init(void)
{
	struct fynq_str rest = fynq_str_of(fynq_config.gemini_fallbacks), one;

	settings.models[0] = fynq_config.gemini_model;
	settings.n_models = 1;
	while (rest.n > 0 && settings.n_models < MODELS_MAX) {
		fynq_str_cut(rest, ',', &one, &rest);
		one = fynq_str_trim(one);
		if (one.n > 0)
			settings.models[settings.n_models++] = strndup(one.p, one.n);
	}
}

int
fynq_gemini_models(void)
{
	return settings.n_models;
}

const char *
fynq_gemini_model(int i)
{
	return settings.models[i];
}

static enum fynq_err
admit_to(int model, int64_t tokens, int64_t wait_ms, struct fynq_gemini_leave *leave_r,
    int *retry_after_r)
{
	const char *name = settings.models[model];
	enum fynq_err e;

	if (!fynq_breaker_allows(name, retry_after_r))
		return FYNQ_E_GEMINI_OVERLOADED;
	leave_r->model = model;
	e = fynq_quota_take(name, tokens, wait_ms, &leave_r->permit, retry_after_r);
	if (e != FYNQ_OK)
		fynq_breaker_return(name);
	return e;
}

enum fynq_err
fynq_gemini_admit(int model, int64_t tokens, int64_t wait_ms, struct fynq_gemini_leave *leave_r,
    int *retry_after_r)
{
	enum fynq_err first = FYNQ_E_GEMINI_OVERLOADED, e;
	int soonest = 0, after;

	for (; model < settings.n_models; model++) {
		after = 0;
		e = admit_to(model, tokens, wait_ms, leave_r, &after);
		if (e == FYNQ_OK)
			return FYNQ_OK;
		if (soonest == 0 || after < soonest) {
			soonest = after;
			first = e;
		}
	}
	*retry_after_r = soonest;
	return first;
}

void
fynq_gemini_give_back(const struct fynq_gemini_leave *leave)
{
	fynq_quota_return(&leave->permit);
	fynq_breaker_return(settings.models[leave->model]);
}
