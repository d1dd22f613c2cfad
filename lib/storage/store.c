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
fynq_store_check(const struct fynq_store *store, const char *about, struct fynq_buf *problems_r)
{
	bool keys = fynq_config.supabase_url[0] != '\0' &&
		    fynq_config.supabase_secret_key[0] != '\0';

	if (store != &fynq_store_supabase || keys)
		return true;
	fynq_buf_printf(problems_r,
	    "%s: supabase needs FYNQ_SUPABASE_URL and FYNQ_SUPABASE_SECRET_KEY\n", about);
	return false;
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
