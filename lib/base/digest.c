#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include <openssl/evp.h>

#include "digest.h"
#include "log.h"

enum { STACK = 256 << 10 };

struct fynq_digest {
	EVP_MD_CTX *ctx; /* the thread's while busy */
	int64_t begun;	 /* bytes, with fynq_digest_begin() */
	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct fynq_str bytes; /* what the thread is to add while busy */
	bool busy, over;
};

/* OpenSSL fails here only where memory is out or SHA-256 is not to be had. */
static void
must(int ok)
{
	if (ok != 1)
		fynq_log_fatal("digest", "OpenSSL makes no SHA-256");
}

static void
add(struct fynq_digest *d, struct fynq_str bytes)
{
	if (bytes.n > 0)
		must(EVP_DigestUpdate(d->ctx, bytes.p, bytes.n));
}

static void *
work(void *arg)
{
	struct fynq_digest *d = arg;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		while (!d->busy && !d->over)
			pthread_cond_wait(&d->changed, &d->lock);
		if (!d->busy)
			break;
		pthread_mutex_unlock(&d->lock);
		add(d, d->bytes);
		pthread_mutex_lock(&d->lock);
		d->busy = false;
		pthread_cond_signal(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* Signals are for others. Where no thread is to be had the caller's own does the work. */
static bool
start_thread(struct fynq_digest *d)
{
	pthread_attr_t attr;
	sigset_t all, before;

	if (pthread_attr_init(&attr) != 0)
		return false;
	pthread_attr_setstacksize(&attr, STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	d->threaded = pthread_create(&d->thread, &attr, work, d) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return d->threaded;
}

/* Wait for what was begun: ctx is the caller's again. Its longest is one piece's SHA-256. */
static void
wait_for_thread(struct fynq_digest *d)
{
	if (!d->threaded)
		return;
	pthread_mutex_lock(&d->lock);
	while (d->busy)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

static void
end_thread(struct fynq_digest *d)
{
	if (!d->threaded)
		return;
	pthread_mutex_lock(&d->lock);
	d->over = true;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	d->threaded = d->over = false;
}

static void
free_digest(void *arg)
{
	struct fynq_digest *d = arg;

	end_thread(d);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	EVP_MD_CTX_free(d->ctx);
}

struct fynq_digest *
fynq_digest_new(struct fynq_arena *a)
{
	struct fynq_digest *d = fynq_arena_alloc(a, sizeof(*d));

	d->ctx = EVP_MD_CTX_new();
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	fynq_arena_defer(a, free_digest, d);
	must(d->ctx != NULL);
	must(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
	return d;
}

void
fynq_digest_add(struct fynq_digest *d, struct fynq_str bytes)
{
	wait_for_thread(d);
	add(d, bytes);
}

void
fynq_digest_begin(struct fynq_digest *d, struct fynq_str bytes)
{
	wait_for_thread(d);
	d->begun += (int64_t)bytes.n;
	if (!d->threaded && (d->begun <= FYNQ_DIGEST_LONG || !start_thread(d))) {
		add(d, bytes);
		return;
	}
	pthread_mutex_lock(&d->lock);
	d->bytes = bytes;
	d->busy = true;
	pthread_cond_signal(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

void
fynq_digest_add_framed(struct fynq_digest *d, struct fynq_str s)
{
	char length[24];
	int n = snprintf(length, sizeof(length), "%zu:", s.n);

	fynq_digest_add(d, (struct fynq_str){ length, (size_t)n });
	fynq_digest_add(d, s);
}

void
fynq_digest_end(struct fynq_digest *d, char hex_r[static FYNQ_SHA256_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int n;

	wait_for_thread(d);
	end_thread(d);
	d->begun = 0;
	must(EVP_DigestFinal_ex(d->ctx, digest, &n));
	for (unsigned int i = 0; i < n; i++)
		snprintf(hex_r + 2 * i, 3, "%02x", digest[i]);
	must(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
}
