#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/keys.h"

struct fynq_keys {
	FILE *file;
};

static void
close_file(void *file)
{
	fclose(file);
}

enum fynq_err
fynq_keys_new(struct fynq_req *rq, struct fynq_keys **keys_r)
{
	struct fynq_keys *keys = fynq_arena_alloc(rq->arena, sizeof(*keys));

	if ((keys->file = tmpfile()) == NULL) {
		fynq_log(
		    FYNQ_LOG_ERROR, "storage", "cannot make a temporary file: %s", strerror(errno));
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, "There is no temporary file.");
	}
	fynq_arena_defer(rq->arena, close_file, keys->file);
	*keys_r = keys;
	return FYNQ_OK;
}

void
fynq_keys_add(struct fynq_keys *keys, const struct fynq_key_parts *key)
{
	(void)fwrite(key, sizeof(*key), 1, keys->file);
}

enum fynq_err
fynq_keys_rewind(struct fynq_req *rq, struct fynq_keys *keys)
{
	if (ferror(keys->file) || fseek(keys->file, 0, SEEK_SET) != 0)
		return fynq_fail(
		    rq, FYNQ_E_INSUFFICIENT_STORAGE, "The temporary file cannot be written.");
	return FYNQ_OK;
}

bool
fynq_keys_next(struct fynq_keys *keys, struct fynq_key_parts *key_r)
{
	return fread(key_r, sizeof(*key_r), 1, keys->file) == 1;
}
