/* fynqctl keys: the private keys that sign access tokens. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "fynqctl.h"
#include "identity/keydir.h"

static int
end(bool done, struct fynq_buf *problems)
{
	ctl_say_lines("keys", fynq_buf_str(problems));
	fynq_buf_release(problems);
	return done && fflush(stdout) == 0 ? EX_OK : CTL_FAILED;
}

static int
make(const char *alg_name)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);
	char kid[FYNQ_KEYDIR_KID_SIZE];
	enum fynq_alg alg;
	bool done;

	if (!fynq_alg_parse(fynq_str_of(alg_name), &alg) || alg == FYNQ_HS256)
		return ctl_usage("keys");
	done = fynq_keydir_add(fynq_config.jwt_keys_dir, alg, kid, &problems);
	if (done)
		printf("%s\n", kid);
	return end(done, &problems);
}

static void
print_time(int64_t seconds, char text_r[static FYNQ_TIME_SIZE])
{
	fynq_time_format(seconds * 1000000, text_r);
	snprintf(text_r + strlen("2026-01-31T12:34:56"), 2, "Z");
}

static void
print_key(const struct fynq_keyset *set, const struct fynq_key *key, int64_t now)
{
	static const char *const words[] = {
		[FYNQ_KEY_NEXT] = "next",
		[FYNQ_KEY_SIGNING] = "signing",
		[FYNQ_KEY_VERIFYING] = "verifying",
		[FYNQ_KEY_RETIRED] = "retired",
	};
	enum fynq_key_state state = fynq_keyset_state(set, key, now);
	char created[FYNQ_TIME_SIZE], until[FYNQ_TIME_SIZE] = "";

	print_time(key->created, created);
	if (state == FYNQ_KEY_NEXT)
		print_time(key->created + FYNQ_KEYS_MAX_AGE, until);
	else if (state == FYNQ_KEY_RETIRED)
		print_time(key->until, until);
	printf("%-36s %-6s %-21s %s%s%s\n", key->kid, fynq_alg_names[key->alg], created,
	    words[state],
	    state == FYNQ_KEY_NEXT ? " from "
	    : until[0] != '\0'	   ? " until "
				   : "",
	    until);
}

static int
list(void)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);
	int64_t now = fynq_clock_now_us() / 1000000;
	struct fynq_keyset *set = NULL;
	struct fynq_keydir dir;

	if (fynq_keydir_sweep(fynq_config.jwt_keys_dir, &problems) &&
	    fynq_keydir_list(fynq_config.jwt_keys_dir, &dir, &problems))
		set = fynq_keydir_load(fynq_config.jwt_keys_dir, &dir, &problems);
	if (set != NULL)
		printf("%-36s %-6s %-21s %s\n", "KID", "ALG", "CREATED", "STATE");
	for (size_t i = 0; set != NULL && i < set->n; i++)
		print_key(set, &set->keys[i], now);
	fynq_keyset_drop(&set);
	return end(problems.n == 0, &problems);
}

static int
retire(const char *kid, bool now)
{
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);
	bool done = fynq_keydir_retire(fynq_config.jwt_keys_dir, fynq_str_of(kid), now, &problems);

	return end(done, &problems);
}

static int
run_keys(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(fynq_config.auth, "local") != 0) {
		ctl_say("settings: FYNQ_AUTH: it is supabase, whose project has the keys");
		return EX_CONFIG;
	}
	if (fynq_config.jwt_keys_dir[0] == '\0') {
		ctl_say("settings: FYNQ_JWT_KEYS_DIR: it must be set, as to /etc/fynq/keys");
		return EX_CONFIG;
	}
	if (argc == 2 && strcmp(what, "list") == 0)
		return list();
	if (argc == 2 && strcmp(what, "new") == 0)
		return make("ES256");
	if (argc == 4 && strcmp(what, "new") == 0 && strcmp(argv[2], "--alg") == 0)
		return make(argv[3]);
	if (argc == 3 && strcmp(what, "retire") == 0)
		return retire(argv[2], false);
	if (argc == 4 && strcmp(what, "retire") == 0 && strcmp(argv[3], "--now") == 0)
		return retire(argv[2], true);
	return ctl_usage(argv[0]);
}

const struct command keys_commands[] = {
	{ "keys", "list\nnew [--alg ES256|RS256|EdDSA]\nretire KID [--now]", true,
	    "The keys that sign access tokens: show, make, take out of use.", run_keys },
	{ .name = NULL },
};
