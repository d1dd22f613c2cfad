/*
 * Keys that are published elsewhere, in one process that goes on for hours: the time is what the
 * tokens are checked at. A thread here is the other end.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/config.h"
#include "base/fetch.h"
#include "base/jobs.h"
#include "http/request.h"
#include "identity/jwk.h"
#include "identity/keys-file.h"
#include "identity/keys.h"
#include "identity/token.h"

#define NOW INT64_C(1800000000)

static struct {
	int listener;
	atomic_int hits;
	pthread_mutex_t lock;
	char answer[16384];
} server = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct fynq_arena *arena;
static struct fynq_key one = { .kid = "one" }, two = { .kid = "two" };
static char run_dir[] = "/tmp/fynq-test-remote-XXXXXX", url[64];

static void *
serve(void *arg)
{
	char request[4096];
	int fd;

	while ((fd = accept(server.listener, NULL, NULL)) >= 0) {
		size_t n = 0;
		ssize_t got = 1;

		while (
		    got > 0 && n < sizeof(request) - 1 && memmem(request, n, "\r\n\r\n", 4) == NULL)
			if ((got = read(fd, request + n, sizeof(request) - n)) > 0)
				n += (size_t)got;
		pthread_mutex_lock(&server.lock);
		atomic_fetch_add(&server.hits, 1);
		(void)!write(fd, server.answer, strlen(server.answer));
		pthread_mutex_unlock(&server.lock);
		close(fd);
	}
	return arg;
}

static void
answer(const char *head, const char *body)
{
	pthread_mutex_lock(&server.lock);
	snprintf(server.answer, sizeof(server.answer), "HTTP/1.1 %s\r\nConnection: close\r\n\r\n%s",
	    head, body);
	pthread_mutex_unlock(&server.lock);
}

/* The first key, the second, or both. */
static struct fynq_keyset *
keyset(bool first, bool second)
{
	struct fynq_keyset *set = fynq_keyset_new();

	EVP_PKEY_up_ref(one.pkey);
	EVP_PKEY_up_ref(two.pkey);
	one.until = first ? FYNQ_KEY_STAYS : 0;
	two.until = second ? FYNQ_KEY_STAYS : 0;
	assert_true(fynq_keyset_add(set, one) && fynq_keyset_add(set, two));
	return set;
}

static void
publish(bool first, bool second)
{
	struct fynq_keyset *set = keyset(first, second);
	struct fynq_buf b = FYNQ_BUF_INIT(FYNQ_JWKS_MAX);

	fynq_jwks_write(&b, set, NOW);
	answer("200 OK\r\nCache-Control: max-age=600",
	    fynq_arena_printf(arena, "{\"keys\":%.*s}", (int)b.n, b.p).p);
	fynq_buf_release(&b);
	fynq_keyset_drop(&set);
}

static struct fynq_str
token_by(const struct fynq_key *key, const char *kid)
{
	const char *header = fynq_arena_printf(arena, "{\"alg\":\"EdDSA\",\"kid\":\"%s\"}", kid).p;
	static const char claims[] =
	    "{\"sub\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"iss\":\"fynq\","
	    "\"aud\":\"authenticated\",\"iat\":1799000000,\"exp\":1900000000}";
	struct fynq_buf b = FYNQ_BUF_INIT(4096);
	unsigned char signature[FYNQ_SIGNATURE_MAX];
	struct fynq_str token;
	size_t n;

	fynq_base64url(&b, header, strlen(header));
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, claims, strlen(claims));
	assert_true(fynq_alg_sign(FYNQ_EDDSA, key->pkey, fynq_buf_str(&b), signature, &n));
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, signature, n);
	token = fynq_arena_copy(arena, fynq_buf_str(&b));
	fynq_buf_release(&b);
	return token;
}

static enum fynq_err
verify(const struct fynq_key *key, int64_t now)
{
	struct fynq_caller caller;

	return fynq_token_verify(arena, token_by(key, key->kid), now, &caller);
}

static int
jobs(void)
{
	int n = 0;

	while (fynq_jobs_run())
		n++;
	return n;
}

static void
drop_file(void)
{
	unlink(fynq_arena_printf(arena, "%s/jwks.json", run_dir).p);
}

/* As a process that starts on a host where none was before. */
static int
start(void **state)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(1024);

	(void)state;
	drop_file();
	publish(true, false);
	atomic_store(&server.hits, 0);
	return fynq_token_init(&problems) && problems.n == 0 ? 0 : -1;
}

