#include <stdio.h>

#include "base/config.h"
#include "storage/store.h"

static const struct fynq_store *const stores[] = { &fynq_store_local, &fynq_store_supabase };

const struct fynq_store *
fynq_store_named(struct fynq_str name)
{
	for (size_t i = 0; i < sizeof(stores) / sizeof(stores[0]); i++)
		if (fynq_str_eq(name, fynq_str_of(stores[i]->name)))
			return stores[i];
	return NULL;
}

const struct fynq_store *
fynq_store(void)
{
	const struct fynq_store *store = fynq_store_named(fynq_str_of(fynq_config.storage));

	return store != NULL ? store : &fynq_store_local;
}

struct fynq_str
fynq_store_key(struct fynq_req *rq, struct fynq_str user, const struct fynq_uuid *id)
{
	return fynq_arena_printf(rq->arena, "%.*s/%s", FYNQ_STR_ARG(user), id->text);
}

bool
fynq_key_parse(struct fynq_str key, struct fynq_key_parts *parts_r)
{
	struct fynq_str user, id;

	fynq_str_cut(key, '/', &user, &id);
	if (!fynq_uuid_parse(user, &parts_r->user) || !fynq_uuid_parse(id, &parts_r->id))
		return false;
	snprintf(
	    parts_r->text, sizeof(parts_r->text), "%s/%s", parts_r->user.text, parts_r->id.text);
	return true;
}

/* Letters that stand for themselves in a path of a URL. */
static bool
is_bucket(struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 'a' || s.p[i] > 'z') && (s.p[i] < 'A' || s.p[i] > 'Z') &&
		    (s.p[i] < '0' || s.p[i] > '9') && s.p[i] != '-' && s.p[i] != '_' &&
		    s.p[i] != '.')
			return false;
	return s.n > 0 && s.p[0] != '.';
}

bool
fynq_store_check(const struct fynq_store *store, const char *about, struct fynq_buf *problems_r)
{
	struct fynq_str url = fynq_str_of(fynq_config.supabase_url);
	struct fynq_str key = fynq_str_of(fynq_config.supabase_secret_key);
	bool https = fynq_str_starts(url, FYNQ_STR("https://"));
	bool good = true;

	if (store != &fynq_store_supabase)
		return true;
	if (key.n == 0 || (!https && !fynq_str_starts(url, FYNQ_STR("http://")))) {
		fynq_buf_printf(problems_r,
		    "%s: supabase needs FYNQ_SUPABASE_URL and FYNQ_SUPABASE_SECRET_KEY\n", about);
		good = false;
	}
	if (fynq_str_starts(key, FYNQ_STR("sb_publishable_"))) {
		fynq_buf_printf(problems_r, "FYNQ_SUPABASE_SECRET_KEY: it must be a secret key, and"
					    " is the publishable one\n");
		good = false;
	}
	if (!is_bucket(fynq_str_of(fynq_config.storage_bucket))) {
		fynq_buf_printf(problems_r, "FYNQ_STORAGE_BUCKET: it must be letters, digits and"
					    " . _ -, and not begin with a full stop\n");
		good = false;
	}
	return good;
}

bool
fynq_store_init(struct fynq_buf *problems_r)
{
	const struct fynq_store *store = fynq_store_named(fynq_str_of(fynq_config.storage));

	if (store != NULL)
		return fynq_store_check(store, "FYNQ_STORAGE", problems_r);
	fynq_buf_printf(problems_r, "FYNQ_STORAGE: it must be local or supabase\n");
	return false;
}
