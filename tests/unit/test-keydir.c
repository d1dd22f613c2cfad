/*
 * The folder of keys: who signs when, what running processes notice, what fynqctl does to it.
 *
 * Files get the mtimes that a test wants, and the time is what the tokens are checked at.
 */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/config.h"
#include "http/json.h"
#include "identity/keydir.h"
#include "identity/keys.h"
#include "identity/token.h"

#define NOW INT64_C(1800000000)

enum { SECONDS = 3600, LEEWAY = 10, LOOK = FYNQ_KEYDIR_LOOK_SECONDS };

static const char secret[] = "a secret of at least thirty-two bytes";
static const struct fynq_grant grant = {
	.user = FYNQ_STR_INIT("01890a5d-ac96-774b-bcce-b302099a8057"),
	.session = FYNQ_STR_INIT("01890a5d-ac96-774b-bcce-b302099a8058"),
	.email = FYNQ_STR_INIT("zoe@example.org"),
	.app_metadata = FYNQ_STR_INIT("{}"),
};

static struct fynq_arena *arena;
static char folder[64];

static const char *
path_of(const char *name)
{
	return fynq_arena_printf(arena, "%s/%s", folder, name).p;
}

static void
set_time(const char *name, int64_t at)
{
	struct timespec time = { .tv_sec = (time_t)at };

	assert_int_equal(
	    utimensat(AT_FDCWD, path_of(name), (struct timespec[]){ time, time }, 0), 0);
}

/* What fynqctl and an admin's tools leave: a whole file, by rename. */
static void
store(const char *name, EVP_PKEY *pkey, const EVP_CIPHER *cipher, bool public, mode_t mode)
{
	FILE *file = fopen(path_of("new"), "w");

	assert_non_null(file);
	if (public)
		PEM_write_PUBKEY(file, pkey);
	else if (pkey != NULL)
		PEM_write_PrivateKey(file, pkey, cipher, (const unsigned char *)"pass",
		    cipher != NULL ? 4 : 0, NULL, NULL);
	fclose(file);
	assert_int_equal(chmod(path_of("new"), mode), 0);
	assert_int_equal(rename(path_of("new"), path_of(name)), 0);
	EVP_PKEY_free(pkey);
}

static void
make_key(const char *kid, int64_t created)
{
	const char *name = fynq_arena_printf(arena, "%s.pem", kid).p;

	store(name, EVP_EC_gen("P-256"), NULL, false, 0600);
	set_time(name, created);
}

static void
retire(const char *kid, int64_t at)
{
	const char *name = fynq_arena_printf(arena, "%s.retired", kid).p;
	int fd = open(path_of(name), O_CREAT | O_WRONLY, 0600);

	assert_true(fd >= 0);
	close(fd);
	set_time(name, at);
}

static bool
start(void)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);
	bool ready = fynq_token_init(&problems);

	assert_true(ready == (problems.n == 0));
	fynq_buf_release(&problems);
	return ready;
}

/* A process does not start, and says of which file. */
static void
assert_refused(const char *name)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);

	assert_case(!fynq_token_init(&problems), name);
	assert_case(memmem(problems.p, problems.n, name, strlen(name)) != NULL, name);
	fynq_buf_release(&problems);
}

static struct fynq_str
issue(int64_t now)
{
	struct fynq_str token;

	assert_int_equal(fynq_token_issue(arena, &grant, now, &token), FYNQ_OK);
	return token;
}

static enum fynq_err
verify(struct fynq_str token, int64_t now)
{
	struct fynq_caller caller;

	return fynq_token_verify(arena, token, now, &caller);
}

/* The kid of a token; "" where it has none. */
static const char *
kid_of(struct fynq_str token)
{
	struct json_object *json;
	struct fynq_str header, why;
	char *bytes = fynq_arena_alloc(arena, 512);
	size_t n;

	fynq_str_cut(token, '.', &header, &token);
	assert_true(fynq_base64url_decode(header, bytes, 512, &n));
	assert_true(fynq_json_parse(arena, (struct fynq_str){ bytes, n }, &json, &why));
	json = json_object_object_get(json, "kid");
	return json != NULL ? json_object_get_string(json) : "";
}

