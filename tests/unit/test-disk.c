#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/disk.h"
#include "unit.h"

enum { MOST = 9000 };

static char file[] = "disk-XXXXXX";

/* Put n bytes into the test's own file. */
static void
fill(const char *bytes, size_t n)
{
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Lengths at which the room for it has to grow, and the last that is taken; a NUL is a byte. */
static void
what_fits_is_whole(void **state)
{
	static const size_t lengths[] = { 0, 1, 4095, 4096, 4097, 8192, MOST - 1, MOST };
	char bytes[MOST];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i % 251);
	for (size_t i = 0; i < LENGTH(lengths); i++) {
		size_t n = SIZE_MAX;
		char *text;

		fill(bytes, lengths[i]);
		text = fynq_disk_read(file, MOST, &n);
		assert_non_null(text);
		assert_int_equal(n, lengths[i]);
		assert_memory_equal(text, bytes, n);
		assert_int_equal(text[n], '\0');
		free(text);
	}
}

static void
what_does_not_fit_is_refused(void **state)
{
	static const size_t most[] = { 0, 1, 4095, 4096, MOST - 1 };
	static const char bytes[MOST];

	(void)state;
	fill(bytes, sizeof(bytes));
	for (size_t i = 0; i < LENGTH(most); i++) {
		errno = 0;
		assert_null(fynq_disk_read(file, most[i], NULL));
		assert_int_equal(errno, EFBIG);
	}
}

static void
what_is_no_file_is_refused(void **state)
{
	(void)state;
	assert_null(fynq_disk_read("disk-nowhere", MOST, NULL));
	assert_int_equal(errno, ENOENT);
	assert_null(fynq_disk_read(".", MOST, NULL));
	assert_int_equal(errno, EISDIR);
	assert_null(fynq_disk_read_fd(-1, MOST, NULL));
	assert_int_equal(errno, EBADF);
}

/* A pipe gives what it has piece by piece. */
static void
a_pipe_is_read_to_its_end(void **state)
{
	char *text;
	int ends[2], status;
	size_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		for (int i = 0; i < 100; i++)
			if (write(ends[1], "0123456789", 10) != 10)
				_exit(1);
		_exit(0);
	}
	close(ends[1]);
	text = fynq_disk_read_fd(ends[0], MOST, &n);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_non_null(text);
	assert_int_equal(n, 1000);
	assert_int_equal(strlen(text), 1000);
	free(text);
}

static void
what_is_open_is_read_from_where_it_stands(void **state)
{
	int fd;
	char *text;

	(void)state;
	fill("0123456789", 10);
	fd = open(file, O_RDONLY);
	assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
	text = fynq_disk_read_fd(fd, MOST, NULL);
	assert_non_null(text);
	assert_string_equal(text, "456789");
	free(text);
	assert_int_equal(close(fd), 0);
}

static void
a_lock_is_one_process_s(void **state)
{
	int first = open(file, O_RDWR), second = open(file, O_RDWR);

	(void)state;
	assert_true(fynq_disk_lock(first, 0));
	assert_false(fynq_disk_lock(second, 0));
	assert_int_equal(errno, EWOULDBLOCK);
	assert_false(fynq_disk_lock(second, 30));
	assert_int_equal(errno, EWOULDBLOCK);
	close(first);
	assert_true(fynq_disk_lock(second, 0));
	close(second);
}

static void
the_dead_keep_no_lock(void **state)
{
	int fd = open(file, O_RDWR), ends[2], status;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		int own = open(file, O_RDWR);

		if (flock(own, LOCK_EX) == 0 && write(ends[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ends[0], &c, 1), 1);
	assert_false(fynq_disk_lock(fd, 0));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(fynq_disk_lock(fd, 10000));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

/* Nobody keeps it, so there is nothing to wait for. */
static void
what_cannot_be_locked_is_said_at_once(void **state)
{
	(void)state;
	assert_false(fynq_disk_lock(-1, 3600000));
	assert_int_equal(errno, EBADF);
}

static int
set_up(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int
tear_down(void **state)
{
	(void)state;
	return unlink(file);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_fits_is_whole),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(a_pipe_is_read_to_its_end),
		cmocka_unit_test(what_is_open_is_read_from_where_it_stands),
		cmocka_unit_test(a_lock_is_one_process_s),
		cmocka_unit_test(the_dead_keep_no_lock),
		cmocka_unit_test(what_cannot_be_locked_is_said_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
