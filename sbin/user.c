/*
 * fynqctl user: accounts, for who runs the service. It goes through the provider of the settings,
 * so it does the same for fynq's own accounts and for those of Supabase Auth.
 *
 * No password is an argument, which other users of the machine could read.
 */
#include <stdio.h>
#include <string.h>

#include "account/erasure.h"
#include "data/db.h"
#include "fynqctl.h"
#include "http/text.h"
#include "identity/audit.h"
#include "identity/identity.h"
#include "identity/provider.h"
#include "identity/rules.h"

enum { PAGE = 100, PASSWORD_LINE = 1024 };

static const char *const roles[] = { "student", "teacher", "admin" };

/* What a verb must be given, an address or id, and a role; and the options that it may be given. */
enum { WHO = 1, WHICH_ROLE = 2, MAY_ROLE = 4, MAY_DISABLED = 8, MAY_PASSWORD = 16 };

/* What the command line said. */
struct call {
	struct fynq_str email; /* or id, or absent */
	struct fynq_str role;  /* absent where it was not said */
	bool disabled, password_stdin;
};

/* An account that is there. */
struct found {
	struct fynq_str id, email, role;
	bool disabled;
};

/* $1 id or null, $2 address. */
static const struct fynq_stmt find_account = { "find_account", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select a.id, a.email, a.role, a.disabled"
	" from (select coalesce($1::uuid, fynq.account_by_email($2::text)) as id) f"
	" cross join lateral fynq.accounts(f.id, null, null, null, null, null, 1) a"
	" where a.id = f.id" };

/* $1 role, $2 disabled, $3 and $4 the last row of the page before, $5 the page's length. */
static const struct fynq_stmt list_accounts = { "list_accounts", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select a.id, coalesce(a.email, '-'), a.role, a.disabled, " FYNQ_SQL_TIME(
	    "a.created_at") " from fynq.accounts(null, $1::text, $2::boolean, null, "
			    "$3::timestamptz, $4::uuid, $5::int)"
			    " a order by a.created_at desc, a.id desc" };
enum { ID, EMAIL, ROLE, DISABLED, CREATED };

static enum fynq_err
find(struct fynq_req *rq, struct fynq_str email, struct found *found_r)
{
	struct fynq_uuid id = { .text = "" };
	struct fynq_rows rows;

	(void)fynq_uuid_parse(email, &id);
	FYNQ_TRY(fynq_db_run(rq, &find_account, FYNQ_ARGS(fynq_uuid_str(&id), email), &rows));
	if (rows.n == 0)
		return fynq_fail(rq, FYNQ_E_NOT_FOUND, "There is no such account.");
	*found_r = (struct found){ fynq_rows_str(&rows, 0, ID), fynq_rows_str(&rows, 0, EMAIL),
		fynq_rows_str(&rows, 0, ROLE), fynq_rows_true(&rows, 0, DISABLED) };
	return FYNQ_OK;
}

/* The line on standard input, held to the rules; else one that nobody guesses. */
static enum fynq_err
get_password(struct fynq_req *rq, const struct call *call, struct fynq_str email,
    struct fynq_str *password_r)
{
	char *line = fynq_arena_alloc(rq->arena, PASSWORD_LINE);

