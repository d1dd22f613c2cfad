#include "base/arena.h"
#include "unit.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/asan_interface.h>
#endif

static char order[32];

static void
note(void *arg)
{
	strcat(order, arg);
}

static int
setup(void **state)
{
	*state = fynq_arena_new(1 << 20);
	order[0] = '\0';
	return 0;
}

static int
teardown(void **state)
{
	struct fynq_arena *a = *state;

	fynq_arena_free(&a);
	return a == NULL ? 0 : -1;
}

static void
aligned_zeroed_and_apart(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 100, 2048, 5000, 65536, 70000 };
	char *p[LENGTH(sizes)];

	for (size_t i = 0; i < LENGTH(sizes); i++) {
		p[i] = fynq_arena_alloc(*state, sizes[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < LENGTH(sizes); i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[i][k], i + 1);
}

static void
zeroed_again_after_a_reset(void **state)
{
	memset(fynq_arena_alloc(*state, 1000), 0xff, 1000);
	fynq_arena_reset(*state);
	assert_int_equal(*(char *)fynq_arena_alloc(*state, 1000), 0);
}

static void
copies(void **state)
{
	struct fynq_str copy, absent = { 0 };
	const char *text = "abc";

	copy = fynq_arena_copy(*state, fynq_str_of(text));
	assert_str(copy, "abc");
	assert_ptr_not_equal(copy.p, text);
	assert_int_equal(copy.p[3], '\0');
	assert_null(fynq_arena_copy(*state, absent).p);
	assert_non_null(fynq_arena_copy(*state, FYNQ_STR("")).p);
	assert_string_equal(fynq_arena_strdup(*state, absent), "");
	assert_str(fynq_arena_printf(*state, "%d:%s", 7, "x"), "7:x");
	assert_str(fynq_arena_printf(*state, "%s", ""), "");
}

static void
defers_in_reverse(void **state)
{
	fynq_arena_defer(*state, note, "1");
	fynq_arena_defer(*state, note, "2");
	fynq_arena_alloc(*state, 100000);
	fynq_arena_defer(*state, note, "3");
	assert_string_equal(order, "");
	fynq_arena_reset(*state);
	assert_string_equal(order, "321");
	fynq_arena_reset(*state);
	assert_string_equal(order, "321");
}

static void
defer_again(void *a)
{
	note("a");
	fynq_arena_defer(a, note, "b");
}

static void
a_deferred_call_may_defer(void **state)
{
	fynq_arena_defer(*state, note, "c");
	fynq_arena_defer(*state, defer_again, *state);
	fynq_arena_reset(*state);
	assert_string_equal(order, "abc");
}

static void
releases_to_a_mark(void **state)
{
	char *before = fynq_arena_alloc(*state, 64), *after;
	struct fynq_mark mark;

	strcpy(before, "kept");
	fynq_arena_defer(*state, note, "old");
	mark = fynq_arena_mark(*state);
	after = fynq_arena_alloc(*state, 64);
	fynq_arena_defer(*state, note, "new");
	fynq_arena_alloc(*state, 100000);
	fynq_arena_release(*state, mark);
	assert_string_equal(order, "new");
	assert_string_equal(before, "kept");
	assert_ptr_equal(fynq_arena_alloc(*state, 64), after);
	assert_string_equal(after, "");
}

static void
gives_memory_back(void **state)
{
	/* Four times what the arena may hold at once. */
	for (int i = 0; i < 64; i++) {
		struct fynq_mark mark = fynq_arena_mark(*state);

		fynq_arena_alloc(*state, 1 << 16);
		fynq_arena_release(*state, mark);
		fynq_arena_alloc(*state, 1 << 16);
		fynq_arena_reset(*state);
	}
}

static void
take_too_much(void)
{
	struct fynq_arena *a = fynq_arena_new(1 << 16);

	for (int i = 0; i < 65; i++)
		fynq_arena_alloc(a, 1024);
}

static void
take_all_there_is(void)
{
	fynq_arena_alloc(fynq_arena_new(1 << 16), SIZE_MAX - 8);
}

static void
exits_past_its_maximum(void **state)
{
	(void)state;
	assert_int_equal(unit_exit_status(take_too_much), 70);
	assert_int_equal(unit_exit_status(take_all_there_is), 70);
}

static void
poisons_what_is_not_handed_out(void **state)
{
#ifdef ASAN
	char *p = fynq_arena_alloc(*state, 20);

	assert_false(__asan_address_is_poisoned(p + 19));
	assert_true(__asan_address_is_poisoned(p + 20));
	fynq_arena_reset(*state);
	assert_true(__asan_address_is_poisoned(p));
#else
	(void)state;
	skip();
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(aligned_zeroed_and_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(zeroed_again_after_a_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(copies, setup, teardown),
		cmocka_unit_test_setup_teardown(defers_in_reverse, setup, teardown),
		cmocka_unit_test_setup_teardown(a_deferred_call_may_defer, setup, teardown),
		cmocka_unit_test_setup_teardown(releases_to_a_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_memory_back, setup, teardown),
		cmocka_unit_test(exits_past_its_maximum),
		cmocka_unit_test_setup_teardown(poisons_what_is_not_handed_out, setup, teardown),
	};

	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
