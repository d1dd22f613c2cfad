/*
 * What comes from elsewhere about accounts: access tokens, JWK Sets, answers of Supabase Auth.
 *
 * The first byte says which. A token comes as it is, or as a header and a payload with a NUL
 * between, which are signed here with the right secret, so that the claims are read, too. What is
 * found good must be what it is taken for, and found good again.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "base/config.h"
#include "base/hmac.h"
#include "http/json.h"
#include "identity/gotrue.h"
#include "identity/jwk.h"
#include "identity/token.h"

#define NOW INT64_C(1800000000)

static char secret[] = "a secret of at least thirty-two bytes", none[] = "", local[] = "local",
	    issuer[] = "fynq", audience[] = "authenticated";

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check(bool holds)
{
	if (!holds)
		abort();
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(4096);

	(void)argc, (void)argv;
	fynq_config.auth = local;
	fynq_config.jwt_secret = secret;
	fynq_config.jwt_keys_dir = none;
	fynq_config.jwt_issuer = issuer;
	fynq_config.jwt_audience = audience;
	fynq_config.jwt_seconds = 3600;
	fynq_config.jwt_leeway_seconds = 10;
	check(fynq_token_init(&problems));
	return 0;
}

static void
check_token(struct fynq_arena *a, struct fynq_str token)
{
	struct fynq_caller caller, again;
	struct json_object *json;
	struct fynq_uuid id;
	struct fynq_str why;
	enum fynq_err e = fynq_token_verify(a, token, NOW, &caller);

	check(e == FYNQ_OK || e == FYNQ_E_UNAUTHORIZED || e == FYNQ_E_TOKEN_EXPIRED);
	check(fynq_token_verify(a, token, NOW, &again) == e);
	if (e != FYNQ_OK)
		return;
	check(fynq_uuid_parse(caller.id, &id) && fynq_json_parse(a, caller.claims, &json, &why));
	check(caller.session.p == NULL || fynq_uuid_parse(caller.session, &id));
	check(fynq_str_eq(caller.id, again.id) && fynq_str_eq(caller.claims, again.claims) &&
	      caller.role == again.role);
	/* No token outlives the year 9999. */
	e = fynq_token_verify(a, token, INT64_C(253402300800) + 10, &again);
	check(e == FYNQ_E_TOKEN_EXPIRED || e == FYNQ_E_UNAUTHORIZED);
}

static void
fuzz_token(struct fynq_arena *a, struct fynq_str text)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1 << 20);
	unsigned char mac[FYNQ_HMAC_SIZE];
	struct fynq_str header, payload;

	check_token(a, text);
	fynq_str_cut(text, '\0', &header, &payload);
	fynq_base64url(&b, header.p, header.n);
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, payload.p, payload.n);
	check(fynq_hmac_sign(fynq_str_of(secret), fynq_buf_str(&b), mac));
	fynq_buf_add_char(&b, '.');
	fynq_base64url(&b, mac, sizeof(mac));
	check_token(a, fynq_buf_str(&b));
	fynq_buf_release(&b);
}

/*
 * What is read of a set is written, and read again, as the same keys. But OpenSSL tries a modulus
 * with random numbers: one that is no product of two primes it may let pass now and refuse then.
 */
static void
fuzz_keys(struct fynq_arena *a, struct fynq_str text)
{
	struct fynq_buf b = FYNQ_BUF_INIT(1 << 20);
	struct fynq_keyset *set = NULL, *again = NULL;
	struct json_object *json;
	struct fynq_str why;

	if (fynq_json_parse(a, text, &json, &why))
		set = fynq_jwks_read(json);
	if (set == NULL)
		return;
	check(set->n <= FYNQ_KEYS_MAX);
	fynq_buf_add(&b, FYNQ_STR("{\"keys\":"));
	fynq_jwks_write(&b, set, NOW);
	fynq_buf_add_char(&b, '}');
	check(fynq_json_parse(a, fynq_buf_str(&b), &json, &why));
	again = fynq_jwks_read(json);
	check(again != NULL && fynq_keyset_covers(set, again));
	for (size_t i = 0; i < set->n; i++)
		check(set->keys[i].alg == FYNQ_RS256 ||
		      fynq_keyset_find(again, fynq_str_of(set->keys[i].kid), NOW) != NULL);
	check(fynq_keyset_signer(set, NOW) == NULL);
	fynq_keyset_drop(&again);
	fynq_keyset_drop(&set);
	fynq_buf_release(&b);
}

static void
check_session(const struct fynq_session *session)
{
	check(session->expires_in > 0 && session->expires_at > 0);
	check(session->access_token.n <= FYNQ_ACCESS_TOKEN_MAX &&
	      session->refresh_token.n <= FYNQ_GOTRUE_REFRESH_MAX);
	for (size_t i = 0; i < session->access_token.n; i++)
		check(session->access_token.p[i] > ' ' && session->access_token.p[i] < 0x7f);
}

/* Two bytes are the status; one bit of them is whether a user acts. */
static void
fuzz_answer(struct fynq_arena *a, struct fynq_str text)
{
	struct fynq_gotrue ask = { .method = "POST", .path = "/token" };
	struct fynq_gotrue_answer answer;
	struct fynq_gotrue_user user;
	struct fynq_session session;
	enum fynq_err e;
	long status;

	if (text.n < 2)
		return;
	status = 100 + ((unsigned char)text.p[0] << 8 | (unsigned char)text.p[1]) % 500;
	if ((text.p[0] & 0x40) != 0)
		ask.token = FYNQ_STR("token");
	e = fynq_gotrue_read(a, &ask, status, (struct fynq_str){ text.p + 2, text.n - 2 }, &answer);
	check(answer.status == status && (e == FYNQ_OK || answer.json == NULL));
	check(e != FYNQ_OK || (status >= 200 && status < 300));
	for (size_t i = 0; i < answer.code.n; i++)
		check(strchr("abcdefghijklmnopqrstuvwxyz0123456789_", answer.code.p[i]) != NULL);
	if (e != FYNQ_OK)
		return;
	if (fynq_gotrue_session(answer.json, NOW, &session, &user))
		check_session(&session);
	if (fynq_gotrue_user(answer.json, &user))
		check(user.email.p != NULL && user.email.n <= 254 && user.created_at.n > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static void (*const fuzz[])(
	    struct fynq_arena *, struct fynq_str) = { fuzz_token, fuzz_keys, fuzz_answer };
	struct fynq_arena *a;

	if (n < 1 || n > 65536)
		return 0;
	a = fynq_arena_new(64 << 20);
	fuzz[data[0] % 3](a, (struct fynq_str){ (const char *)data + 1, n - 1 });
	check(ERR_peek_error() == 0);
	fynq_arena_free(&a);
	return 0;
}
