#include "base/err.h"
#include "unit.h"

static void
the_table_is_sound(void **state)
{
	const struct fynq_err_info *last = fynq_err_info(FYNQ_OK);

	(void)state;
	assert_int_equal(last->status, 200);
	for (int e = 1; e < FYNQ_E_COUNT; e++) {
		const struct fynq_err_info *info = fynq_err_info((enum fynq_err)e);

		assert_in_range(info->status, 400, 599);
		/* The OpenAPI document relies on the order. */
		assert_case(info->status >= last->status, info->code);
		assert_case(strspn(info->code, "abcdefghijklmnopqrstuvwxyz_") == strlen(info->code),
		    info->code);
		for (int other = 1; other < e; other++)
			assert_string_not_equal(
			    info->code, fynq_err_info((enum fynq_err)other)->code);
		last = info;
	}
}

static void
a_stray_error_is_internal(void **state)
{
	(void)state;
	assert_string_equal(fynq_err_info((enum fynq_err)FYNQ_E_COUNT)->code, "internal");
}

static enum fynq_err
try_it(enum fynq_err e, bool *passed_r)
{
	FYNQ_TRY(e);
	*passed_r = true;
	return FYNQ_OK;
}

static void
try_returns_early(void **state)
{
	bool passed = false;

	(void)state;
	assert_int_equal(try_it(FYNQ_E_CONFLICT, &passed), FYNQ_E_CONFLICT);
	assert_false(passed);
	assert_int_equal(try_it(FYNQ_OK, &passed), FYNQ_OK);
	assert_true(passed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(a_stray_error_is_internal),
		cmocka_unit_test(try_returns_early),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
