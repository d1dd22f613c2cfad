/*
 * Which new passwords are accepted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/config.h"
#include "identity/rules.h"

static char path[] = "/tmp/fynq-test-rules-XXXXXX";

/* The code of the fault that a password of Maria's gets; "" where it is accepted. */
static const char *
code_of(const char *password)
{
	static char code[32];
	struct fynq_req *rq = fynq_req_new(-1, true);
	enum fynq_err e = fynq_rules_check(rq, "password", fynq_str_of(password),
	    FYNQ_STR("Maria.Svensson-88@University.example"), FYNQ_STR("Maja \xc3\x85kesson"));

	assert_int_equal(e, rq->problem.n_faults > 0 ? FYNQ_E_INVALID : FYNQ_OK);
	assert_true(rq->problem.n_faults <= 1);
	snprintf(
	    code, sizeof(code), "%s", rq->problem.n_faults > 0 ? rq->problem.faults[0].code : "");
	if (rq->problem.n_faults > 0) {
		assert_true(fynq_str_eq(rq->problem.faults[0].field, FYNQ_STR("password")));
		assert_null(memmem(rq->problem.faults[0].message.p, rq->problem.faults[0].message.n,
		    password, strlen(password)));
	}
	fynq_req_free(&rq);
	return code;
}

static void
write_list(const char *text, size_t n)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static void
use_list(const char *text)
{
	write_list(text, strlen(text));
	assert_true(fynq_rules_load());
}

static void
test_lengths(void **state)
{
	static const char *const table[][2] = {
		{ "kT7#mWq2zLp", "too_short" },
		{ "kT7#mWq2zLp9", "" },
		{ "\xc3\xa9\xc3\xa0\xc3\xbc\xc3\xb6\xc3\x9f\xc3\xb1", "too_short" },
		{ "kT7mWq2zLp9xkT8mWq3zLp0xkT9mWq4zLp1xkT1mWq5zLp2xkT2mWq6zLp3xkT3mWq7zLp4x", "" },
		{ "kT7mWq2zLp9xkT8mWq3zLp0xkT9mWq4zLp1xkT1mWq5zLp2xkT2mWq6zLp3xkT3mWq7zLp4xy",
		    "too_long" },
	};

	(void)state;
	use_list("");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		assert_string_equal(code_of(table[i][0]), table[i][1]);
}

static void
test_common(void **state)
{
	static const char *const bad[] = { "TrustNo1Else", "trustno1else", "Princess1234!",
		"!!princess99.", "1princess 123", "princessprincess", "PrincessPrincess",
		"  princess  7", "#heart-of-gold" };
	static const char *const good[] = { "princess of the hill", "princess1234567",
		"my trustno1else", "#!comment: this is not one", "correct horse battery" };

	(void)state;
	use_list("#!comment: this is not one\ntrustno1else\r\n\nPRINCESS\n#heart-of-gold");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(code_of(bad[i]), "value");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(code_of(good[i]), "");
}

static void
test_runs(void **state)
{
	static const char *const bad[] = { "aaaaaaaaaaaa", "abcdefghijkl", "lkjihgfedcba",
		"ABCdefGHIjkl", "123456789012", "qwertyuiopas", "QWERTZUIOPas", "poiuytrewqaa",
		"asdfghjklzxcvbnm", "abcdef123456", "aaaaaaaaaaaa1", "abababababab", "abc1abc1abc1",
		"112233445566", "            ",
		"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9"
		"\xc3\xa9\xc3\xa9",
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80" };
	static const char *const good[] = { "abcd rwx 1234 klmn", "aaaaaaaa k3 fz", "kT7mkT8mkT9m",
		"tree tree bird" };

	(void)state;
	use_list("");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(code_of(bad[i]), "value");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(code_of(good[i]), "");
}

static void
test_about(void **state)
{
	static const char *const bad[] = { "maria.svensson-88", "MariaSvensson1", "svensson2000!",
		"maria.svensson-88@university.example", "University2024", "fynqfynqfynq",
		"Fynq-12345678", "fynq password", "Maja \xc3\x85kesson 12", "maja-maria-7.7" };
	static const char *const good[] = { "maria likes heavy trucks", "unique 7 university lawn",
		"fynq my old brown dog" };

	(void)state;
	use_list("password\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_string_equal(code_of(bad[i]), "value");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_string_equal(code_of(good[i]), "");
}

/* Nothing is known of the account, as when a password is reset. */
static void
test_about_nothing(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct fynq_str none = { 0 };

	(void)state;
	assert_int_equal(
	    fynq_rules_check(rq, "password", FYNQ_STR("maria svensson"), none, none), FYNQ_OK);
	assert_int_equal(
	    fynq_rules_check(rq, "password", FYNQ_STR("fynq12345678"), none, none), FYNQ_E_INVALID);
	fynq_req_free(&rq);
}

static void
test_list_faults(void **state)
{
	char *large = malloc(1000001);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', 1000001);
	write_list(large, 1000000);
	assert_true(fynq_rules_load());
	write_list(large, 1000001);
	assert_false(fynq_rules_load());
	write_list("\xff\xfe", 2);
	assert_false(fynq_rules_load());
	free(large);

	/* Without the file the other rules hold. */
	fynq_config.common_passwords = "/nonexistent";
	assert_false(fynq_rules_load());
	fynq_config.common_passwords = path;
	assert_string_equal(code_of("aaaaaaaaaaaa"), "value");
	assert_string_equal(code_of("correct horse battery"), "");
}

/* The list that the settings name, where Debian's package is installed. */
static void
test_debian_list(void **state)
{

	(void)state;
	if (access("/usr/share/john/password.lst", R_OK) != 0)
		skip();
	fynq_config.common_passwords = "/usr/share/john/password.lst";
	assert_true(fynq_rules_load());
	fynq_config.common_passwords = path;
	assert_string_equal(code_of("password1234!"), "value");
	assert_string_equal(code_of("Dragon!!!!!!"), "value");
	assert_string_equal(code_of("correct horse battery"), "");
}

static int
remove_list(void **state)
{
	(void)state;
	return unlink(path);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_common),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_about),
		cmocka_unit_test(test_about_nothing),
		cmocka_unit_test(test_list_faults),
		cmocka_unit_test(test_debian_list),
	};
	int fd = mkstemp(path);

	if (fd < 0)
		return 1;
	close(fd);
	fynq_config.password_min = 12;
	fynq_config.common_passwords = path;
	fynq_config.site_url = "";
	return cmocka_run_group_tests_name("rules", tests, NULL, remove_list);
}
