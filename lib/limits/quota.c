#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "limits/layout.h"
#include "limits/quota.h"

enum { MINUTE = 60, TOKENS_MAX = 2000000000, DAY_MAX = 1000000000 };

static const int64_t second_us = 1000000;

struct row {
	char model[FYNQ_HOST_NAME_SIZE];
	int64_t calls, tokens, day; /* 0 for none */
	int slot;
};

static struct {
	struct row row[FYNQ_HOST_MODELS];
	size_t n;
} rows;

static const struct row *
find_row(const char *model)
{
	for (size_t i = 0; i < rows.n; i++)
		if (strcmp(rows.row[i].model, model) == 0)
			return &rows.row[i];
	return NULL;
}

/* A number up to most, cut from the front of s. */
static bool
cut_number(struct fynq_str *s, int64_t most, int64_t *value_r)
{
	struct fynq_str head;

	fynq_str_cut(*s, '/', &head, s);
	return head.n > 0 && fynq_str_int(fynq_str_trim(head), value_r) && *value_r >= 0 &&
	       *value_r <= most;
}

static bool
read_row(struct fynq_str text, struct row *row_r)
{
	struct fynq_str model;

	if (!fynq_str_cut(text, '=', &model, &text))
		return false;
	model = fynq_str_trim(model);
	if (model.n == 0 || model.n >= sizeof(row_r->model))
		return false;
	*row_r = (struct row){ 0 };
	memcpy(row_r->model, model.p, model.n);
	return cut_number(&text, FYNQ_WINDOW_CALLS, &row_r->calls) &&
	       cut_number(&text, TOKENS_MAX, &row_r->tokens) &&
	       cut_number(&text, DAY_MAX, &row_r->day) && text.p == NULL;
}

static void
add_row(struct fynq_str text, struct fynq_buf *problems)
{
	struct row row;

	if (!read_row(text, &row))
		fynq_buf_printf(problems,
		    "FYNQ_GEMINI_QUOTAS: \"%.*s\": it must be model=requests/tokens/requests,"
		    " at most %d/%d/%d\n",
		    FYNQ_STR_ARG(text), FYNQ_WINDOW_CALLS, TOKENS_MAX, DAY_MAX);
	else if (find_row(row.model) != NULL)
		fynq_buf_printf(problems, "FYNQ_GEMINI_QUOTAS: %s: it is there twice\n", row.model);
	else if (rows.n == FYNQ_HOST_MODELS)
		fynq_buf_printf(
		    problems, "FYNQ_GEMINI_QUOTAS: there may be %d models\n", FYNQ_HOST_MODELS);
	else if ((row.slot = fynq_host_slot(row.model)) < 0)
		fynq_buf_printf(problems,
		    "FYNQ_GEMINI_QUOTAS: %s: FYNQ_SHARED_FILE is full of other models: remove it\n",
		    row.model);
	else
		rows.row[rows.n++] = row;
}

bool
fynq_quota_init(struct fynq_buf *problems_r)
{
	struct fynq_str rest = fynq_str_of(fynq_config.gemini_quotas), text;
	size_t before = problems_r->n;

	rows.n = 0;
	while (rest.n > 0) {
		fynq_str_cut(rest, ',', &text, &rest);
		add_row(fynq_str_trim(text), problems_r);
	}
	return problems_r->n == before && !problems_r->full;
}

static int32_t
day_of(uint64_t word)
{
	return (int32_t)(word >> 32);
}

static uint32_t
count_of(uint64_t word)
{
	return (uint32_t)word;
}

static uint64_t
day_word(int32_t day, uint32_t count)
{
	return (uint64_t)(uint32_t)day << 32 | count;
}

/*
 * The word as it is on a day: the count, or none where the day is over. A clock that is set back
 * over midnight ends no day; one that was wrong by more does not keep its day for ever.
 */
static uint64_t
word_on(uint64_t word, int32_t day)
{
	bool same = day_of(word) == day || day_of(word) == day + 1;

	return same ? word : day_word(day, 0);
}

static int
seconds_up(int64_t us)
{
	return us > 0 ? (int)((us + second_us - 1) / second_us) : 0;
}

static uint32_t
clamp_tokens(int64_t tokens)
{
	return (uint32_t)(tokens < 0 ? 0 : tokens < TOKENS_MAX ? tokens : TOKENS_MAX);
}

