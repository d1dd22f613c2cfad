#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/config.h"
#include "base/digest.h"
#include "http/client.h"
#include "limits/attempts.h"

enum subject { ADDRESS, ACCOUNT, PAIR, SUBJECTS };

const char *const fynq_attempt_names[] = {
	[FYNQ_ATTEMPT_PASSWORD] = "password",
	[FYNQ_ATTEMPT_TOKEN] = "token",
	[FYNQ_ATTEMPT_MAIL] = "mail",
	[FYNQ_ATTEMPT_REGISTER] = "register",
};

static const char *const subject_names[] = {
	[ADDRESS] = "address",
	[ACCOUNT] = "account",
	[PAIR] = "pair",
};

/*
 * How many tries are free; the delay after them, which doubles with each, and the longest; after
 * how long one try is forgiven. In seconds. Without a row, as free is 0, nothing is counted.
 *
 * A school is one address: fifty may mistype at once, and twelve an hour for ever. An account takes
 * one guess a minute at worst, from all the world together.
 */
enum number { FREE, FIRST, LONGEST, FORGIVE, NUMBERS };

static const int rules[FYNQ_ATTEMPTS][SUBJECTS][NUMBERS] = {
	[FYNQ_ATTEMPT_PASSWORD] = {
		[ADDRESS] = { 50, 1, 300, 300 },
		[ACCOUNT] = { 10, 1, 60, 300 },
		[PAIR] = { 5, 1, 900, 3600 },
	},
	[FYNQ_ATTEMPT_TOKEN] = {
		[ADDRESS] = { 20, 1, 300, 300 },
	},
	[FYNQ_ATTEMPT_MAIL] = {
		[ADDRESS] = { 20, 10, 300, 300 },
		[ACCOUNT] = { 3, 600, 1200, 1200 },
	},
	[FYNQ_ATTEMPT_REGISTER] = {
		[ADDRESS] = { 50, 1, 60, 60 },
		[ACCOUNT] = { 5, 60, 1200, 1200 },
	},
};

enum { HOME_DAYS = 30, ARRAY_MAX = 512 };

/* $1 keys, $2 to $5 the rule of each, $6 the pair's key, $7 the account's. */
static const struct fynq_stmt count_attempt = { "count_attempt", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select wait, news from fynq.attempt($1::text[], $2::int[], $3::int[], $4::int[],"
	" $5::int[], $6::text, $7::text)" };

/* $1 to begin anew, $2 to take one off, $3 the pair's key, $4 days. */
static const struct fynq_stmt good_attempt = { "good_attempt", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select fynq.attempt_good($1::text[], $2::text[], $3::text, $4::int)" };

static const struct fynq_stmt forget_attempts = { "forget_attempts", FYNQ_AS_SERVICE,
	FYNQ_REPEATABLE, "select fynq.forget_attempts()" };

/* The keys of a try, in the order of their subjects; where none is counted it is empty. */
struct keys {
	char text[SUBJECTS][FYNQ_SHA256_SIZE];
};

/* The network that the address stands for, as bytes; an IPv4 address in IPv6 is that one. */
static size_t
network_of(struct fynq_str address, unsigned char bytes_r[static 16])
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (address.n == 0)
		return 0;
	if (inet_pton(AF_INET, address.p, bytes_r) == 1)
		return 4;
	if (inet_pton(AF_INET6, address.p, bytes_r) != 1)
		return 0;
	if (memcmp(bytes_r, mapped, sizeof(mapped)) != 0)
		return 8;
	memmove(bytes_r, bytes_r + sizeof(mapped), 4);
	return 4;
}

static struct fynq_str
lower(struct fynq_arena *a, struct fynq_str s)
{
	char *p = fynq_arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)tolower((unsigned char)s.p[i]);
	return (struct fynq_str){ p, s.n };
}

static void
make_keys(
    struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account, struct keys *keys_r)
{
	unsigned char bytes[16];
	struct fynq_str network = { (const char *)bytes,
		network_of(fynq_client_address(rq), bytes) };
	struct fynq_str name = lower(rq->arena, account);
	struct fynq_digest *d = fynq_digest_new(rq->arena);

	*keys_r = (struct keys){ 0 };
	for (int i = 0; i < SUBJECTS; i++) {
		if (rules[attempt][i][FREE] == 0 || (i != ADDRESS && account.n == 0) ||
		    (i != ACCOUNT && network.n == 0))
			continue;
		fynq_digest_add_framed(d, fynq_str_of(fynq_attempt_names[attempt]));
		fynq_digest_add_framed(d, fynq_str_of(subject_names[i]));
		fynq_digest_add_framed(d, i != ADDRESS ? name : FYNQ_STR(""));
		fynq_digest_add_framed(d, i != ACCOUNT ? network : FYNQ_STR(""));
		fynq_digest_end(d, keys_r->text[i]);
	}
}

