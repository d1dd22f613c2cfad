#include <fcntl.h>

#include "limits/quota.h"
#include "limits.h"

static ino_t
inode(void)
{
	struct stat st;

	assert_int_equal(stat(limits_file, &st), 0);
	return st.st_ino;
}

/* FYNQ_OK where a call of one token may start at once; else when it may. */
static int
take(void)
{
	struct fynq_permit permit;
	int retry_after;

	(void)!fynq_quota_take("m", 1, 0, &permit, &retry_after);
	return retry_after;
}

/* Change bytes of the file's header. */
static void
patch(size_t offset, const void *bytes, size_t n)
{
	int fd = open(limits_file, O_WRONLY);

	assert_int_equal(pwrite(fd, bytes, n, (off_t)offset), n);
	assert_int_equal(close(fd), 0);
}

static void
is_found_again(void **state)
{
	struct stat st;
	ino_t before;

	(void)state;
	assert_string_equal(limits_start("m=1/0/0"), "");
	assert_int_equal(take(), 0);
	assert_int_equal(stat(limits_file, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(st.st_size, sizeof(struct fynq_host_memory));
	/* All blocks are there: a full disk ends no process later. */
	assert_true((int64_t)st.st_blocks * 512 >= (int64_t)st.st_size);
	before = inode();
	assert_string_equal(limits_start("other=1/0/0,m=1/0/0"), "");
	assert_int_equal(take(), 61);
	assert_int_equal(inode(), before);
}

static void
is_by_default_in_the_run_folder(void **state)
{
	(void)state;
	fynq_config.shared_file = "";
	assert_string_equal(limits_start("m=1/0/0"), "");
	(void)inode();
}

/* The boot's minutes are over, its day may not be. */
static void
outlives_a_boot(void **state)
{
	(void)state;
	assert_string_equal(limits_start("x=1/1/1,m=1/0/2"), "");
	assert_int_equal(take(), 0);
	patch(offsetof(struct fynq_host_header, boot), "an earlier one", 15);
	limits_mono_us = 5000000;
	assert_string_equal(limits_start("m=1/0/2"), "");
	assert_int_equal(take(), 0);
	assert_int_equal(take(), 43200);
	patch(offsetof(struct fynq_host_header, boot), "an earlier one", 15);
	limits_wall_us += (int64_t)43200 * 1000000;
	assert_string_equal(limits_start("m=1/0/2"), "");
	assert_int_equal(take(), 0);
}

/* Who has the old file goes on with it. */
static void
replaces_another_layout(void **state)
{
	const uint32_t layout = FYNQ_HOST_LAYOUT + 1;
	struct fynq_host_memory *old;
	ino_t before;

	(void)state;
	assert_string_equal(limits_start("m=1/0/0"), "");
	assert_int_equal(take(), 0);
	before = inode();
	patch(offsetof(struct fynq_host_header, layout), &layout, sizeof(layout));
	old = fynq_host;
	fynq_host = NULL;
	assert_string_equal(limits_start("m=1/0/0"), "");
	assert_int_not_equal(inode(), before);
	assert_int_equal(take(), 0);
	fynq_host_close();
	fynq_host = old;
	assert_int_equal(take(), 61);
	fynq_host_close();
	/* A file cut short, as by a full disk. */
	assert_int_equal(truncate(limits_file, sizeof(struct fynq_host_header)), 0);
	assert_string_equal(limits_start("m=1/0/0"), "");
	assert_int_equal(take(), 0);
	assert_int_equal(take(), 61);
}

static void
make_plain(void)
{
	int fd = open(limits_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, "precious\n", 9), 9);
	assert_int_equal(close(fd), 0);
}

static void
make_link(void)
{
	assert_int_equal(symlink("elsewhere", limits_file), 0);
}

static void
make_fifo(void)
{
	assert_int_equal(mkfifo(limits_file, 0600), 0);
}

static void
point_nowhere(void)
{
	fynq_config.shared_file = "/nonexistent/folder/shared";
}

static void
make_folder(void)
{
	assert_int_equal(mkdir(limits_file, 0700), 0);
}

/* The process starts, and its limits hold for itself. */
static void
does_without(void **state)
{
	static const struct {
		const char *name;
		void (*prepare)(void);
	} cases[] = {
		{ "a file of others", make_plain },
		{ "a symbolic link", make_link },
		{ "a pipe", make_fifo },
		{ "no folder", point_nowhere },
		{ "a folder", make_folder },
	};
	struct stat before, after;

	for (size_t i = 0; i < LENGTH(cases); i++) {
		limits_reset(state);
		memset(&before, 0, sizeof(before));
		memset(&after, 0, sizeof(after));
		cases[i].prepare();
		(void)lstat(fynq_config.shared_file, &before);
		assert_case(limits_start("m=1/0/0")[0] == '\0', cases[i].name);
		assert_case(take() == 0, cases[i].name);
		assert_case(take() == 61, cases[i].name);
		(void)lstat(fynq_config.shared_file, &after);
		assert_case(before.st_ino == after.st_ino, cases[i].name);
		assert_case(before.st_size == after.st_size, cases[i].name);
		assert_string_equal(limits_start("m=1/0/0"), "");
		assert_case(take() == 0, cases[i].name);
	}
}

static void
die_with_the_lock(void)
{
	struct fynq_slot *s = fynq_host_lock(fynq_host_slot("m"));

	/* The sums, which a death may leave wrong. */
	s->window.calls = 77;
	s->window.tokens = -5;
	_exit(pthread_mutex_trylock(&fynq_host->mutex));
}

static void
is_repaired_after_a_death(void **state)
{
	struct fynq_quota_state s;

	(void)state;
	assert_string_equal(limits_start("m=3/9/0"), "");
	assert_int_equal(take(), 0);
	assert_int_equal(take(), 0);
	assert_int_equal(unit_exit_status(die_with_the_lock), 0);
	assert_true(fynq_quota_state(0, &s));
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.tokens, 2);
	assert_int_equal(take(), 0);
	assert_int_equal(take(), 61);
	/* The table's mutex as well. */
	assert_int_equal(fynq_host_slot("new"), 1);
	assert_int_equal(fynq_host_slot("new"), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(is_found_again, limits_reset),
		cmocka_unit_test_setup(is_by_default_in_the_run_folder, limits_reset),
		cmocka_unit_test_setup(outlives_a_boot, limits_reset),
		cmocka_unit_test_setup(replaces_another_layout, limits_reset),
		cmocka_unit_test_setup(does_without, limits_reset),
		cmocka_unit_test_setup(is_repaired_after_a_death, limits_reset),
	};

	return cmocka_run_group_tests_name("host", tests, limits_make_folder, limits_remove_folder);
}
