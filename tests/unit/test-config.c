#include <stdio.h>

#include "base/config.h"
#include "unit.h"

static const char secret[] = "a secret of more than thirty-two bytes";
static struct fynq_buf problems = FYNQ_BUF_INIT(65536);
static char file[] = "config-XXXXXX";

/* Put text into the test's own file and return its path. */
static const char *
file_with(const char *text)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return file;
}

static int
setup(void **state)
{
	(void)state;
	clearenv();
	setenv("FYNQ_DATABASE_URL", "postgres://localhost/fynq", 1);
	fynq_buf_reset(&problems);
	return 0;
}

/* What loading complains of, as a NUL-terminated string; "" where all is well. */
static const char *
load(void)
{
	static char text[65536];
	bool good;

	fynq_buf_reset(&problems);
	good = fynq_config_load(&problems);
	snprintf(text, sizeof(text), "%.*s", FYNQ_STR_ARG(fynq_buf_str(&problems)));
	assert_int_equal(good, text[0] == '\0');
	return text;
}

static void
defaults(void **state)
{
	(void)state;
	assert_string_equal(load(), "");
	assert_int_equal(fynq_config.threads, 4);
	assert_true(fynq_config.db_prepare);
	assert_string_equal(fynq_config.log, "-");
	assert_string_equal(fynq_config.jwt_secret, "");
	assert_int_equal(fynq_config.limit_student.most[0], 10);
	assert_int_equal(fynq_config.limit_admin.most[3], 0);
	assert_string_equal(fynq_config.database_url, "postgres://localhost/fynq");
}

static void
the_environment_counts(void **state)
{
	(void)state;
	setenv("FYNQ_THREADS", "12", 1);
	setenv("FYNQ_DB_PREPARE", "off", 1);
	setenv("FYNQ_CORS_ORIGINS", "https://a.example,https://b.example", 1);
	setenv("FYNQ_LIMIT_TEACHER", "1/0/3/1000000000", 1);
	assert_string_equal(load(), "");
	assert_int_equal(fynq_config.threads, 12);
	assert_false(fynq_config.db_prepare);
	assert_string_equal(fynq_config.cors_origins, "https://a.example,https://b.example");
	assert_int_equal(fynq_config.limit_teacher.most[0], 1);
	assert_int_equal(fynq_config.limit_teacher.most[1], 0);
	assert_int_equal(fynq_config.limit_teacher.most[2], 3);
	assert_int_equal(fynq_config.limit_teacher.most[3], 1000000000);
}

/* What paths are put behind ends in no slash, however it is written; a page may be its folder. */
static void
a_base_ends_in_no_slash(void **state)
{
	(void)state;
	setenv("FYNQ_SUPABASE_URL", "https://project.supabase.co//", 1);
	setenv("FYNQ_PUBLIC_URL", "https://api.example/", 1);
	setenv("FYNQ_GEMINI_URL", "https://gemini.example/v1beta", 1);
	setenv("FYNQ_SITE_URL", "https://app.example/", 1);
	assert_string_equal(load(), "");
	assert_string_equal(fynq_config.supabase_url, "https://project.supabase.co");
	assert_string_equal(fynq_config.public_url, "https://api.example");
	assert_string_equal(fynq_config.gemini_url, "https://gemini.example/v1beta");
	assert_string_equal(fynq_config.site_url, "https://app.example/");
	setenv("FYNQ_SUPABASE_URL", "/", 1);
	assert_string_equal(load(), "");
	assert_string_equal(fynq_config.supabase_url, "/");
}

static void
the_file_counts_less(void **state)
{
	(void)state;
	setenv("FYNQ_CONFIG",
	    file_with("# A comment.\n\n FYNQ_THREADS = 7 \nFYNQ_BODY_MAX=\"2048\"\n"
		      "FYNQ_JWT_ISSUER='https://fynq.example'\nFYNQ_DB_PREPARE=no"),
	    1);
	setenv("FYNQ_BODY_MAX", "4096", 1);
	assert_string_equal(load(), "");
	assert_int_equal(fynq_config.threads, 7);
	assert_int_equal(fynq_config.body_max, 4096);
	assert_string_equal(fynq_config.jwt_issuer, "https://fynq.example");
	assert_false(fynq_config.db_prepare);
}

static void
refuses(void **state)
{
	static const struct {
		const char *name, *value, *complaint;
	} cases[] = {
		{ "FYNQ_DATABASE_URL", "", "FYNQ_DATABASE_URL: it must be set\n" },
		{ "FYNQ_THREADS", "0", "FYNQ_THREADS: it must be a number from 1 to 64\n" },
		{ "FYNQ_THREADS", "65", "FYNQ_THREADS: it must be a number from 1 to 64\n" },
		{ "FYNQ_THREADS", "4x", "FYNQ_THREADS: it must be a number from 1 to 64\n" },
		{ "FYNQ_DB_PREPARE", "maybe", "FYNQ_DB_PREPARE: it must be on or off\n" },
		{ "FYNQ_LOG_LEVEL", "i", "FYNQ_LOG_LEVEL: it must be 4 to 5 bytes long\n" },
		{ "FYNQ_JWT_SECRET", "short",
		    "FYNQ_JWT_SECRET: it must be 32 to 1024 bytes long\n" },
		{ "FYNQ_THREAD", "4", "FYNQ_THREAD: there is no such setting\n" },
		{ "FYNQ_THREADS_FILE", "x", "FYNQ_THREADS_FILE: there is no such setting\n" },
		{ "FYNQ_CONFIG", "/nonexistent/fynq.conf",
		    "FYNQ_CONFIG: cannot read /nonexistent/fynq.conf: No such file or "
		    "directory\n" },
		{ "FYNQ_JWT_SECRET_FILE", "/nonexistent/key",
		    "FYNQ_JWT_SECRET_FILE: cannot read /nonexistent/key: "
		    "No such file or directory\n" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		setup(NULL);
		setenv(cases[i].name, cases[i].value, 1);
		assert_string_equal(load(), cases[i].complaint);
	}
	unsetenv("FYNQ_JWT_SECRET_FILE");
	unsetenv("FYNQ_DATABASE_URL");
	assert_string_equal(load(), "FYNQ_DATABASE_URL: it must be set\n");
}

static void
refuses_limits(void **state)
{
	static const char *const bad[] = { "", "10", "1/2/3", "1/2/3/4/5", "1/2/3/", "/1/2/3",
		"1//3/4", "1/2/3/-1", "1/2/3/1000000001", "1/2/3/99999999999999999999",
		"1/2/3/none", "1/2 /3/4", "1,2,3,4" };

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		setenv("FYNQ_LIMIT_ADMIN", bad[i], 1);
		assert_string_equal(load(),
		    "FYNQ_LIMIT_ADMIN: it must be four numbers from 0 to 1000000000,"
		    " as in 0/0/0/0\n");
	}
}