/* With the slot's lock. Death between the two stores: one call of the day is wasted. */
static enum fynq_err
take(struct fynq_slot *s, const struct row *row, int64_t wait_us, struct fynq_permit *permit_r,
    int *retry_after_r)
{
	const struct fynq_window_limits limits = {
		.calls = row->calls > 0 ? (uint32_t)row->calls : FYNQ_WINDOW_CALLS,
		.tokens = row->tokens > 0 ? row->tokens : INT64_MAX / 2,
	};
	int64_t now_us = fynq_host_clock.mono_us();
	uint32_t tokens = clamp_tokens(permit_r->tokens);
	struct fynq_window_place place = fynq_window_find(&s->window, &limits, now_us, tokens);
	int64_t ahead_us = place.start_us - now_us;
	int64_t wall_us = fynq_host_clock.now_us();
	int64_t start = (wall_us + ahead_us) / second_us;
	int left;
	uint64_t word = word_on(s->day, fynq_clock_pacific_day(start, &left));

	if (row->day > 0 && count_of(word) >= row->day) {
		*retry_after_r = seconds_up((start + left) * second_us - wall_us);
		return FYNQ_E_GEMINI_DAY;
	}
	if (ahead_us > wait_us) {
		*retry_after_r = seconds_up(ahead_us);
		return FYNQ_E_GEMINI_QUOTA;
	}
	s->day = word + 1;
	permit_r->number = fynq_window_add(&s->window, &place, tokens, day_of(word));
	permit_r->start_us = place.start_us;
	return FYNQ_OK;
}

enum fynq_err
fynq_quota_take(const char *model, int64_t tokens, int64_t wait_ms, struct fynq_permit *permit_r,
    int *retry_after_r)
{
	const struct row *row = find_row(model);
	struct fynq_permit permit = { .slot = -1, .tokens = tokens };
	int64_t wait_us = wait_ms < 0 ? 0 : wait_ms;
	struct fynq_slot *s;
	enum fynq_err e;

	*retry_after_r = 0;
	if (row == NULL || (row->calls == 0 && row->tokens == 0 && row->day == 0)) {
		permit.start_us = fynq_host_clock.mono_us();
		*permit_r = permit;
		return FYNQ_OK;
	}
	if (row->tokens > 0 && tokens > row->tokens) {
		*retry_after_r = MINUTE;
		return FYNQ_E_GEMINI_QUOTA;
	}
	if ((s = fynq_host_lock(row->slot)) == NULL) {
		*retry_after_r = 1;
		return FYNQ_E_GEMINI_QUOTA;
	}
	if (wait_us > FYNQ_QUOTA_WAIT_MAX_MS)
		wait_us = FYNQ_QUOTA_WAIT_MAX_MS;
	permit.slot = row->slot;
	e = take(s, row, wait_us * 1000, &permit, retry_after_r);
	fynq_host_unlock(s);
	if (e == FYNQ_OK)
		*permit_r = permit;
	return e;
}

void
fynq_quota_settle(const struct fynq_permit *permit, int64_t tokens)
{
	struct fynq_slot *s = fynq_host_lock(permit->slot);

	if (s == NULL)
		return;
	fynq_window_settle(&s->window, permit->number, clamp_tokens(tokens));
	fynq_host_unlock(s);
}

/* Death between the two stores: one call of the day is wasted. */
void
fynq_quota_return(const struct fynq_permit *permit)
{
	struct fynq_slot *s = fynq_host_lock(permit->slot);
	int32_t day;

	if (s == NULL)
		return;
	day = fynq_window_return(&s->window, permit->number);
	if (day != 0 && day == day_of(s->day) && count_of(s->day) > 0)
		s->day--;
	fynq_host_unlock(s);
}

bool
fynq_quota_state(size_t i, struct fynq_quota_state *state_r)
{
	const struct row *row = i < rows.n ? &rows.row[i] : NULL;
	struct fynq_slot *s = row != NULL ? fynq_host_lock(row->slot) : NULL;
	struct fynq_window_place place;
	int64_t now_us;
	int32_t today;
	int left;

	if (s == NULL)
		return false;
	now_us = fynq_host_clock.mono_us();
	place = fynq_window_next(&s->window, now_us);
	today = fynq_clock_pacific_day(fynq_host_clock.now_us() / second_us, &left);
	*state_r = (struct fynq_quota_state){
		.model = row->model,
		.calls_limit = row->calls,
		.tokens_limit = row->tokens,
		.day_limit = row->day,
		.calls = place.calls,
		.tokens = place.tokens,
		.day = count_of(word_on(s->day, today)),
		.ahead_us = place.start_us - now_us,
	};
	fynq_host_unlock(s);
	return true;
}