	if (!call->password_stdin) {
		fynq_token_new(line);
		*password_r = fynq_str_of(line);
		return FYNQ_OK;
	}
	if (fgets(line, PASSWORD_LINE, stdin) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	*password_r = fynq_str_of(line);
	if (!fynq_str_utf8(*password_r))
		return fynq_fail(rq, FYNQ_E_INVALID, "The password is not UTF-8.");
	return fynq_rules_check(rq, "password", *password_r, email, (struct fynq_str){ 0 });
}

/* A password that was made here is shown, this once. */
static void
show_password(const struct call *call, struct fynq_str password)
{
	if (!call->password_stdin)
		printf("%.*s\n", FYNQ_STR_ARG(password));
}

static enum fynq_err
create(struct fynq_req *rq, void *arg)
{
	const struct call *call = arg;
	struct fynq_account account = { .email = call->email,
		.role = call->role.p != NULL ? call->role : FYNQ_STR("student") };
	struct fynq_uuid id;

	if (!fynq_text_is_email(call->email))
		return fynq_fail(rq, FYNQ_E_INVALID, "It is not an email address.");
	FYNQ_TRY(get_password(rq, call, call->email, &account.password));
	FYNQ_TRY(fynq_provider()->create_user(rq, &account, &id));
	fynq_audit(rq, FYNQ_EVENT_CREATED, fynq_uuid_str(&id), account.role);
	printf("%s\n", id.text);
	show_password(call, account.password);
	return FYNQ_OK;
}

static enum fynq_err
set_role(struct fynq_req *rq, void *arg)
{
	const struct call *call = arg;
	struct found found;

	FYNQ_TRY(find(rq, call->email, &found));
	if (fynq_str_eq(found.role, call->role))
		return FYNQ_OK;
	FYNQ_TRY(fynq_provider()->set_role(rq, found.id, call->role));
	fynq_audit(rq, FYNQ_EVENT_ROLE_CHANGED, found.id, call->role);
	return FYNQ_OK;
}

static enum fynq_err
set_disabled(struct fynq_req *rq, const struct call *call, bool disabled)
{
	struct found found;

	FYNQ_TRY(find(rq, call->email, &found));
	if (found.disabled == disabled)
		return FYNQ_OK;
	if (!disabled)
		FYNQ_TRY(fynq_erasure_none(rq, found.id));
	FYNQ_TRY(fynq_provider()->set_disabled(rq, found.id, disabled));
	fynq_audit(rq, disabled ? FYNQ_EVENT_DISABLED : FYNQ_EVENT_ENABLED, found.id,
	    (struct fynq_str){ 0 });
	return FYNQ_OK;
}

static enum fynq_err
disable(struct fynq_req *rq, void *call)
{
	return set_disabled(rq, call, true);
}

static enum fynq_err
enable(struct fynq_req *rq, void *call)
{
	return set_disabled(rq, call, false);
}

static enum fynq_err
reset(struct fynq_req *rq, void *arg)
{
	const struct call *call = arg;
	struct fynq_str password;
	struct found found;

	FYNQ_TRY(find(rq, call->email, &found));
	FYNQ_TRY(get_password(rq, call, found.email, &password));
	FYNQ_TRY(fynq_provider()->set_password(rq, found.id, password));
	fynq_audit(rq, FYNQ_EVENT_PASSWORD_RESET, found.id, FYNQ_STR("fynqctl"));
	show_password(call, password);
	return FYNQ_OK;
}

/* As if its user had asked for it; what cannot be done now the upkeep does. */
static enum fynq_err
erase(struct fynq_req *rq, void *arg)
{
	const struct call *call = arg;
	struct found found;

	FYNQ_TRY(find(rq, call->email, &found));
	FYNQ_TRY(fynq_erasure_add(rq, found.id));
	return fynq_erasure_do(rq, found.id);
}

static void
print_accounts(const struct fynq_rows *rows)
{
	for (int i = 0; i < rows->n; i++)
		printf("%.*s  %-8.*s  %-8s  %.*s  %.*s\n", FYNQ_STR_ARG(fynq_rows_str(rows, i, ID)),
		    FYNQ_STR_ARG(fynq_rows_str(rows, i, ROLE)),
		    fynq_rows_true(rows, i, DISABLED) ? "disabled" : "-",
		    FYNQ_STR_ARG(fynq_rows_str(rows, i, CREATED)),
		    FYNQ_STR_ARG(fynq_rows_str(rows, i, EMAIL)));
}

/* All pages; each is dropped before the next is read. */
static enum fynq_err
list(struct fynq_req *rq, void *arg)
{
	const struct call *call = arg;
	char before[64] = "";
	struct fynq_uuid last = { .text = "" };
	struct fynq_str none = { 0 };
	struct fynq_rows rows = { .n = PAGE };

	while (rows.n == PAGE) {
		fynq_req_reset(rq);
		FYNQ_TRY(fynq_db_run(rq, &list_accounts,
		    FYNQ_ARGS(call->role, call->disabled ? FYNQ_STR("true") : none,
			before[0] != '\0' ? fynq_str_of(before) : none, fynq_uuid_str(&last),
			fynq_arg_int(rq, PAGE)),
		    &rows));
		print_accounts(&rows);
		if (rows.n > 0) {
			snprintf(before, sizeof(before), "%.*s",
			    FYNQ_STR_ARG(fynq_rows_str(&rows, rows.n - 1, CREATED)));
			(void)fynq_uuid_parse(fynq_rows_str(&rows, rows.n - 1, ID), &last);
		}
	}
	return FYNQ_OK;
}

static const struct verb verbs[] = {
	{ "create", WHO | MAY_ROLE | MAY_PASSWORD, create },
	{ "list", MAY_ROLE | MAY_DISABLED, list },
	{ "role", WHO | WHICH_ROLE, set_role },
	{ "disable", WHO, disable },
	{ "enable", WHO, enable },
	{ "reset", WHO | MAY_PASSWORD, reset },
	{ "delete", WHO, erase },
	{ .name = NULL },
};

static bool
is_role(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(name, roles[i]) == 0)
			return true;
	return false;
}

/* argv ends in NULL, which is no role. */
static bool
read_call(unsigned takes, char **argv, struct call *call_r)
{
	*call_r = (struct call){ 0 };
	for (; *argv != NULL; argv++) {
		if ((takes & MAY_ROLE) != 0 && strcmp(*argv, "--role") == 0 && is_role(argv[1]))
			call_r->role = fynq_str_of(*++argv);
		else if ((takes & MAY_DISABLED) != 0 && strcmp(*argv, "--disabled") == 0)
			call_r->disabled = true;
		else if ((takes & MAY_PASSWORD) != 0 && strcmp(*argv, "--password-stdin") == 0)
			call_r->password_stdin = true;
		else if ((takes & WHO) != 0 && call_r->email.p == NULL && **argv != '-')
			call_r->email = fynq_str_of(*argv);
		else if ((takes & WHICH_ROLE) != 0 && call_r->role.p == NULL && is_role(*argv))
			call_r->role = fynq_str_of(*argv);
		else
			return false;
	}
	return (call_r->email.p != NULL || (takes & WHO) == 0) &&
	       (call_r->role.p != NULL || (takes & WHICH_ROLE) == 0) &&
	       (call_r->email.p == NULL || fynq_str_utf8(call_r->email));
}

static int
run_user(int argc, char **argv)
{
	const struct verb *verb = ctl_verb_find(verbs, argv[1]);
	struct call call;

	(void)argc;
	if (verb == NULL || !read_call(verb->takes, argv + 2, &call))
		return ctl_usage(argv[0]);
	if (!fynq_identity_init(&ctl_problems))
		return ctl_bad_settings();
	return ctl_verb_run(argv[0], verb, &call);
}

const struct command user_commands[] = {
	{ "user",
	    "create EMAIL [--role ROLE] [--password-stdin]\n"
	    "list [--role ROLE] [--disabled]\n"
	    "role EMAIL ROLE\n"
	    "disable EMAIL\n"
	    "enable EMAIL\n"
	    "reset EMAIL [--password-stdin]\n"
	    "delete EMAIL",
	    true, "Accounts, by address or id; student, teacher or admin.", run_user },
	{ .name = NULL },
};