static void
assert_signs(int64_t now, const char *kid)
{
	assert_string_equal(kid_of(issue(now)), kid);
}

static bool
published(int64_t now, const char *kid)
{
	struct fynq_str jwks;

	assert_int_equal(fynq_keys_publish(arena, now, &jwks), FYNQ_OK);
	kid = fynq_arena_printf(arena, "\"kid\":\"%s\"", kid).p;
	return memmem(jwks.p, jwks.n, kid, strlen(kid)) != NULL;
}

static void
test_rotation(void **state)
{
	struct fynq_str token, late, from_two;

	(void)state;
	fynq_config.jwt_secret = "";
	make_key("one", NOW - 5);
	assert_true(start());
	/* The only one signs, young as it is. */
	assert_signs(NOW, "one");
	token = issue(NOW);
	assert_int_equal(verify(token, NOW), FYNQ_OK);

	/* The next one is published, and signs when all have had the time to learn it. */
	make_key("two", NOW + 10);
	assert_signs(NOW + 20, "one");
	assert_true(published(NOW + 20, "two"));
	assert_true(published(NOW + 20, "one"));
	assert_signs(NOW + 10 + 599, "one");
	late = issue(NOW + 10 + 599);
	assert_signs(NOW + 10 + 600, "two");
	from_two = issue(NOW + 700);
	assert_int_equal(verify(token, NOW + 700), FYNQ_OK);
	assert_int_equal(verify(from_two, NOW + 700), FYNQ_OK);

	/* Retired, it verifies until all that it signed has expired. */
	assert_int_equal(verify(late, NOW + 700), FYNQ_OK);
	retire("one", NOW + 710);
	assert_signs(NOW + 715, "two");
	assert_int_equal(verify(token, NOW + 715), FYNQ_OK);
	assert_true(published(NOW + 715, "one"));
	assert_int_equal(verify(late, NOW + 10 + 599 + SECONDS + LEEWAY - 1), FYNQ_OK);
	assert_false(published(NOW + 710 + SECONDS + LEEWAY + LOOK, "one"));
	assert_int_equal(verify(issue(NOW + 4000), NOW + 4000 + SECONDS + LEEWAY - 1), FYNQ_OK);

	/* Two that are both young: the older one has been published for longer. */
	make_key("zwei", NOW + 10000);
	make_key("drei", NOW + 10001);
	unlink(path_of("two.pem"));
	assert_signs(NOW + 10010, "zwei");
	retire("zwei", NOW + 10020);
	assert_signs(NOW + 10030, "drei");
}

/* A token of a key that is gone is not remembered, and a new key is known at its first token. */
static void
test_notice(void **state)
{
	struct fynq_str one, two, both;
	const char *away;

	(void)state;
	fynq_config.jwt_secret = "";
	make_key("one", NOW - 5000);
	make_key("two", NOW - 4000);
	assert_true(start());
	two = issue(NOW);
	assert_string_equal(kid_of(two), "two");
	unlink(path_of("two.pem"));
	assert_int_equal(verify(two, NOW + LOOK - 1), FYNQ_OK);
	assert_int_equal(verify(two, NOW + LOOK), FYNQ_E_UNAUTHORIZED);
	one = issue(NOW + LOOK);
	assert_string_equal(kid_of(one), "one");
	assert_int_equal(verify(one, NOW + LOOK), FYNQ_OK);

	/* The same name, another key: nothing of the old one is good. */
	make_key("one", NOW - 5000);
	assert_int_equal(verify(one, NOW + 2 * LOOK), FYNQ_E_UNAUTHORIZED);

	/* Signed by a process that has seen the new key already; a clock set back is no obstacle.
	 */
	assert_true(start());
	make_key("three", NOW - 3000);
	both = issue(NOW + 100);
	assert_string_equal(kid_of(both), "three");
	rename(path_of("three.pem"), path_of("away"));
	assert_int_equal(verify(both, NOW + 200), FYNQ_E_UNAUTHORIZED);
	rename(path_of("away"), path_of("three.pem"));
	assert_int_equal(verify(both, NOW + 200), FYNQ_OK);
	unlink(path_of("three.pem"));
	assert_int_equal(verify(both, NOW + 100), FYNQ_E_UNAUTHORIZED);

	/* A folder that is away for a while takes nothing away. */
	one = issue(NOW + 300);
	away = fynq_arena_printf(arena, "%s-away", folder).p;
	assert_int_equal(rename(folder, away), 0);
	assert_int_equal(verify(one, NOW + 310), FYNQ_OK);
	assert_signs(NOW + 320, "one");
	assert_int_equal(rename(away, folder), 0);
}