/* Kept for as long as the answer said, then fetched by a job; a key that is withdrawn is gone. */
static void
test_max_age(void **state)
{
	(void)state;
	assert_int_equal(verify(&one, NOW), FYNQ_OK);
	assert_int_equal(verify(&one, NOW + 599), FYNQ_OK);
	assert_int_equal(jobs(), 0);
	assert_int_equal(server.hits, 1);
	publish(true, true);
	assert_int_equal(verify(&one, NOW + 600), FYNQ_OK);
	assert_int_equal(verify(&one, NOW + 600), FYNQ_OK);
	assert_int_equal(server.hits, 1);
	assert_int_equal(jobs(), 1);
	assert_int_equal(server.hits, 2);
	assert_int_equal(verify(&two, NOW + 601), FYNQ_OK);

	/* What was verified by a key that is not there any more is not remembered. */
	publish(false, true);
	assert_int_equal(verify(&one, NOW + 1199), FYNQ_OK);
	assert_int_equal(verify(&one, NOW + 1200), FYNQ_OK);
	assert_int_equal(jobs(), 1);
	assert_int_equal(verify(&one, NOW + 1201), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(verify(&two, NOW + 1201), FYNQ_OK);
	assert_int_equal(server.hits, 3);
}

static void
test_unknown_kid(void **state)
{
	(void)state;
	assert_int_equal(verify(&one, NOW), FYNQ_OK);
	publish(true, true);
	assert_int_equal(verify(&two, NOW + 59), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(server.hits, 1);
	assert_int_equal(verify(&two, NOW + 60), FYNQ_OK);
	assert_int_equal(server.hits, 2);
	for (int64_t now = NOW + 60; now < NOW + 180; now++) {
		struct fynq_caller caller;
		const char *kid = fynq_arena_printf(arena, "kid-%lld", (long long)now).p;

		assert_int_equal(fynq_token_verify(arena, token_by(&one, kid), now, &caller),
		    FYNQ_E_UNAUTHORIZED);
	}
	assert_int_equal(server.hits, 3);
	/* A clock that is set back far is no reason never to ask again. */
	assert_int_equal(verify(&one, NOW - 100000), FYNQ_OK);
	assert_int_equal(jobs(), 1);
	assert_int_equal(server.hits, 4);
}

/* The last keys hold, and are asked for once a minute. */
static void
test_down(void **state)
{
	static const char *const answers[] = { "500 Internal Server Error", "200 OK", "no HTTP" };

	(void)state;
	assert_int_equal(verify(&one, NOW), FYNQ_OK);
	for (int64_t i = 0; i < (int64_t)LENGTH(answers); i++) {
		int64_t now = NOW + 600 + i * 60;

		answer(answers[i], "<html>");
		assert_int_equal(verify(&one, now), FYNQ_OK);
		assert_int_equal(jobs(), 1);
		assert_int_equal(verify(&one, now + 59), FYNQ_OK);
		assert_int_equal(verify(&two, now + 59), FYNQ_E_UNAUTHORIZED);
		assert_int_equal(jobs(), 0);
		assert_int_equal(server.hits, 2 + i);
	}
	publish(false, true);
	assert_int_equal(verify(&two, NOW + 780), FYNQ_OK);
	assert_int_equal(verify(&one, NOW + 840), FYNQ_E_UNAUTHORIZED);
}

/* Without any keys it is not the token that is bad. */
static void
test_none(void **state)
{
	struct fynq_str jwks;

	(void)state;
	answer("503 Service Unavailable", "");
	assert_int_equal(verify(&one, NOW), FYNQ_E_AUTH_UNAVAILABLE);
	assert_int_equal(verify(&one, NOW + 4), FYNQ_E_AUTH_UNAVAILABLE);
	assert_int_equal(fynq_keys_publish(arena, NOW + 4, &jwks), FYNQ_E_AUTH_UNAVAILABLE);
	assert_int_equal(server.hits, 1);
	publish(true, false);
	assert_int_equal(verify(&one, NOW + 5), FYNQ_OK);
	assert_int_equal(fynq_keys_publish(arena, NOW + 5, &jwks), FYNQ_OK);
	assert_int_equal(server.hits, 2);
}

/* Where the file is lost or cannot be written, a process still keeps to its minute. */
static void
test_alone(void **state)
{
	(void)state;
	fynq_config.run_dir = "/nonexistent";
	assert_int_equal(verify(&one, NOW), FYNQ_OK);
	for (int64_t now = NOW; now < NOW + 60; now += 10)
		assert_int_equal(verify(&two, now), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(server.hits, 1);
	assert_int_equal(verify(&two, NOW + 60), FYNQ_E_UNAUTHORIZED);
	assert_int_equal(server.hits, 2);
	fynq_config.run_dir = run_dir;
}

/* What another process has fetched, and when it last tried to. */
static void
leave_file(bool second, int64_t tried_at)
{
	struct fynq_published published = {
		.set = keyset(true, second), .tried_at = tried_at, .fetched_at = NOW, .max_age = 600
	};

	assert_true(fynq_keys_file_write(&published));
	fynq_keyset_drop(&published.set);
}

/* Times are in seconds: of two answers that came in one, the later one is adopted. */
static void
test_same_second(void **state)
{
	(void)state;
	assert_int_equal(verify(&one, NOW), FYNQ_OK);
	leave_file(true, NOW + 1);
	assert_int_equal(verify(&two, NOW + 60), FYNQ_OK);
	assert_int_equal(server.hits, 1);
}

struct asker {
	pthread_t thread;
	struct fynq_str token;
	atomic_int tid;
	enum fynq_err answer;
};

static void *
verify_there(void *arg)
{
	struct fynq_arena *a = fynq_arena_new(FYNQ_ARENA_MAX);
	struct fynq_caller caller;
	struct asker *asker = arg;

	atomic_store(&asker->tid, gettid());
	asker->answer = fynq_token_verify(a, asker->token, NOW + 60, &caller);
	fynq_arena_free(&a);
	return NULL;
}

/* Whether the thread has come to where it waits. */
static bool
sleeps(struct asker *asker)
{
	char path[64], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", atomic_load(&asker->tid));
	if ((f = fopen(path, "r")) == NULL)
		return false;
	(void)!fgets(text, sizeof(text), f);
	fclose(f);
	return strstr(text, ") S ") != NULL;
}

static void
begin(struct asker *asker, const struct fynq_key *key)
{
	*asker = (struct asker){ .token = token_by(key, key->kid) };
	assert_int_equal(pthread_create(&asker->thread, NULL, verify_there, asker), 0);
	while (!sleeps(asker))
		sched_yield();
}

/*
 * One thread looks for a key, for which it waits, as another process is fetching; it finds it in
 * the file then. Who waits for that thread, and wants another key, must not take that for an
 * answer.
 */
static void
test_another_kid(void **state)
{
	struct asker first, second;
	int lock = fynq_keys_file_lock(0);

	(void)state;
	assert_true(lock >= 0);
	publish(true, true);
	begin(&first, &one);
	begin(&second, &two);
	leave_file(false, NOW);
	close(lock);
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	assert_int_equal(first.answer, FYNQ_OK);
	assert_int_equal(second.answer, FYNQ_OK);
	assert_int_equal(server.hits, 1);
}

static void
test_settings(void **state)
{
	static const char *const bad[] = { "", "ftp://x", "x.supabase.co", "https:/x" };
	struct fynq_buf problems = FYNQ_BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		fynq_buf_reset(&problems);
		fynq_config.supabase_url = bad[i];
		assert_false(fynq_token_init(&problems));
		assert_non_null(memmem(problems.p, problems.n, "FYNQ_SUPABASE_URL", 17));
	}
	fynq_buf_release(&problems);
	fynq_config.supabase_url = url;
}

static int
set_up(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof(at);
	pthread_t thread;

	(void)state;
	server.listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server.listener, (struct sockaddr *)&at, size) != 0 ||
	    listen(server.listener, 16) != 0 ||
	    getsockname(server.listener, (struct sockaddr *)&at, &size) != 0 ||
	    pthread_create(&thread, NULL, serve, NULL) != 0 || mkdtemp(run_dir) == NULL)
		return -1;
	pthread_detach(thread);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(at.sin_port));
	fynq_config.auth = "supabase";
	fynq_config.supabase_url = url;
	fynq_config.supabase_ca_file = "";
	fynq_config.supabase_timeout_ms = 5000;
	fynq_config.run_dir = run_dir;
	fynq_config.threads = 4;
	fynq_config.jwt_secret = "";
	fynq_config.jwt_keys_dir = "";
	fynq_config.jwt_issuer = "fynq";
	fynq_config.jwt_audience = "authenticated";
	fynq_config.jwt_leeway_seconds = 10;
	fynq_fetch_init();
	fynq_jobs_init();
	one.pkey = fynq_alg_generate(FYNQ_EDDSA);
	two.pkey = fynq_alg_generate(FYNQ_EDDSA);
	arena = fynq_arena_new(16 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	shutdown(server.listener, SHUT_RDWR);
	drop_file();
	unlink(fynq_arena_printf(arena, "%s/jwks.lock", run_dir).p);
	rmdir(run_dir);
	EVP_PKEY_free(one.pkey);
	EVP_PKEY_free(two.pkey);
	fynq_arena_free(&arena);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_max_age, start),
		cmocka_unit_test_setup(test_unknown_kid, start),
		cmocka_unit_test_setup(test_down, start),
		cmocka_unit_test_setup(test_none, start),
		cmocka_unit_test_setup(test_alone, start),
		cmocka_unit_test_setup(test_same_second, start),
		cmocka_unit_test_setup(test_another_kid, start),
		cmocka_unit_test_setup(test_settings, start),
	};

	return cmocka_run_group_tests_name("keys-remote", tests, set_up, tear_down);
}
