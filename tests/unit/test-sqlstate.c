#include "data/sqlstate.h"
#include "unit.h"

enum { NEITHER = 0, TRANSIENT = 1, FATAL = 2 };

/* A code or two of every row, and those next to a row that are not of it. */
static void
knows_each_code(void **state)
{
	static const struct {
		const char *code;
		enum fynq_err error;
		int flags;
	} cases[] = {
		{ "22001", FYNQ_E_INVALID, NEITHER },	   /* string data right truncation */
		{ "22003", FYNQ_E_INVALID, NEITHER },	   /* numeric value out of range */
		{ "22021", FYNQ_E_INVALID, NEITHER },	   /* character not in repertoire */
		{ "22P02", FYNQ_E_INVALID, NEITHER },	   /* invalid text representation */
		{ "22P05", FYNQ_E_INVALID, NEITHER },	   /* untranslatable character */
		{ "23502", FYNQ_E_INVALID, NEITHER },	   /* not null violation */
		{ "23503", FYNQ_E_NOT_FOUND, NEITHER },	   /* foreign key violation */
		{ "23505", FYNQ_E_CONFLICT, NEITHER },	   /* unique violation */
		{ "23514", FYNQ_E_INVALID, NEITHER },	   /* check violation */
		{ "23P01", FYNQ_E_CONFLICT, NEITHER },	   /* exclusion violation */
		{ "23000", FYNQ_E_INTERNAL, NEITHER },	   /* integrity constraint violation */
		{ "42501", FYNQ_E_FORBIDDEN, NEITHER },	   /* insufficient privilege */
		{ "42P01", FYNQ_E_INTERNAL, NEITHER },	   /* undefined table */
		{ "42601", FYNQ_E_INTERNAL, NEITHER },	   /* syntax error */
		{ "40001", FYNQ_E_DB_TIMEOUT, TRANSIENT }, /* serialization failure */
		{ "40P01", FYNQ_E_DB_TIMEOUT, TRANSIENT }, /* deadlock detected */
		{ "40003", FYNQ_E_INTERNAL, NEITHER },	   /* statement completion unknown */
		{ "0A000", FYNQ_E_INTERNAL, TRANSIENT | FATAL }, /* cached plan must not change */
		{ "26000", FYNQ_E_INTERNAL, TRANSIENT | FATAL }, /* no such prepared statement */
		{ "42P05", FYNQ_E_INTERNAL, TRANSIENT | FATAL }, /* duplicate one */
		{ "55P03", FYNQ_E_DB_TIMEOUT, NEITHER },	 /* lock not available */
		{ "55006", FYNQ_E_INTERNAL, NEITHER },		 /* object in use */
		{ "57014", FYNQ_E_DB_TIMEOUT, NEITHER },	 /* query canceled */
		{ "57P01", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* admin shutdown */
		{ "57P02", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* crash shutdown */
		{ "57P03", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* cannot connect now */
		{ "57P05", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* idle session timeout */
		{ "08006", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* connection failure */
		{ "08P01", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* protocol violation */
		{ "28P01", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* invalid password */
		{ "28000", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* invalid authorization */
		{ "53300", FYNQ_E_DB_UNAVAILABLE, NEITHER },	 /* too many connections */
		{ "53100", FYNQ_E_DB_UNAVAILABLE, NEITHER },	 /* disk full */
		{ "58030", FYNQ_E_DB_UNAVAILABLE, FATAL },	 /* I/O error */
		{ "25006", FYNQ_E_DB_UNAVAILABLE, NEITHER },	 /* read-only transaction */
		{ "25P02", FYNQ_E_INTERNAL, NEITHER },		 /* in failed transaction */
		{ "XX000", FYNQ_E_INTERNAL, FATAL },		 /* internal error */
		{ "XX001", FYNQ_E_INTERNAL, FATAL },		 /* data corrupted */
		{ "P0001", FYNQ_E_INTERNAL, NEITHER },		 /* raise exception */
		{ "PT429", FYNQ_E_RATE_LIMITED, NEITHER },	 /* our own */
		{ "PT42", FYNQ_E_INTERNAL, NEITHER },
		{ "ZZZZZ", FYNQ_E_INTERNAL, NEITHER },
		{ "00000", FYNQ_E_INTERNAL, NEITHER },
		{ "2", FYNQ_E_INTERNAL, NEITHER },
		{ "", FYNQ_E_INTERNAL, NEITHER },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const char *code = cases[i].code;

		assert_case(fynq_sqlstate_error(code) == cases[i].error, code);
		assert_case(
		    fynq_sqlstate_transient(code) == ((cases[i].flags & TRANSIENT) != 0), code);
		assert_case(fynq_sqlstate_fatal(code) == ((cases[i].flags & FATAL) != 0), code);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_each_code),
	};

	return cmocka_run_group_tests_name("sqlstate", tests, NULL, NULL);
}
