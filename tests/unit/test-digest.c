#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "unit.h"

enum { BIG = FYNQ_DIGEST_LONG + (1 << 20) + 7, PIECE = 65536 };

static struct fynq_str big;

static int
make_big(void **state)
{
	char *p = fynq_alloc(BIG);

	(void)state;
	for (size_t i = 0; i < BIG; i++)
		p[i] = (char)(i * 2654435761u >> 13);
	big = (struct fynq_str){ p, BIG };
	return 0;
}

static int
free_big(void **state)
{
	(void)state;
	free((void *)(uintptr_t)big.p);
	return 0;
}

/* Add all of s in pieces, each in one of two places that are used again and again. */
static void
begin_all(struct fynq_digest *d, struct fynq_str s)
{
	static char places[2][PIECE];

	for (size_t at = 0, n, turn = 0; at < s.n; at += n, turn = !turn) {
		n = s.n - at < PIECE ? s.n - at : PIECE;
		memcpy(places[turn], s.p + at, n);
		fynq_digest_begin(d, (struct fynq_str){ places[turn], n });
	}
}

static void
assert_digest(struct fynq_digest *d, struct fynq_str of)
{
	char want[FYNQ_SHA256_SIZE], got[FYNQ_SHA256_SIZE];

	fynq_sha256(of, want);
	fynq_digest_end(d, got);
	assert_string_equal(got, want);
}

static void
long_and_short_ones(void **state)
{
	struct fynq_arena *a = fynq_arena_new(1 << 20);
	struct fynq_digest *d = fynq_digest_new(a);

	(void)state;
	assert_digest(d, FYNQ_STR(""));
	begin_all(d, FYNQ_STR("abc"));
	assert_digest(d, FYNQ_STR("abc"));
	/* One digest serves a form's files, one after the other. */
	for (int i = 0; i < 3; i++) {
		begin_all(d, big);
		assert_digest(d, big);
	}
	fynq_digest_add(d, FYNQ_STR("abc"));
	assert_digest(d, FYNQ_STR("abc"));
	fynq_arena_free(&a);
}

static void
order_is_kept(void **state)
{
	struct fynq_arena *a = fynq_arena_new(1 << 20);
	struct fynq_digest *d = fynq_digest_new(a);
	size_t most = BIG - 3;

	(void)state;
	begin_all(d, (struct fynq_str){ big.p, most });
	fynq_digest_add(d, (struct fynq_str){ big.p + most, 1 });
	fynq_digest_begin(d, (struct fynq_str){ big.p + most + 1, 2 });
	assert_digest(d, big);
	fynq_arena_free(&a);
}

/* A client that leaves: the thread ends with the arena. */
static void
given_up_half_way(void **state)
{
	struct fynq_arena *a = fynq_arena_new(1 << 20);

	(void)state;
	for (int i = 0; i < 3; i++) {
		begin_all(fynq_digest_new(a), big);
		fynq_arena_reset(a);
	}
	fynq_arena_free(&a);
}

/* Root is never refused a thread, so it ceases to be root. */
static bool
forbid_threads(void)
{
	const struct rlimit none = { 0 };

	return setrlimit(RLIMIT_NPROC, &none) == 0 && (geteuid() != 0 || setuid(65534) == 0);
}

static void *
do_nothing(void *arg)
{
	return arg;
}

/* In a process of its own: what it is forbidden stays so. 0 where all is well. */
static int
digest_without_threads(void)
{
	struct fynq_arena *a = fynq_arena_new(1 << 20);
	struct fynq_digest *d = fynq_digest_new(a);
	char want[FYNQ_SHA256_SIZE], got[FYNQ_SHA256_SIZE];
	pthread_t thread;

	alarm(60);
	if (!forbid_threads() || pthread_create(&thread, NULL, do_nothing, NULL) == 0)
		return 2;
	fynq_sha256(big, want);
	for (int i = 0; i < 2; i++) {
		begin_all(d, big);
		fynq_digest_end(d, got);
		if (strcmp(got, want) != 0)
			return 1;
	}
	fynq_arena_free(&a);
	return 0;
}

/* A machine that has no thread left takes uploads all the same. */
static void
no_thread_to_be_had(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0)
		_exit(digest_without_threads());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_and_short_ones),
		cmocka_unit_test(order_is_kept),
		cmocka_unit_test(given_up_half_way),
		cmocka_unit_test(no_thread_to_be_had),
	};

	return cmocka_run_group_tests(tests, make_big, free_big);
}