/* From a secret to keys and back; what was signed before is good until the secret is unset. */
static void
test_moving_over(void **state)
{
	struct fynq_str by_secret, by_key;

	(void)state;
	assert_true(start());
	assert_signs(NOW, "");
	by_secret = issue(NOW);
	assert_int_equal(verify(by_secret, NOW), FYNQ_OK);
	make_key("first", NOW);
	assert_signs(NOW + LOOK, "first");
	by_key = issue(NOW + LOOK);
	assert_int_equal(verify(by_key, NOW + LOOK), FYNQ_OK);
	assert_int_equal(verify(by_secret, NOW + LOOK), FYNQ_OK);
	fynq_config.jwt_secret = "";
	assert_true(start());
	assert_int_equal(verify(by_secret, NOW + LOOK), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(by_key, NOW + LOOK), FYNQ_OK);
	unlink(path_of("first.pem"));
	assert_int_equal(verify(by_key, NOW + 2 * LOOK), FYNQ_E_UNAUTHORIZED);
	assert_refused("FYNQ_JWT_SECRET");
}

static void
test_unusable(void **state)
{
	(void)state;
	fynq_config.jwt_keys_dir = "/nonexistent";
	assert_refused("/nonexistent");
	fynq_config.jwt_keys_dir = folder;
	make_key("good", NOW - 5000);
	store("bad.pem", EVP_EC_gen("P-384"), NULL, false, 0600);
	assert_refused("bad.pem");
	store("bad.pem", EVP_RSA_gen(1024), NULL, false, 0600);
	assert_refused("bad.pem");
	store("bad.pem", EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), NULL, false, 0600);
	assert_refused("bad.pem");
	store("bad.pem", EVP_EC_gen("P-256"), NULL, true, 0600);
	assert_refused("bad.pem");
	store("bad.pem", EVP_EC_gen("P-256"), EVP_aes_128_cbc(), false, 0600);
	assert_refused("bad.pem");
	store("bad.pem", NULL, NULL, false, 0600);
	assert_refused("bad.pem");
	store("bad.pem", EVP_EC_gen("P-256"), NULL, false, 0644);
	assert_refused("bad.pem");
	store("bad.pem", EVP_EC_gen("P-256"), NULL, false, 0660);
	assert_refused("bad.pem");
	unlink(path_of("bad.pem"));
	assert_int_equal(mkfifo(path_of("bad.pem"), 0600), 0);
	assert_refused("bad.pem");
	unlink(path_of("bad.pem"));
	assert_true(start());

	/* While it runs, what is no key is left out; so is what only looks like one. */
	store("bad.pem", NULL, NULL, false, 0600);
	store(".hidden.pem", EVP_EC_gen("P-256"), NULL, false, 0600);
	store("a b.pem", EVP_EC_gen("P-256"), NULL, false, 0600);
	store("-x.pem", EVP_EC_gen("P-256"), NULL, false, 0600);
	store("good.pem.bak", EVP_EC_gen("P-256"), NULL, false, 0600);
	assert_signs(NOW + 10, "good");
	assert_false(published(NOW + 10, "bad"));
	assert_false(published(NOW + 10, ".hidden"));
	assert_false(published(NOW + 10, "a b"));
	assert_false(published(NOW + 10, "-x"));
	unlink(path_of("bad.pem"));

	/* What the log asked for is noticed, though neither the file's time nor its size change. */
	store("late.pem", EVP_EC_gen("P-256"), NULL, false, 0644);
	assert_false(published(NOW + 20, "late"));
	assert_int_equal(chmod(path_of("late.pem"), 0600), 0);
	assert_true(published(NOW + 20 + LOOK, "late"));
	unlink(path_of("late.pem"));

	for (int i = 0; i < FYNQ_KEYS_MAX; i++)
		store(fynq_arena_printf(arena, "k%d.pem", i).p,
		    EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, false, 0640);
	assert_refused("32");
	unlink(path_of("k0.pem"));
	assert_true(start());
}