static struct fynq_str
key_or_null(const struct keys *keys, enum subject subject)
{
	return keys->text[subject][0] != '\0' ? fynq_str_of(keys->text[subject])
					      : (struct fynq_str){ 0 };
}

/* PostgreSQL's text of an array, from the members that were printed, each with a comma behind it.
 */
static struct fynq_str
close_array(struct fynq_req *rq, struct fynq_buf *members)
{
	struct fynq_str s = fynq_buf_str(members), array;

	array = fynq_arena_printf(
	    rq->arena, "{%.*s}", (int)(s.n > 0 ? s.n - 1 : 0), s.n > 0 ? s.p : "");
	fynq_buf_release(members);
	return array;
}

/* Those keys that count, from one subject to another. */
static struct fynq_str
array_of_keys(struct fynq_req *rq, const struct keys *keys, enum subject from, enum subject to)
{
	struct fynq_buf b = FYNQ_BUF_INIT(ARRAY_MAX);

	for (enum subject i = from; i <= to; i++)
		if (keys->text[i][0] != '\0')
			fynq_buf_printf(&b, "%s,", keys->text[i]);
	return close_array(rq, &b);
}

/* One number of the rule of each key that counts. */
static struct fynq_str
array_of_numbers(
    struct fynq_req *rq, const struct keys *keys, enum fynq_attempt attempt, enum number number)
{
	struct fynq_buf b = FYNQ_BUF_INIT(ARRAY_MAX);

	for (int i = 0; i < SUBJECTS; i++)
		if (keys->text[i][0] != '\0')
			fynq_buf_printf(&b, "%d,", rules[attempt][i][number]);
	return close_array(rq, &b);
}

enum fynq_err
fynq_attempt_count(
    struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account, bool *news_r)
{
	struct fynq_rows rows;
	struct keys keys;
	int64_t wait = 0;

	*news_r = false;
	if (!fynq_config.attempts)
		return FYNQ_OK;
	make_keys(rq, attempt, account, &keys);
	if (key_or_null(&keys, ADDRESS).n == 0 && key_or_null(&keys, ACCOUNT).n == 0)
		return FYNQ_OK;
	FYNQ_TRY(fynq_db_run(rq, &count_attempt,
	    FYNQ_ARGS(array_of_keys(rq, &keys, ADDRESS, PAIR),
		array_of_numbers(rq, &keys, attempt, FREE),
		array_of_numbers(rq, &keys, attempt, FIRST),
		array_of_numbers(rq, &keys, attempt, LONGEST),
		array_of_numbers(rq, &keys, attempt, FORGIVE), key_or_null(&keys, PAIR),
		key_or_null(&keys, ACCOUNT)),
	    &rows));
	(void)fynq_str_int(fynq_rows_str(&rows, 0, 0), &wait);
	if (wait == 0)
		return FYNQ_OK;
	*news_r = fynq_rows_true(&rows, 0, 1);
	rq->problem.retry_after = (int)wait;
	return fynq_fail(rq, FYNQ_E_RATE_LIMITED, "Try again in %d s.", (int)wait);
}

void
fynq_attempt_good(struct fynq_req *rq, enum fynq_attempt attempt, struct fynq_str account)
{
	struct keys keys;

	if (!fynq_config.attempts)
		return;
	make_keys(rq, attempt, account, &keys);
	fynq_db_aside(rq, "attempts", &good_attempt,
	    FYNQ_ARGS(array_of_keys(rq, &keys, ACCOUNT, PAIR),
		array_of_keys(rq, &keys, ADDRESS, ADDRESS), key_or_null(&keys, PAIR),
		fynq_arg_int(rq, HOME_DAYS)));
}

void
fynq_attempts_forget(struct fynq_req *rq)
{
	fynq_db_aside(rq, "attempts", &forget_attempts, FYNQ_NO_ARGS);
}
