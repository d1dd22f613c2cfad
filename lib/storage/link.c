#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/hmac.h"
#include "base/log.h"
#include "storage/link.h"

/* What the key of links is called where it is made of a secret; another number, other links. */
#define LABEL "fynq file links 1"

struct key {
	unsigned char bytes[FYNQ_HMAC_SIZE];
	char name[FYNQ_LINK_KEY_SIZE];
};

static struct fynq_str
key_str(const struct key *key)
{
	return (struct fynq_str){ (const char *)key->bytes, sizeof(key->bytes) };
}

/*
 * The secret itself signs nothing here, as it may sign access tokens. False where there is none.
 */
static bool
make_key(const char *secret, struct key *key_r)
{
	char hex[FYNQ_SHA256_SIZE];

	if (secret[0] == '\0' ||
	    !fynq_hmac_sign(fynq_str_of(secret), FYNQ_STR(LABEL), key_r->bytes))
		return false;
	fynq_sha256(key_str(key_r), hex);
	memcpy(key_r->name, hex, sizeof(key_r->name) - 1);
	key_r->name[sizeof(key_r->name) - 1] = '\0';
	return true;
}

static const char *
newest_secret(void)
{
	return fynq_config.link_secret[0] != '\0' ? fynq_config.link_secret
						  : fynq_config.jwt_secret;
}

/* The expiry as it stands in the link, so that no other way to write it is signed by it as well. */
static struct fynq_str
signed_text(struct fynq_req *rq, const struct fynq_uuid *file, struct fynq_str expires)
{
	return fynq_arena_printf(rq->arena, "GET\n%s\n%.*s", file->text, FYNQ_STR_ARG(expires));
}

enum fynq_err
fynq_link_sign(
    struct fynq_req *rq, const struct fynq_uuid *file, int64_t expires, struct fynq_str *url_r)
{
	struct fynq_str text = fynq_arena_printf(rq->arena, "%lld", (long long)expires);
	struct fynq_buf signature = FYNQ_BUF_INIT(FYNQ_LINK_SIGNATURE_SIZE);
	unsigned char mac[FYNQ_HMAC_SIZE];
	struct key key;

	if (!make_key(newest_secret(), &key) ||
	    !fynq_hmac_sign(key_str(&key), signed_text(rq, file, text), mac)) {
		fynq_log(FYNQ_LOG_ERROR, "storage",
		    "links to files need FYNQ_LINK_SECRET, or FYNQ_JWT_SECRET");
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, "Links cannot be made here.");
	}
	fynq_base64url(&signature, mac, sizeof(mac));
	*url_r = fynq_arena_printf(rq->arena,
	    "%s/api/v1/files/%s/link?expires=%.*s&key=%s&signature=%.*s", fynq_config.public_url,
	    file->text, FYNQ_STR_ARG(text), key.name, FYNQ_STR_ARG(fynq_buf_str(&signature)));
	fynq_buf_release(&signature);
	return FYNQ_OK;
}

/* Was the link signed with the key of that secret? */
static bool
is_signed(struct fynq_req *rq, const char *secret, const struct fynq_uuid *file,
    const struct fynq_link *link)
{
	struct key key;
	unsigned char mac[FYNQ_HMAC_SIZE];
	size_t n;

	return make_key(secret, &key) && fynq_str_eq(link->key, fynq_str_of(key.name)) &&
	       fynq_base64url_decode(link->signature, mac, sizeof(mac), &n) &&
	       fynq_hmac_verify(key_str(&key), signed_text(rq, file, link->expires),
		   (struct fynq_str){ (const char *)mac, n });
}

enum fynq_err
fynq_link_check(struct fynq_req *rq, const struct fynq_uuid *file, const struct fynq_link *link,
    int64_t *seconds_r)
{
	int64_t expires, now = fynq_clock_now_us() / 1000000;

	if (!is_signed(rq, newest_secret(), file, link) &&
	    !is_signed(rq, fynq_config.link_secret_old, file, link))
		return fynq_fail(rq, FYNQ_E_BAD_LINK, NULL);
	if (!fynq_str_int(link->expires, &expires) || expires <= now)
		return fynq_fail(rq, FYNQ_E_BAD_LINK, "The link has expired.");
	*seconds_r = expires - now;
	return FYNQ_OK;
}
