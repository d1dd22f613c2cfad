#include <stddef.h>
#include <string.h>

#include "data/sqlstate.h"

/* The first row whose prefix fits decides. */
static const struct row {
	const char *prefix;
	enum fynq_err error;
	bool transient, fatal;
} rows[] = {
	{ "22", FYNQ_E_INVALID, false, false },		/* data exception */
	{ "23502", FYNQ_E_INVALID, false, false },	/* not null */
	{ "23503", FYNQ_E_NOT_FOUND, false, false },	/* foreign key */
	{ "23505", FYNQ_E_CONFLICT, false, false },	/* unique */
	{ "23514", FYNQ_E_INVALID, false, false },	/* check */
	{ "23P01", FYNQ_E_CONFLICT, false, false },	/* exclusion */
	{ "42501", FYNQ_E_FORBIDDEN, false, false },	/* insufficient privilege */
	{ "PT429", FYNQ_E_RATE_LIMITED, false, false }, /* our own: a limit of a table */
	{ "40001", FYNQ_E_DB_TIMEOUT, true, false },	/* serialization failure */
	{ "40P01", FYNQ_E_DB_TIMEOUT, true, false },	/* deadlock */
	{ "0A000", FYNQ_E_INTERNAL, true, true },	/* a cached plan that no longer fits */
	{ "26000", FYNQ_E_INTERNAL, true, true },	/* the prepared statement is gone */
	{ "42P05", FYNQ_E_INTERNAL, true, true },	/* or there already */
	{ "55P03", FYNQ_E_DB_TIMEOUT, false, false },	/* lock timeout */
	{ "57014", FYNQ_E_DB_TIMEOUT, false, false },	/* statement timeout */
	{ "57P", FYNQ_E_DB_UNAVAILABLE, false, true },	/* the server is going down or coming up */
	{ "08", FYNQ_E_DB_UNAVAILABLE, false, true },	/* connection */
	{ "28", FYNQ_E_DB_UNAVAILABLE, false, true },	/* login refused */
	{ "53", FYNQ_E_DB_UNAVAILABLE, false, false },	/* out of connections, memory, disk */
	{ "58", FYNQ_E_DB_UNAVAILABLE, false, true },	/* system error */
	{ "25006", FYNQ_E_DB_UNAVAILABLE, false, false }, /* read-only: a standby */
	{ "XX", FYNQ_E_INTERNAL, false, true },		  /* internal error of the server */
	{ "", FYNQ_E_INTERNAL, false, false },
};

static const struct row *
find(const char *sqlstate)
{
	for (const struct row *row = rows;; row++)
		if (strncmp(sqlstate, row->prefix, strlen(row->prefix)) == 0)
			return row;
}

enum fynq_err
fynq_sqlstate_error(const char *sqlstate)
{
	return find(sqlstate)->error;
}

bool
fynq_sqlstate_transient(const char *sqlstate)
{
	return find(sqlstate)->transient;
}

bool
fynq_sqlstate_fatal(const char *sqlstate)
{
	return find(sqlstate)->fatal;
}
