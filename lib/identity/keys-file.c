#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/disk.h"
#include "http/json.h"
#include "identity/claims.h"
#include "identity/jwk.h"
#include "identity/keys-file.h"

enum { PATH_SIZE = 128, FILE_MAX = FYNQ_JWKS_MAX + 4096 };

static void
path_of(const char *name, char path_r[static PATH_SIZE])
{
	snprintf(path_r, PATH_SIZE, "%s/%s", fynq_config.run_dir, name);
}

int
fynq_keys_file_lock(int64_t timeout_ms)
{
	char path[PATH_SIZE];
	int fd;

	path_of("jwks.lock", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0 || fynq_disk_lock(fd, timeout_ms))
		return fd;
	close(fd);
	return -1;
}

/* All of it; absent where it is not to be trusted, or too long. */
static struct fynq_str
read_all(struct fynq_arena *a, int fd)
{
	struct fynq_str whole = { 0 };
	struct stat st;
	size_t n = 0;
	char *text;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022) != 0 || (text = fynq_disk_read_fd(fd, FILE_MAX, &n)) == NULL)
		return whole;
	whole = fynq_arena_copy(a, (struct fynq_str){ text, n });
	free(text);
	return whole;
}

static int64_t
number(struct json_object *json, const char *name)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(json, name, &value);
	return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : 0;
}

static bool
parse(struct fynq_arena *a, struct fynq_str text, struct fynq_published *published_r)
{
	struct json_object *json;
	struct fynq_str why;

	if (text.n == 0 || !fynq_json_parse(a, text, &json, &why) ||
	    !fynq_str_eq(fynq_claims_text(json, "url"), fynq_str_of(fynq_config.supabase_url)))
		return false;
	*published_r = (struct fynq_published){ .tried_at = number(json, "tried_at"),
		.fetched_at = number(json, "fetched_at"),
		.max_age = number(json, "max_age") };
	if (published_r->fetched_at > 0)
		published_r->set = fynq_jwks_read(json);
	return true;
}

bool
fynq_keys_file_read(struct fynq_published *published_r)
{
	struct fynq_arena *a;
	char path[PATH_SIZE];
	bool found;
	int fd;

	path_of("jwks.json", path);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) < 0)
		return false;
	a = fynq_arena_new(FYNQ_ARENA_MAX);
	found = parse(a, read_all(a, fd), published_r);
	fynq_arena_free(&a);
	close(fd);
	return found;
}

static bool
write_all(const char *path, struct fynq_str text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool done = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;

	/* No fsync: what a crash leaves of it is no JSON, and is fetched again. */
	if (fd >= 0)
		close(fd);
	return done;
}

bool
fynq_keys_file_write(const struct fynq_published *published)
{
	struct fynq_buf b = FYNQ_BUF_INIT(FILE_MAX);
	char path[PATH_SIZE], new_path[PATH_SIZE];
	bool done;

	fynq_buf_add(&b, FYNQ_STR("{\"url\":"));
	fynq_buf_add_json(&b, fynq_str_of(fynq_config.supabase_url));
	fynq_buf_printf(&b, ",\"tried_at\":%lld,\"fetched_at\":%lld,\"max_age\":%lld,\"keys\":",
	    (long long)published->tried_at, (long long)published->fetched_at,
	    (long long)published->max_age);
	fynq_jwks_write(&b, published->set, published->fetched_at);
	fynq_buf_add_char(&b, '}');
	path_of("jwks.json", path);
	path_of("jwks.json.new", new_path);
	(void)unlink(new_path);
	done = !b.full && write_all(new_path, fynq_buf_str(&b)) && rename(new_path, path) == 0;
	fynq_buf_release(&b);
	return done;
}