static void
refuses_a_bad_file(void **state)
{
	char want[128];

	(void)state;
	setenv("FYNQ_CONFIG", file_with("FYNQ_THREADS=4\nnonsense\nFYNQ_NO_SUCH=1\n"), 1);
	snprintf(want, sizeof(want),
	    "%s:2: not NAME=value\nFYNQ_NO_SUCH: there is no such setting\n", file);
	assert_string_equal(load(), want);
}

static void
refuses_a_file_too_large(void **state)
{
	static char text[70000];

	(void)state;
	memset(text, '#', sizeof(text) - 1);
	setenv("FYNQ_CONFIG", file_with(text), 1);
	assert_non_null(strstr(load(), "File too large"));
}

static void
says_all_at_once(void **state)
{
	(void)state;
	setenv("FYNQ_THREADS", "none", 1);
	setenv("FYNQ_BODY_MAX", "1", 1);
	unsetenv("FYNQ_DATABASE_URL");
	load();
	assert_non_null(strstr(load(), "FYNQ_THREADS"));
	assert_non_null(strstr(load(), "FYNQ_BODY_MAX"));
	assert_non_null(strstr(load(), "FYNQ_DATABASE_URL"));
}

static void
keeps_secrets(void **state)
{
	static char value[1200];

	(void)state;
	memset(value, 'q', sizeof(value) - 1);
	setenv("FYNQ_JWT_SECRET", value, 1);
	assert_string_equal(load(), "FYNQ_JWT_SECRET: it must be 32 to 1024 bytes long\n");
	fynq_buf_reset(&problems);
	setenv("FYNQ_JWT_SECRET", secret, 1);
	assert_string_equal(load(), "");
	fynq_config_example(&problems);
	fynq_config_markdown(&problems);
	fynq_buf_add_char(&problems, '\0');
	assert_null(strstr(problems.p, secret));
}

/* The example is a file that loads, also with every setting in it in force. */
static void
the_example_loads(void **state)
{
	static char text[65536];
	size_t n = 0;

	(void)state;
	fynq_buf_reset(&problems);
	fynq_config_example(&problems);
	for (size_t i = 0; i < problems.n; i++) {
		bool line = i == 0 || problems.p[i - 1] == '\n';

		if (line && problems.n - i > 7 && memcmp(problems.p + i, "# FYNQ_", 7) == 0)
			i += 2;
		text[n++] = problems.p[i];
	}
	setenv("FYNQ_CONFIG", file_with(text), 1);
	assert_string_equal(load(), "");
	assert_int_equal(fynq_config.threads, 4);

	fynq_buf_reset(&problems);
	fynq_config_markdown(&problems);
	fynq_buf_add_char(&problems, '\0');
	assert_non_null(strstr(problems.p, "| `FYNQ_THREADS` | number | `4` | 1 to 64 | "));
	assert_non_null(strstr(problems.p, "| `FYNQ_DATABASE_URL` | secret text | (needed) | "));
}

/* Stands last: the secret is kept for the life of the process. */
static void
a_secret_comes_from_its_file(void **state)
{
	char text[100];

	(void)state;
	snprintf(text, sizeof(text), "%s\n", secret);
	setenv("FYNQ_JWT_SECRET_FILE", file_with(text), 1);
	assert_string_equal(load(), "");
	assert_string_equal(fynq_config.jwt_secret, secret);
}

static int
make_file(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd >= 0 ? close(fd) : -1;
}

static int
remove_file(void **state)
{
	(void)state;
	fynq_buf_release(&problems);
	return unlink(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(defaults, setup),
		cmocka_unit_test_setup(the_environment_counts, setup),
		cmocka_unit_test_setup(a_base_ends_in_no_slash, setup),
		cmocka_unit_test_setup(the_file_counts_less, setup),
		cmocka_unit_test_setup(refuses, setup),
		cmocka_unit_test_setup(refuses_limits, setup),
		cmocka_unit_test_setup(refuses_a_bad_file, setup),
		cmocka_unit_test_setup(refuses_a_file_too_large, setup),
		cmocka_unit_test_setup(says_all_at_once, setup),
		cmocka_unit_test_setup(keeps_secrets, setup),
		cmocka_unit_test_setup(the_example_loads, setup),
		cmocka_unit_test_setup(a_secret_comes_from_its_file, setup),
	};

	return cmocka_run_group_tests_name("config", tests, make_file, remove_file);
}
