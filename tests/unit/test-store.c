#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "http/upload.h"
#include "storage/file.h"
#include "storage/store.h"
#include "folder.h"

#define USER  "0190163d-8694-739b-aea5-966c26f8ad90"
#define ID    "0190163d-8694-739b-aea5-966c26f8ad91"
#define OTHER "0190163d-8694-739b-aea5-966c26f8ad92"
#define KEY   FYNQ_STR(USER "/" ID)

static int source;

static int
setup(void **state)
{
	static char files[80];
	struct fynq_upload upload;

	setup_folder(state);
	snprintf(files, sizeof(files), "%s/files", root);
	fynq_config.files_dir = files;
	umask(077);
	assert_int_equal(fynq_upload_open(rq, &upload), FYNQ_OK);
	assert_int_equal(write(upload.fd, "0123456789", 10), 10);
	source = upload.fd;
	return 0;
}

static int
mode_of(const char *below)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", fynq_config.files_dir, below);
	return stat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
}

static enum fynq_err
put(struct fynq_str key, int fd, int64_t bytes)
{
	return fynq_store_local.put(rq, key, &(struct fynq_object){ fd, bytes, "image/png" });
}

/* Files in a folder; -1 where there is no such folder. */
static int
count(const char *below)
{
	char path[256];
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s%s", fynq_config.files_dir, below);
	if ((dir = opendir(path)) == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
kept_and_removed(void **state)
{
	const struct fynq_store *store = fynq_store();
	char text[16] = "";
	int64_t bytes = 0;
	int fd;

	(void)state;
	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	assert_int_equal(store->size(rq, KEY, &bytes), FYNQ_OK);
	assert_int_equal(bytes, 7);
	assert_int_equal(store->open(rq, KEY, &fd), FYNQ_OK);
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	assert_string_equal(text, "0123456");

	assert_int_equal(mode_of(""), 0750);
	assert_int_equal(mode_of("/incoming"), 0750);
	assert_int_equal(mode_of("/objects/90/" USER), 0750);
	assert_int_equal(mode_of("/objects/90/" USER "/" ID), 0640);
	assert_int_equal(count("/incoming"), 0);

	assert_int_equal(store->remove(rq, KEY), FYNQ_OK);
	assert_int_equal(store->remove(rq, KEY), FYNQ_OK);
	assert_int_equal(store->open(rq, KEY, &fd), FYNQ_E_NOT_FOUND);
	assert_int_equal(store->size(rq, KEY, &bytes), FYNQ_E_NOT_FOUND);
}

static void
other_keys_are_refused(void **state)
{
	static const struct fynq_str keys[] = {
		FYNQ_STR_INIT(""),
		FYNQ_STR_INIT("/"),
		FYNQ_STR_INIT(USER),
		FYNQ_STR_INIT(USER "/"),
		FYNQ_STR_INIT("/" ID),
		FYNQ_STR_INIT("../" ID),
		FYNQ_STR_INIT(USER "/../" ID),
		FYNQ_STR_INIT(USER "/" ID "/x"),
		FYNQ_STR_INIT(USER "/" ID "\0x"),
		FYNQ_STR_INIT(USER "//" ID),
		FYNQ_STR_INIT("0190163d-8694-739b-aea5-966c26f8a/../" ID),
	};
	const struct fynq_store *store = fynq_store();
	int64_t bytes;
	int fd;

	(void)state;
	for (size_t i = 0; i < LENGTH(keys); i++) {
		const char *name = keys[i].p;

		assert_case(put(keys[i], source, 1) == FYNQ_E_STORAGE_UNAVAILABLE, name);
		assert_case(store->open(rq, keys[i], &fd) == FYNQ_E_STORAGE_UNAVAILABLE, name);
		assert_case(store->size(rq, keys[i], &bytes) == FYNQ_E_STORAGE_UNAVAILABLE, name);
		assert_case(store->remove(rq, keys[i]) == FYNQ_E_STORAGE_UNAVAILABLE, name);
	}
	assert_int_equal(count("/objects"), -1);
}

static ino_t
inode_of(const char *below)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", fynq_config.files_dir, below);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

/* An upload is not written a second time, where the file system can give it a name. */
static void
uploads_become_objects(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(fstat(source, &st), 0);
	if (st.st_nlink != 0)
		skip();
	assert_int_equal(put(KEY, source, 10), FYNQ_OK);
	assert_int_equal(inode_of("/objects/90/" USER "/" ID), st.st_ino);
	assert_int_equal(mode_of("/objects/90/" USER "/" ID), 0640);
	assert_int_equal(count("/incoming"), -1);

	/* It has a name now: what is put of it again is another file. */
	assert_int_equal(put(FYNQ_STR(USER "/" OTHER), source, 10), FYNQ_OK);
	assert_int_not_equal(inode_of("/objects/90/" USER "/" OTHER), st.st_ino);
	assert_int_equal(count("/incoming"), 0);
}

/* A second put replaces the object, which may have been damaged. */
static void
objects_are_replaced(void **state)
{
	struct fynq_upload again;
	int64_t bytes;

	(void)state;
	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	assert_int_equal(put(KEY, source, 10), FYNQ_OK);
	assert_int_equal(fynq_store_local.size(rq, KEY, &bytes), FYNQ_OK);
	assert_int_equal(bytes, 10);

	assert_int_equal(fynq_upload_open(rq, &again), FYNQ_OK);
	assert_int_equal(write(again.fd, "abcd", 4), 4);
	assert_int_equal(put(KEY, again.fd, 4), FYNQ_OK);
	assert_int_equal(fynq_store_local.size(rq, KEY, &bytes), FYNQ_OK);
	assert_int_equal(bytes, 4);
	assert_int_equal(count("/objects/90/" USER), 1);
	assert_int_equal(count("/incoming"), 0);
}

/* A group that an admin gave to FYNQ_FILES_DIR has all that is in it. */
static void
groups_are_inherited(void **state)
{
	(void)state;
	assert_int_equal(chmod(fynq_config.files_dir, 02750), 0);
	umask(022);
	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	assert_int_equal(mode_of("/incoming"), 02750);
	assert_int_equal(mode_of("/objects"), 02750);
	assert_int_equal(mode_of("/objects/90/" USER), 02750);
}

enum { NGINX = 65533, NOBODY = 65534 };

/* Whether a process of that user and group alone may read the object. What is above FYNQ_FILES_DIR
 * is not asked for. */
static bool
is_read_by(uid_t user, gid_t group)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(chdir(root) != 0 || setgroups(0, NULL) != 0 || setgid(group) != 0 ||
		      setuid(user) != 0 || open("group/objects/90/" USER "/" ID, O_RDONLY) < 0);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Nginx runs as another user, of the folder's group. */
static void
the_group_reads_whatever_the_umask(void **state)
{
	static char files[80];
	struct fynq_upload upload;

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(files, sizeof(files), "%s/group", root);
	fynq_config.files_dir = files;
	assert_int_equal(chmod(root, 0711), 0);
	assert_int_equal(mkdir(files, 0700), 0);
	assert_int_equal(chown(files, 0, NGINX), 0);
	assert_int_equal(chmod(files, 02750), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fynq_upload_open(rq, &upload), FYNQ_OK);
		assert_int_equal(write(upload.fd, "0123456789", 10), 10);
		/* The second time from what cannot be linked: a copy is made. */
		assert_int_equal(put(KEY, upload.fd, 10 - i), FYNQ_OK);
		assert_true(is_read_by(NGINX, NGINX));
		assert_false(is_read_by(NOBODY, NOBODY));
		assert_int_equal(fynq_store_local.remove(rq, KEY), FYNQ_OK);
	}
}

/* What cannot be stored whole is not stored, and leaves nothing behind. */
static void
nothing_by_halves(void **state)
{
	const struct fynq_store *store = fynq_store();
	int64_t bytes;

	(void)state;
	assert_int_equal(put(KEY, source, 11), FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(put(KEY, -1, 1), FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(store->size(rq, KEY, &bytes), FYNQ_E_NOT_FOUND);
	assert_int_equal(count("/incoming"), 0);
	assert_int_equal(count("/objects/90/" USER), 0);
}

static void
no_folder(void **state)
{
	struct fynq_upload upload;

	(void)state;
	fynq_config.files_dir = "/proc/nowhere";
	assert_int_equal(fynq_upload_open(rq, &upload), FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(put(KEY, source, 1), FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(rq->problem.error, FYNQ_E_STORAGE_UNAVAILABLE);
}

static void
files_are_read_and_removed(void **state)
{
	struct fynq_uuid user, id;
	struct fynq_str bytes;

	(void)state;
	assert_true(fynq_uuid_parse(FYNQ_STR(USER), &user));
	assert_true(fynq_uuid_parse(FYNQ_STR(ID), &id));
	assert_int_equal(put(KEY, source, 10), FYNQ_OK);
	assert_int_equal(fynq_file_read(rq, &user, &id, 10, &bytes), FYNQ_OK);
	assert_str(bytes, "0123456789");
	assert_int_equal(fynq_file_read(rq, &user, &id, 9, &bytes), FYNQ_E_TOO_LARGE);

	/* Removing never makes the request fail, whatever becomes of it. */
	rq->problem.error = FYNQ_OK;
	fynq_file_remove(rq, &user, (struct fynq_uuid[]){ id, user }, 2);
	assert_int_equal(rq->problem.error, FYNQ_OK);
	assert_int_equal(fynq_file_read(rq, &user, &id, 10, &bytes), FYNQ_E_NOT_FOUND);
}

static void
users_are_removed(void **state)
{
	const struct fynq_store *store = fynq_store();
	char stuck[256];
	int fd;

	(void)state;
	assert_int_equal(store->remove_user(rq, FYNQ_STR(USER)), FYNQ_OK);
	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	assert_int_equal(put(FYNQ_STR(USER "/" OTHER), source, 7), FYNQ_OK);
	assert_int_equal(put(FYNQ_STR(OTHER "/" ID), source, 7), FYNQ_OK);
	assert_int_equal(store->remove_user(rq, FYNQ_STR(USER)), FYNQ_OK);
	assert_int_equal(count("/objects/90/" USER), -1);
	assert_int_equal(store->open(rq, KEY, &fd), FYNQ_E_NOT_FOUND);
	assert_int_equal(store->open(rq, FYNQ_STR(OTHER "/" ID), &fd), FYNQ_OK);

	/* What cannot go is told, and nothing follows a path that is no user's. */
	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	snprintf(stuck, sizeof(stuck), "%s/objects/90/" USER "/stuck", fynq_config.files_dir);
	assert_int_equal(mkdir(stuck, 0700), 0);
	assert_int_equal(store->remove_user(rq, FYNQ_STR(USER)), FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(rmdir(stuck), 0);
	assert_int_equal(store->remove_user(rq, FYNQ_STR(USER)), FYNQ_OK);
	assert_int_equal(store->remove_user(rq, FYNQ_STR("../92")), FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(store->remove_user(rq, FYNQ_STR("")), FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(store->open(rq, FYNQ_STR(OTHER "/" ID), &fd), FYNQ_OK);
}

/* One object comes and goes, so many times; the folder goes with it where it was alone in there. */
static bool
comes_and_goes(struct fynq_str key)
{
	const struct fynq_store *store = fynq_store();
	int64_t bytes;

	for (int i = 0; i < 50; i++)
		if (put(key, source, 7) != FYNQ_OK || store->size(rq, key, &bytes) != FYNQ_OK ||
		    store->remove(rq, key) != FYNQ_OK)
			return false;
	return true;
}

static void
folders_go_with_the_last(void **state)
{
	const struct fynq_store *store = fynq_store();
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	assert_int_equal(put(FYNQ_STR(USER "/" OTHER), source, 7), FYNQ_OK);
	assert_int_equal(store->remove(rq, KEY), FYNQ_OK);
	assert_int_equal(count("/objects/90/" USER), 1);
	assert_int_equal(store->remove(rq, FYNQ_STR(USER "/" OTHER)), FYNQ_OK);
	assert_int_equal(count("/objects/90/" USER), -1);

	if ((child = fork()) == 0)
		_exit(comes_and_goes(FYNQ_STR(USER "/" OTHER)) ? 0 : 1);
	assert_true(comes_and_goes(KEY));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(count("/objects/90"), 0);
}

enum { VISITS = 8 };

struct visits {
	char keys[VISITS][128];
	int64_t bytes[VISITS], changed_at[VISITS];
	size_t n, max;
};

static bool
on_visit(void *arg, struct fynq_str key, int64_t bytes, int64_t changed_at)
{
	struct visits *v = arg;

	assert_true(v->n < VISITS);
	snprintf(v->keys[v->n], sizeof(v->keys[0]), "%.*s", FYNQ_STR_ARG(key));
	v->bytes[v->n] = bytes;
	v->changed_at[v->n] = changed_at;
	return ++v->n < v->max;
}

static bool
visited(const struct visits *v, const char *key, int64_t bytes)
{
	for (size_t i = 0; i < v->n; i++)
		if (strcmp(v->keys[i], key) == 0)
			return v->bytes[i] == bytes;
	return false;
}

/* A file of four bytes, or a folder, that no put has made; when it was changed. */
static void
make(const char *below, bool folder, time_t changed_at)
{
	const struct timespec times[] = { { .tv_sec = changed_at }, { .tv_sec = changed_at } };
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", fynq_config.files_dir, below);
	if (folder) {
		assert_int_equal(mkdir(path, 0700), 0);
	} else {
		assert_non_null(file = fopen(path, "w"));
		assert_int_equal(fputs("abcd", file) == EOF, 0);
		assert_int_equal(fclose(file), 0);
	}
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
objects_are_listed(void **state)
{
	struct visits all = { .max = VISITS }, one = { .max = 1 }, none = { .max = VISITS };

	(void)state;
	assert_int_equal(fynq_store_local.list(rq, on_visit, &none), FYNQ_OK);
	assert_int_equal(none.n, 0);

	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	assert_int_equal(put(FYNQ_STR(USER "/" OTHER), source, 10), FYNQ_OK);
	assert_int_equal(put(FYNQ_STR(OTHER "/" ID), source, 3), FYNQ_OK);
	/* None of these is an object, whatever it is called: no key leads there. */
	make("/objects/notes.txt", false, 1);
	make("/objects/90/" OTHER, true, 1);
	make("/objects/90/" OTHER "/" ID, false, 1);
	make("/objects/90/notes.txt", false, 1);
	make("/objects/90/" USER "/notes.txt", false, 1);
	make("/objects/90/" USER "/0190163D-8694-739B-AEA5-966C26F8AD93", false, 1);
	make("/objects/90/" USER "/0190163d-8694-739b-aea5-966c26f8ad94", true, 1);
	/* And this is one whose put was long ago. */
	make("/objects/90/" USER "/0190163d-8694-739b-aea5-966c26f8ad95", false, 86400);

	assert_int_equal(fynq_store_local.list(rq, on_visit, &all), FYNQ_OK);
	assert_int_equal(all.n, 4);
	assert_true(visited(&all, USER "/" ID, 7));
	assert_true(visited(&all, USER "/" OTHER, 10));
	assert_true(visited(&all, OTHER "/" ID, 3));
	assert_true(visited(&all, USER "/0190163d-8694-739b-aea5-966c26f8ad95", 4));
	for (size_t i = 0; i < all.n; i++)
		assert_true(all.bytes[i] == 4 ? all.changed_at[i] == 86400
					      : llabs(all.changed_at[i] - time(NULL)) < 600);

	assert_int_equal(fynq_store_local.list(rq, on_visit, &one), FYNQ_E_INTERRUPTED);
	assert_int_equal(one.n, 1);
}

static void
leftovers_are_swept(void **state)
{
	int64_t n = -1;

	(void)state;
	assert_int_equal(put(KEY, source, 7), FYNQ_OK);
	assert_int_equal(fynq_store_local.sweep(rq, 1000, true, &n), FYNQ_OK);
	assert_int_equal(n, 0);
	make("/incoming/old", false, 999);
	make("/incoming/young", false, 1000);
	make("/tmp/upload-abcdef", false, 1);
	assert_int_equal(fynq_store_local.sweep(rq, 1000, false, &n), FYNQ_OK);
	assert_int_equal(n, 2);
	assert_int_equal(count("/incoming") + count("/tmp"), 3);
	assert_int_equal(fynq_store_local.sweep(rq, 1000, true, &n), FYNQ_OK);
	assert_int_equal(n, 2);
	assert_int_equal(count("/incoming"), 1);
	assert_int_equal(count("/tmp"), 0);
	assert_int_equal(count("/objects/90/" USER), 1);
}

struct pieces {
	char text[16];
	size_t n;
	bool end;
};

static bool
on_piece(void *arg, struct fynq_str bytes)
{
	struct pieces *p = arg;

	assert_true(p->n + bytes.n < sizeof(p->text));
	memcpy(p->text + p->n, bytes.p, bytes.n);
	p->n += bytes.n;
	return !p->end;
}

static void
ranges_are_fetched(void **state)
{
	struct pieces whole = { .n = 0 }, middle = { .n = 0 }, ended = { .end = true };
	struct pieces none = { .n = 0 };

	(void)state;
	assert_int_equal(fynq_store_local.fetch(rq, KEY, 0, 1, on_piece, &none), FYNQ_E_NOT_FOUND);
	assert_int_equal(put(KEY, source, 10), FYNQ_OK);
	assert_int_equal(fynq_store_local.fetch(rq, KEY, 0, 10, on_piece, &whole), FYNQ_OK);
	assert_string_equal(whole.text, "0123456789");
	assert_int_equal(fynq_store_local.fetch(rq, KEY, 3, 4, on_piece, &middle), FYNQ_OK);
	assert_string_equal(middle.text, "3456");
	assert_int_equal(fynq_store_local.fetch(rq, KEY, 0, 0, on_piece, &none), FYNQ_OK);
	assert_int_equal(none.n, 0);
	assert_int_equal(
	    fynq_store_local.fetch(rq, KEY, 0, 10, on_piece, &ended), FYNQ_E_INTERRUPTED);
	assert_int_equal(
	    fynq_store_local.fetch(rq, KEY, 8, 3, on_piece, &none), FYNQ_E_STORAGE_UNAVAILABLE);
}

static void
paths_lead_to_objects(void **state)
{
	struct fynq_str path;

	(void)state;
	assert_int_equal(fynq_store_local.path(rq, KEY, &path), FYNQ_OK);
	assert_str(path, "90/" USER "/" ID);
	assert_int_equal(
	    fynq_store_local.path(rq, FYNQ_STR("../" ID), &path), FYNQ_E_STORAGE_UNAVAILABLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kept_and_removed, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(other_keys_are_refused, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(uploads_become_objects, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(objects_are_replaced, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(groups_are_inherited, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(
		    the_group_reads_whatever_the_umask, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(nothing_by_halves, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(no_folder, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(files_are_read_and_removed, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(users_are_removed, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(folders_go_with_the_last, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(objects_are_listed, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(leftovers_are_swept, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(ranges_are_fetched, setup, teardown_folder),
		cmocka_unit_test_setup_teardown(paths_lead_to_objects, setup, teardown_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
