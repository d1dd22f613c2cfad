/*
 * Passwords: made, checked, refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/config.h"
#include "identity/password.h"

static void
test_round_trip(void **state)
{
	static const char *const words[] = { "", "x", "correct horse battery",
		"Zoë \xe2\x82\xac 漢字",
		"123456789012345678901234567890123456789012345678901234567890123456789012" };
	char hash[FYNQ_PASSWORD_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct fynq_str password = fynq_str_of(words[i]);

		assert_true(fynq_password_hash(password, hash));
		assert_memory_equal(hash, "$2b$04$", 7);
		assert_int_equal(strlen(hash), FYNQ_PASSWORD_HASH_SIZE - 1);
		assert_true(fynq_password_check(password, fynq_str_of(hash)));
		assert_false(fynq_password_check(FYNQ_STR("another"), fynq_str_of(hash)));
	}
}

static void
test_salted(void **state)
{
	char a[FYNQ_PASSWORD_HASH_SIZE], b[FYNQ_PASSWORD_HASH_SIZE];

	(void)state;
	assert_true(fynq_password_hash(FYNQ_STR("the same"), a));
	assert_true(fynq_password_hash(FYNQ_STR("the same"), b));
	assert_string_not_equal(a, b);
}

/* Hashes that other programs made, in each form that Supabase Auth may have stored. */
static void
test_foreign_hashes(void **state)
{
	static const char tail[] = "$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
	static const char *const good[] = { "$2a", "$2b", "$2y" };
	static const char *const bad[] = { "$2x", "$2", "$6", "" };
	char hash[FYNQ_PASSWORD_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(hash, sizeof(hash), "%s%s", good[i], tail);
		assert_true(fynq_password_check(FYNQ_STR("U*U"), fynq_str_of(hash)));
		assert_false(fynq_password_check(FYNQ_STR("U*U*"), fynq_str_of(hash)));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(hash, sizeof(hash), "%s%s", bad[i], tail);
		assert_false(fynq_password_check(FYNQ_STR("U*U"), fynq_str_of(hash)));
	}
}

/* bcrypt would read 72 bytes of a longer password, and stop at a NUL. */
static void
test_unusable(void **state)
{
	static const char long_words[] =
	    "123456789012345678901234567890123456789012345678901234567890123456789012X";
	struct fynq_str cut = { long_words, 72 }, whole = { long_words, 73 };
	struct fynq_str nul = { "before\0after", 12 }, before = { "before", 6 };
	char hash[FYNQ_PASSWORD_HASH_SIZE];

	(void)state;
	assert_false(fynq_password_hash(whole, hash));
	assert_false(fynq_password_hash(nul, hash));
	assert_true(fynq_password_hash(cut, hash));
	assert_true(fynq_password_check(cut, fynq_str_of(hash)));
	assert_false(fynq_password_check(whole, fynq_str_of(hash)));
	assert_true(fynq_password_hash(before, hash));
	assert_false(fynq_password_check(nul, fynq_str_of(hash)));
}

static void
test_no_hash(void **state)
{
	static const struct fynq_str none[] = {
		{ NULL, 0 },
		FYNQ_STR_INIT(""),
		FYNQ_STR_INIT("*0"),
		FYNQ_STR_INIT("$2b$04$"),
		FYNQ_STR_INIT("$2b$99$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyz01234"),
		FYNQ_STR_INIT("$2b$04$abcdefghijklmnopqrst!uabcdefghijklmnopqrstuvwxyz01234"),
		FYNQ_STR_INIT("plain text"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_false(fynq_password_check(FYNQ_STR(""), none[i]));
		assert_false(fynq_password_check(FYNQ_STR("plain text"), none[i]));
	}
}

/* The processor's time, which other work on the machine does not lengthen. */
static int64_t
cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* What a check costs: the least of some, as a cold cache only ever adds. */
static int64_t
check_us(struct fynq_str password, struct fynq_str hash)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < 5; i++) {
		int64_t from = cpu_us(), us;

		assert_false(fynq_password_check(password, hash));
		us = cpu_us() - from;
		least = us < least ? us : least;
	}
	return least;
}

/* Nobody learns from the time whether there is an account. */
static void
test_same_time(void **state)
{
	char hash[FYNQ_PASSWORD_HASH_SIZE], long_words[100] = "";
	int64_t known, unknown, unusable;

	(void)state;
	fynq_config.bcrypt_cost = 8;
	assert_true(fynq_password_hash(FYNQ_STR("a password"), hash));
	known = check_us(FYNQ_STR("wrong"), fynq_str_of(hash));
	unknown = check_us(FYNQ_STR("wrong"), (struct fynq_str){ 0 });
	memset(long_words, 'x', sizeof(long_words) - 1);
	unusable = check_us(fynq_str_of(long_words), fynq_str_of(hash));
	fynq_config.bcrypt_cost = 4;
	assert_true(unknown > known / 2 && unknown < known * 2);
	assert_true(unusable > known / 2 && unusable < known * 2);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_salted),
		cmocka_unit_test(test_foreign_hashes),
		cmocka_unit_test(test_unusable),
		cmocka_unit_test(test_no_hash),
		cmocka_unit_test(test_same_time),
	};

	fynq_config.bcrypt_cost = 4;
	return cmocka_run_group_tests_name("password", tests, NULL, NULL);
}
