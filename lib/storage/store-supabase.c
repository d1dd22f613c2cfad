/*
 * Objects in a private bucket of Supabase Storage.
 */
#include "storage/store.h"

static enum fynq_err
put(struct fynq_req *rq, struct fynq_str key, const struct fynq_object *o)
{
	(void)key;
	(void)o;
	return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
}

const struct fynq_store fynq_store_supabase = {
	.name = "supabase",
	.put = put,
};