static size_t
count_files(void)
{
	DIR *dir = opendir(folder);
	size_t n = 0;

	assert_non_null(dir);
	for (const struct dirent *found; (found = readdir(dir)) != NULL;)
		n += strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0;
	closedir(dir);
	return n;
}

/* What fynqctl does. */
static void
test_tool(void **state)
{
	char one[FYNQ_KEYDIR_KID_SIZE], two[FYNQ_KEYDIR_KID_SIZE], three[FYNQ_KEYDIR_KID_SIZE];
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(rmdir(folder), 0);
	assert_true(fynq_keydir_add(folder, FYNQ_ES256, one, &problems));
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(path_of(fynq_arena_printf(arena, "%s.pem", one).p), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_false(fynq_keydir_retire(folder, fynq_str_of(one), false, &problems));
	assert_true(fynq_keydir_add(folder, FYNQ_RS256, two, &problems));
	assert_true(fynq_keydir_add(folder, FYNQ_EDDSA, three, &problems));
	assert_false(fynq_keydir_retire(folder, FYNQ_STR("../x"), false, &problems));
	assert_false(fynq_keydir_retire(folder, FYNQ_STR(""), true, &problems));
	assert_int_equal(count_files(), 3);
	assert_true(fynq_keydir_retire(folder, fynq_str_of(one), false, &problems));
	assert_false(fynq_keydir_retire(folder, fynq_str_of(one), false, &problems));
	assert_int_equal(count_files(), 4);
	fynq_config.jwt_secret = "";
	assert_true(start());

	/* What a killed fynqctl left, and a key whose time is over, go with the next command. */
	fd = open(path_of(".new"), O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_true(fynq_keydir_sweep(folder, &problems));
	assert_int_equal(count_files(), 4);
	set_time(fynq_arena_printf(arena, "%s.retired", one).p,
	    time(NULL) - SECONDS - LEEWAY - LOOK - 1);
	assert_true(fynq_keydir_sweep(folder, &problems));
	assert_int_equal(count_files(), 2);
	assert_true(fynq_keydir_retire(folder, fynq_str_of(two), true, &problems));
	assert_true(fynq_keydir_retire(folder, fynq_str_of(three), true, &problems));
	assert_int_equal(count_files(), 0);
	assert_false(start());
	fynq_buf_release(&problems);
}

static atomic_bool done;

static void *
verify_on(void *arg)
{
	const struct fynq_str *token = arg;
	struct fynq_arena *own = fynq_arena_new(1 << 20);
	size_t wrong = 0;

	for (int64_t now = NOW; !atomic_load(&done); now++) {
		struct fynq_mark mark = fynq_arena_mark(own);
		struct fynq_caller caller;
		struct fynq_str other;

		wrong += fynq_token_verify(own, *token, NOW + now % 900, &caller) != FYNQ_OK;
		wrong += fynq_token_issue(own, &grant, NOW + now % 900, &other) != FYNQ_OK;
		fynq_arena_release(own, mark);
	}
	fynq_arena_free(&own);
	return (void *)wrong;
}

/* Keys come and go while threads verify and sign; the one that stays is always good. */
static void
test_threads(void **state)
{
	pthread_t threads[3];
	struct fynq_str token;
	void *wrong;

	(void)state;
	make_key("stays", NOW - 5000);
	assert_true(start());
	token = issue(NOW);
	for (size_t i = 0; i < LENGTH(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, verify_on, &token), 0);
	for (int i = 0; i < 200; i++) {
		make_key("comes", NOW - 10000);
		unlink(path_of("comes.pem"));
	}
	atomic_store(&done, true);
	for (size_t i = 0; i < LENGTH(threads); i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
}

/* Too many files are open: what is there cannot be read now, and is there all the same. */
static void
test_starved(void **state)
{
	struct rlimit all, few;
	struct fynq_str token;
	int fd;

	(void)state;
	fynq_config.jwt_secret = "";
	make_key("one", NOW - 5000);
	assert_true(start());
	token = issue(NOW);
	make_key("two", NOW - 4000);

	/* Enough for the folder once, as it is listed, and not for what lies in it. */
	fd = open(path_of("."), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	for (rlim_t more = 0; more < 3; more++) {
		few = (struct rlimit){ .rlim_cur = (rlim_t)fd + more, .rlim_max = all.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		assert_int_equal(verify(token, NOW + 10 * (int64_t)(more + 1)), FYNQ_OK);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	}
	assert_signs(NOW + 100, "two");
}

struct one_try {
	pthread_barrier_t *together;
	struct fynq_str token;
	int64_t now;
	enum fynq_err outcome;
};

static void *
try_once(void *arg)
{
	struct one_try *it = arg;
	struct fynq_arena *own = fynq_arena_new(1 << 20);
	struct fynq_caller caller;

	pthread_barrier_wait(it->together);
	it->outcome = fynq_token_verify(own, it->token, it->now, &caller);
	fynq_arena_free(&own);
	return NULL;
}

/* A key is taken away while nobody asks; of those who then ask at once, none has the old ones. */
static void
test_idle(void **state)
{
	enum { THREADS = 4, TURNS = 20 };
	struct one_try tries[THREADS];
	pthread_t threads[THREADS];
	pthread_barrier_t together;

	(void)state;
	make_key("stays", NOW - 9000);
	assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
	assert_true(start());
	for (int turn = 1; turn <= TURNS; turn++) {
		struct fynq_str token;

		make_key("gone", NOW - 5000);
		token = issue(NOW + turn * 20);
		assert_string_equal(kid_of(token), "gone");
		unlink(path_of("gone.pem"));
		for (int i = 0; i < THREADS; i++) {
			tries[i] = (struct one_try){ &together, token, NOW + turn * 20 + 10, 0 };
			assert_int_equal(pthread_create(&threads[i], NULL, try_once, &tries[i]), 0);
		}
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(pthread_join(threads[i], NULL), 0);
			assert_int_equal(tries[i].outcome, FYNQ_E_UNAUTHORIZED);
		}
	}
	pthread_barrier_destroy(&together);
}

static int
empty(void **state)
{
	DIR *dir = opendir(folder);

	(void)state;
	for (const struct dirent *found; dir != NULL && (found = readdir(dir)) != NULL;)
		(void)unlinkat(dirfd(dir), found->d_name, 0);
	if (dir != NULL)
		closedir(dir);
	fynq_config.jwt_secret = secret;
	fynq_config.jwt_keys_dir = folder;
	return 0;
}

static int
set_up(void **state)
{
	char parent[] = "/tmp/fynq-test-keydir-XXXXXX";

	fynq_config.auth = "local";
	fynq_config.jwt_issuer = "fynq";
	fynq_config.jwt_audience = "authenticated";
	fynq_config.jwt_seconds = SECONDS;
	fynq_config.jwt_leeway_seconds = LEEWAY;
	arena = fynq_arena_new(64 << 20);
	if (mkdtemp(parent) == NULL)
		return -1;
	snprintf(folder, sizeof(folder), "%s/keys", parent);
	if (mkdir(folder, 0700) != 0)
		return -1;
	return empty(state);
}

static int
tear_down(void **state)
{
	(void)empty(state);
	rmdir(folder);
	*strrchr(folder, '/') = '\0';
	rmdir(folder);
	fynq_arena_free(&arena);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rotation, empty),
		cmocka_unit_test_setup(test_notice, empty),
		cmocka_unit_test_setup(test_moving_over, empty),
		cmocka_unit_test_setup(test_unusable, empty),
		cmocka_unit_test_setup(test_tool, empty),
		cmocka_unit_test_setup(test_threads, empty),
		cmocka_unit_test_setup(test_starved, empty),
		cmocka_unit_test_setup(test_idle, empty),
	};

	return cmocka_run_group_tests_name("keydir", tests, set_up, tear_down);
}
