#include <fcntl.h>
#include <stdio.h>

#include <archive.h>
#include <archive_entry.h>

#include "account/zip.h"
#include "folder.h"

/* The next entry is called so and holds that. */
static void
assert_entry(struct archive *a, const char *name, const char *text)
{
	struct archive_entry *entry;
	char got[256] = "";

	assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_OK);
	assert_string_equal(archive_entry_pathname(entry), name);
	assert_int_equal(archive_read_data(a, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
}

static void
what_goes_in_comes_out(void **state)
{
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	struct fynq_zip *z;

	(void)state;
	assert_int_equal(fynq_zip_open(rq, &z), FYNQ_OK);
	assert_int_equal(fynq_zip_text(z, "a.json"), FYNQ_OK);
	assert_int_equal(fynq_zip_add(z, FYNQ_STR("{}")), FYNQ_OK);
	assert_int_equal(fynq_zip_add(z, FYNQ_STR("")), FYNQ_OK);
	assert_int_equal(fynq_zip_add(z, FYNQ_STR("\n")), FYNQ_OK);
	assert_int_equal(fynq_zip_bytes(z, "files/b", 3), FYNQ_OK);
	assert_int_equal(fynq_zip_add(z, FYNQ_STR("b\x01z")), FYNQ_OK);
	assert_int_equal(fynq_zip_bytes(z, "files/empty", 0), FYNQ_OK);
	assert_int_equal(fynq_zip_close(z), FYNQ_OK);
	assert_int_equal(lseek(z->file.fd, 0, SEEK_END), z->file.bytes);

	assert_int_equal(lseek(z->file.fd, 0, SEEK_SET), 0);
	archive_read_support_format_zip(a);
	assert_int_equal(archive_read_open_fd(a, z->file.fd, 4096), ARCHIVE_OK);
	assert_entry(a, "a.json", "{}\n");
	assert_entry(a, "files/b", "b\x01z");
	assert_entry(a, "files/empty", "");
	assert_int_equal(archive_read_next_header(a, &entry), ARCHIVE_EOF);
	archive_read_free(a);
}

static void
a_full_disk(void **state)
{
	static char bytes[300000];
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct fynq_zip *z;
	enum fynq_err e;

	(void)state;
	if (full < 0)
		skip();
	assert_int_equal(fynq_zip_open(rq, &z), FYNQ_OK);
	assert_true(dup2(full, z->file.fd) >= 0);
	close(full);
	e = fynq_zip_bytes(z, "b", sizeof(bytes));
	if (e == FYNQ_OK)
		e = fynq_zip_add(z, (struct fynq_str){ bytes, sizeof(bytes) });
	assert_int_equal(e, FYNQ_E_INSUFFICIENT_STORAGE);
	assert_int_equal(rq->problem.error, FYNQ_E_INSUFFICIENT_STORAGE);
}

static void
given_up(void **state)
{
	struct fynq_zip *z;

	(void)state;
	assert_int_equal(fynq_zip_open(rq, &z), FYNQ_OK);
	assert_int_equal(fynq_zip_bytes(z, "b", 1000), FYNQ_OK);
	/* The request ends; what was begun is released, as sanitizers and valgrind see. */
}

static void
nowhere_to_put_it(void **state)
{
	struct fynq_zip *z;

	(void)state;
	fynq_config.files_dir = "/proc/nowhere";
	assert_int_equal(fynq_zip_open(rq, &z), FYNQ_E_STORAGE_UNAVAILABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    what_goes_in_comes_out, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(a_full_disk, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(given_up, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(nowhere_to_put_it, setup_folder, teardown_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
