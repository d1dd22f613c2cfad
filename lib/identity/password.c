#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/ids.h"
#include "base/log.h"
#include "identity/password.h"

enum { SALT_BYTES = 16, HASH_LENGTH = FYNQ_PASSWORD_HASH_SIZE - 1 };

static bool
usable(struct fynq_str password)
{
	return password.n <= FYNQ_PASSWORD_MAX &&
	       (password.n == 0 || memchr(password.p, '\0', password.n) == NULL);
}

/* What crypt_r() makes of the password; false where the setting is not one that it knows. */
static bool
run_bcrypt(
    struct fynq_str password, const char *setting, char hash_r[static FYNQ_PASSWORD_HASH_SIZE])
{
	struct crypt_data *data = fynq_alloc(sizeof(*data));
	char phrase[FYNQ_PASSWORD_MAX + 1] = "";
	const char *hash;
	bool made;

	if (password.n > 0)
		memcpy(phrase, password.p, password.n);
	hash = crypt_r(phrase, setting, data);
	made = hash != NULL && strlen(hash) == HASH_LENGTH;
	if (made)
		memcpy(hash_r, hash, FYNQ_PASSWORD_HASH_SIZE);
	explicit_bzero(phrase, sizeof(phrase));
	explicit_bzero(data, sizeof(*data));
	free(data);
	return made;
}

bool
fynq_password_hash(struct fynq_str password, char hash_r[static FYNQ_PASSWORD_HASH_SIZE])
{
	char salt[SALT_BYTES], setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (!usable(password))
		return false;
	fynq_random(salt, sizeof(salt));
	if (crypt_gensalt_rn("$2b$", (unsigned long)fynq_config.bcrypt_cost, salt, sizeof(salt),
		setting, sizeof(setting)) == NULL ||
	    !run_bcrypt(password, setting, hash_r))
		fynq_log_fatal("password", "crypt(3) does not know bcrypt");
	return true;
}

static bool
is_bcrypt(struct fynq_str hash)
{
	static const char *const prefixes[] = { "$2a$", "$2b$", "$2y$" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (fynq_str_starts(hash, fynq_str_of(prefixes[i])))
			return hash.n == HASH_LENGTH;
	return false;
}

bool
fynq_password_check(struct fynq_str password, struct fynq_str hash)
{
	/* A salt is enough of a hash to take its time; no password is compared with it. */
	static const char nobody[] = "abcdefghijklmnopqrstuu";
	char setting[FYNQ_PASSWORD_HASH_SIZE], made[FYNQ_PASSWORD_HASH_SIZE];
	bool possible = usable(password) && is_bcrypt(hash);

	if (possible)
		snprintf(setting, sizeof(setting), "%.*s", FYNQ_STR_ARG(hash));
	else
		snprintf(setting, sizeof(setting), "$2b$%02lld$%s",
		    (long long)fynq_config.bcrypt_cost, nobody);
	if (!run_bcrypt(usable(password) ? password : FYNQ_STR(""), setting, made))
		return false;
	return possible && fynq_str_same_secret(fynq_str_of(made), hash);
}
