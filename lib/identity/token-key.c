#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/config.h"
#include "identity/token-key.h"

/* Without this OpenSSL would ask a terminal for the passphrase. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf, (void)size, (void)writing, (void)arg;
	return -1;
}

static EVP_PKEY *
read_private_key(const char *path)
{
	BIO *file = BIO_new_file(path, "r");
	EVP_PKEY *pkey = NULL;

	if (file != NULL)
		pkey = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
	BIO_free(file);
	return pkey;
}

static bool
is_p256(const EVP_PKEY *pkey)
{
	char curve[32] = "";

	return EVP_PKEY_get_group_name(pkey, curve, sizeof(curve), NULL) == 1 &&
	       strcmp(curve, "prime256v1") == 0;
}

/* libjwt signs with the private key and verifies with the public one. */
static bool
write_pem(const EVP_PKEY *pkey, bool private, char pem_r[static FYNQ_PEM_SIZE])
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool done = bio != NULL &&
		    (private ? PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL)
			     : PEM_write_bio_PUBKEY(bio, pkey)) == 1;
	int n = done ? BIO_read(bio, pem_r, FYNQ_PEM_SIZE - 1) : 0;

	BIO_free(bio);
	pem_r[n > 0 ? n : 0] = '\0';
	return n > 0 && n < FYNQ_PEM_SIZE - 1;
}

static bool
load_es256(struct fynq_token_key *key, const char *path)
{
	EVP_PKEY *pkey = read_private_key(path);
	bool usable = pkey != NULL && is_p256(pkey) && write_pem(pkey, true, key->pem[0]) &&
		      write_pem(pkey, false, key->pem[1]);

	EVP_PKEY_free(pkey);
	ERR_clear_error();
	key->alg = JWT_ALG_ES256;
	key->name = FYNQ_STR("ES256");
	key->signature_size = 64;
	key->sign = fynq_str_of(key->pem[0]);
	key->verify = fynq_str_of(key->pem[1]);
	return usable;
}

static bool
load_hs256(struct fynq_token_key *key, struct fynq_str secret)
{
	key->alg = JWT_ALG_HS256;
	key->name = FYNQ_STR("HS256");
	key->signature_size = 32;
	key->sign = key->verify = secret;
	return secret.n > 0;
}

bool
fynq_token_key_load(struct fynq_token_key *key_r, struct fynq_buf *problems_r)
{
	const char *path = fynq_config.jwt_keys_dir;

	if (path[0] == '\0') {
		if (load_hs256(key_r, fynq_str_of(fynq_config.jwt_secret)))
			return true;
		fynq_buf_printf(
		    problems_r, "FYNQ_JWT_SECRET: it must be set, or FYNQ_JWT_KEYS_DIR\n");
		return false;
	}
	if (load_es256(key_r, path))
		return true;
	fynq_buf_printf(problems_r,
	    "FYNQ_JWT_KEYS_DIR: %s is not a P-256 private key in PEM without a passphrase\n", path);
	return false;
}
