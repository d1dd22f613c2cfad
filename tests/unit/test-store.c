#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/config.h"
#include "storage/file.h"
#include "http/upload.h"
#include "storage/store.h"
#include "unit.h"

#define USER "0190163d-8694-739b-aea5-966c26f8ad90"
#define ID   "0190163d-8694-739b-aea5-966c26f8ad91"
#define KEY  FYNQ_STR(USER "/" ID)

static char root[64];
static struct fynq_req *rq;
static int source;

static int
setup(void **state)
{
	static char folder[] = "store-XXXXXX", files[80];
	struct fynq_upload upload;

	(void)state;
	strcpy(folder, "store-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(root, sizeof(root), "%s", folder);
	snprintf(files, sizeof(files), "%s/files", root);
	fynq_config.files_dir = files;
	umask(077);
	rq = fynq_req_new(-1, true);
	assert_int_equal(fynq_upload_open(rq, &upload), FYNQ_OK);
	assert_int_equal(write(upload.fd, "0123456789", 10), 10);
	source = upload.fd;
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	fynq_req_free(&rq);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static int
mode_of(const char *below)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", fynq_config.files_dir, below);
	return stat(path, &st) == 0 ? (int)(st.st_mode & 07777) : -1;
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
	assert_int_equal(
	    store->put(rq, KEY, &(struct fynq_object){ source, 7, "image/png" }), FYNQ_OK);
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

		assert_case(
		    store->put(rq, keys[i], &(struct fynq_object){ source, 1, "image/png" }) ==
			FYNQ_E_STORAGE_UNAVAILABLE,
		    name);
		assert_case(store->open(rq, keys[i], &fd) == FYNQ_E_STORAGE_UNAVAILABLE, name);
		assert_case(store->size(rq, keys[i], &bytes) == FYNQ_E_STORAGE_UNAVAILABLE, name);
		assert_case(store->remove(rq, keys[i]) == FYNQ_E_STORAGE_UNAVAILABLE, name);
	}
	assert_int_equal(count("/objects"), -1);
}

/* What cannot be stored whole is not stored, and leaves nothing behind. */
static void
nothing_by_halves(void **state)
{
	const struct fynq_store *store = fynq_store();
	int64_t bytes;

	(void)state;
	assert_int_equal(store->put(rq, KEY, &(struct fynq_object){ source, 11, "image/png" }),
	    FYNQ_E_STORAGE_UNAVAILABLE);
	assert_int_equal(store->put(rq, KEY, &(struct fynq_object){ -1, 1, "image/png" }),
	    FYNQ_E_STORAGE_UNAVAILABLE);
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
	assert_int_equal(fynq_store()->put(rq, KEY, source, 1), FYNQ_E_STORAGE_UNAVAILABLE);
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
	assert_int_equal(fynq_store()->put(rq, KEY, source, 10), FYNQ_OK);
	assert_int_equal(fynq_file_read(rq, &user, &id, 10, &bytes), FYNQ_OK);
	assert_str(bytes, "0123456789");
	assert_int_equal(fynq_file_read(rq, &user, &id, 9, &bytes), FYNQ_E_TOO_LARGE);

	/* Removing never makes the request fail, whatever becomes of it. */
	rq->problem.error = FYNQ_OK;
	fynq_file_remove(rq, &user, (struct fynq_uuid[]){ id, user }, 2);
	assert_int_equal(rq->problem.error, FYNQ_OK);
	assert_int_equal(fynq_file_read(rq, &user, &id, 10, &bytes), FYNQ_E_NOT_FOUND);
}

#define OTHER "0190163d-8694-739b-aea5-966c26f8ad92"

static void
users_are_removed(void **state)
{
	const struct fynq_store *store = fynq_store();
	char stuck[256];
	int fd;

	(void)state;
	assert_int_equal(store->remove_user(rq, FYNQ_STR(USER)), FYNQ_OK);
	assert_int_equal(
	    store->put(rq, KEY, &(struct fynq_object){ source, 7, "image/png" }), FYNQ_OK);
	assert_int_equal(store->put(rq, FYNQ_STR(USER "/" OTHER),
			     &(struct fynq_object){ source, 7, "image/png" }),
	    FYNQ_OK);
	assert_int_equal(
	    store->put(rq, FYNQ_STR(OTHER "/" ID), &(struct fynq_object){ source, 7, "image/png" }),
	    FYNQ_OK);
	assert_int_equal(store->remove_user(rq, FYNQ_STR(USER)), FYNQ_OK);
	assert_int_equal(count("/objects/90/" USER), -1);
	assert_int_equal(store->open(rq, KEY, &fd), FYNQ_E_NOT_FOUND);
	assert_int_equal(store->open(rq, FYNQ_STR(OTHER "/" ID), &fd), FYNQ_OK);

	/* What cannot go is told, and nothing follows a path that is no user's. */
	assert_int_equal(
	    store->put(rq, KEY, &(struct fynq_object){ source, 7, "image/png" }), FYNQ_OK);
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
		if (store->put(rq, key, &(struct fynq_object){ source, 7, "image/png" }) !=
			FYNQ_OK ||
		    store->size(rq, key, &bytes) != FYNQ_OK || store->remove(rq, key) != FYNQ_OK)
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
	assert_int_equal(
	    store->put(rq, KEY, &(struct fynq_object){ source, 7, "image/png" }), FYNQ_OK);
	assert_int_equal(store->put(rq, FYNQ_STR(USER "/" OTHER),
			     &(struct fynq_object){ source, 7, "image/png" }),
	    FYNQ_OK);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kept_and_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(other_keys_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_by_halves, setup, teardown),
		cmocka_unit_test_setup_teardown(no_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(files_are_read_and_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(users_are_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(folders_go_with_the_last, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
