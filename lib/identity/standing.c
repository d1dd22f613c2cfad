#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "data/db.h"
#include "identity/claims.h"
#include "identity/standing.h"

/* A session has one set, found by its user, and in it any of the ways; all are 192 KB. */
enum { SETS = 512, WAYS = 4 };

struct entry {
	struct fynq_uuid user, session; /* the session is absent where the token names none */
	enum fynq_who role;
	int64_t checked_us; /* 0 while the entry is free */
};

static struct {
	pthread_mutex_t lock;
	struct entry sets[SETS][WAYS];
	int64_t forgot_us; /* when something was forgotten last */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* $1 the account, $2 the session or null. */
static const struct fynq_stmt account_state = { "account_state", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select present, disabled, stands, role from fynq.account_state($1::uuid, $2::uuid)" };
enum { PRESENT, DISABLED, STANDS, ROLE };

/* $1 days. */
static const struct fynq_stmt forget_sessions = { "forget_sessions", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE, "select fynq.forget_sessions($1::int)" };

/* FNV-1a over the user's id. */
static struct entry *
find_set(const struct fynq_uuid *user)
{
	uint32_t hash = 2166136261U;

	for (const char *p = user->text; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	return table.sets[hash % SETS];
}

static bool
same(const struct fynq_uuid *a, const struct fynq_uuid *b)
{
	return strcmp(a->text, b->text) == 0;
}

/* Was this found true a moment ago? */
static bool
is_known(const struct entry *asked, int64_t now)
{
	const struct entry *set = find_set(&asked->user);
	int64_t since = now - fynq_config.account_check_seconds * 1000000;
	bool known = false;

	pthread_mutex_lock(&table.lock);
	for (size_t i = 0; i < WAYS && !known; i++)
		known = set[i].checked_us > since && set[i].role == asked->role &&
			same(&set[i].user, &asked->user) && same(&set[i].session, &asked->session);
	pthread_mutex_unlock(&table.lock);
	return known;
}

/*
 * In the session's own entry, else in the one that was checked longest ago. What was asked for
 * before anything was forgotten may be what was forgotten, and is asked for anew.
 */
static void
remember(const struct entry *found)
{
	struct entry *set = find_set(&found->user), *pick = &set[0];

	pthread_mutex_lock(&table.lock);
	if (found->checked_us <= table.forgot_us)
		pick = NULL;
	for (size_t i = 0; i < WAYS && pick != NULL; i++) {
		if (same(&set[i].user, &found->user) && same(&set[i].session, &found->session)) {
			pick = &set[i];
			break;
		}
		if (set[i].checked_us < pick->checked_us)
			pick = &set[i];
	}
	if (pick != NULL)
		*pick = *found;
	pthread_mutex_unlock(&table.lock);
}

void
fynq_standing_forget(struct fynq_str user)
{
	struct fynq_uuid id;
	struct entry *set;

	if (!fynq_uuid_parse(user, &id))
		return;
	set = find_set(&id);
	pthread_mutex_lock(&table.lock);
	table.forgot_us = fynq_clock_mono_us();
	for (size_t i = 0; i < WAYS; i++)
		if (same(&set[i].user, &id))
			set[i] = (struct entry){ 0 };
	pthread_mutex_unlock(&table.lock);
}

enum fynq_err
fynq_standing_check(struct fynq_req *rq)
{
	/* What is found is true of the moment before it was asked for. */
	struct entry asked = { .role = rq->caller.role, .checked_us = fynq_clock_mono_us() };
	struct fynq_rows rows;

	if (!fynq_uuid_parse(rq->caller.id, &asked.user) ||
	    (rq->caller.session.p != NULL && !fynq_uuid_parse(rq->caller.session, &asked.session)))
		return fynq_fail(rq, FYNQ_E_UNAUTHORIZED, NULL);
	if (is_known(&asked, asked.checked_us))
		return FYNQ_OK;
	FYNQ_TRY(
	    fynq_db_run(rq, &account_state, FYNQ_ARGS(rq->caller.id, rq->caller.session), &rows));
	if (!fynq_rows_true(&rows, 0, PRESENT) || !fynq_rows_true(&rows, 0, STANDS))
		return fynq_fail(rq, FYNQ_E_UNAUTHORIZED, NULL);
	if (fynq_rows_true(&rows, 0, DISABLED))
		return fynq_fail(rq, FYNQ_E_DISABLED, NULL);
	if (fynq_claims_role(fynq_rows_str(&rows, 0, ROLE)) != asked.role)
		return fynq_fail(rq, FYNQ_E_UNAUTHORIZED, NULL);
	remember(&asked);
	return FYNQ_OK;
}

void
fynq_standing_sweep(struct fynq_req *rq)
{
	fynq_db_aside(rq, "standing", &forget_sessions,
	    FYNQ_ARGS(fynq_arg_int(rq, fynq_config.session_days)));
}
