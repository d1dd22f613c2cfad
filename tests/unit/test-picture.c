/*
 * What becomes of a picture when something is wrong: with its bytes, or with libvips' programs, in
 * whose place shell scripts stand. What libvips makes of pictures, tests/e2e/pictures.test.mjs
 * tests.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/config.h"
#include "http/fields.h"
#include "http/upload.h"
#include "storage/picture.h"
#include "unit.h"

#define JPEG	   "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
#define PNG	   "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
#define SEES(what) "echo '" what "'"

enum { SECOND = 1000000 };

static char root[PATH_MAX];

static int
setup(void **state)
{
	static char folder[] = "picture-XXXXXX", files[80];

	(void)state;
	strcpy(folder, "picture-XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_non_null(realpath(folder, root));
	snprintf(files, sizeof(files), "%s/files", folder);
	fynq_config = (struct fynq_config){
		.files_dir = files,
		.vips_dir = root,
		.image_pixels = 1000000,
		.image_side = 100,
		.image_seconds = 20,
		.image_processes = 2,
	};
	return 0;
}

static int
teardown(void **state)
{
	char command[PATH_MAX + 16];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

/* Put a shell script in the place of a program of libvips; none for NULL. */
static void
program(const char *name, const char *script)
{
	char path[PATH_MAX + 32];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	unlink(path);
	if (script == NULL)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0700), 0);
}

/* Prepare a picture of these bytes, in a request of its own that is freed by the caller. */
static enum fynq_err
prepare(struct fynq_req **rq_r, struct fynq_str bytes, struct fynq_picture *picture_r)
{
	struct fynq_upload upload;

	*rq_r = fynq_req_new(-1, true);
	assert_int_equal(fynq_upload_open(*rq_r, &upload), FYNQ_OK);
	assert_int_equal(write(upload.fd, bytes.p, bytes.n), bytes.n);
	return fynq_picture_prepare(
	    *rq_r, FYNQ_STR("image"), upload.fd, (int64_t)bytes.n, picture_r);
}

#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void
prepared(void **state)
{
	struct fynq_picture picture;
	struct fynq_req *rq;
	char bytes[4] = "";

	(void)state;
	program("vipsheader", SEES("80x60 uchar, 3 bands, srgb, jpegload_source"));
	program("vipsthumbnail", "printf abc");
	assert_int_equal(prepare(&rq, FYNQ_STR(JPEG), &picture), FYNQ_OK);
	assert_string_equal(picture.media_type, "image/jpeg");
	assert_string_equal(picture.sha256, ABC_SHA256);
	assert_int_equal(picture.bytes, 3);
	assert_int_equal(picture.width, 80);
	assert_int_equal(picture.height, 60);
	assert_int_equal(pread(picture.fd, bytes, 4, 0), 3);
	assert_string_equal(bytes, "abc");
	fynq_req_free(&rq);
}

static void
large_png_becomes_jpeg(void **state)
{
	struct fynq_picture picture;
	struct fynq_req *rq;

	(void)state;
	program("vipsheader", SEES("80x60 uchar, 3 bands, srgb, pngload_source"));
	program("vipsthumbnail", "case \"$*\" in"
				 " *.png*) exec head -c 5000000 /dev/zero ;;"
				 " *.jpg*) printf abc ;; esac");
	assert_int_equal(prepare(&rq, FYNQ_STR(PNG), &picture), FYNQ_OK);
	assert_string_equal(picture.media_type, "image/jpeg");
	assert_string_equal(picture.sha256, ABC_SHA256);
	assert_int_equal(picture.bytes, 3);
	fynq_req_free(&rq);
}

static void
refused(void **state)
{
	static const char good[] = SEES("80x60 uchar, 3 bands, srgb, jpegload_source");
	static const struct {
		const char *name;
		struct fynq_str bytes;
		const char *header, *thumbnail;
		enum fynq_err error;
		const char *fault; /* its code; NULL for a problem without faults */
	} cases[] = {
		{ "nothing", FYNQ_STR_INIT(""), good, "printf abc", FYNQ_E_INVALID, "too_short" },
		{ "text", FYNQ_STR_INIT("Why is the sky blue?\n"), good, "printf abc",
		    FYNQ_E_MEDIA_TYPE, "type" },
		{ "GIF", FYNQ_STR_INIT("GIF89a\1\0\1\0\0\0\0;"), good, "printf abc",
		    FYNQ_E_MEDIA_TYPE, "type" },
		{ "no vipsheader", FYNQ_STR_INIT(JPEG), NULL, "printf abc",
		    FYNQ_E_PICTURES_UNAVAILABLE, NULL },
		{ "no vipsthumbnail", FYNQ_STR_INIT(JPEG), good, NULL, FYNQ_E_PICTURES_UNAVAILABLE,
		    NULL },
		{ "a header that cannot be read", FYNQ_STR_INIT(JPEG), "exit 1", "printf abc",
		    FYNQ_E_INVALID, "format" },
		{ "no header", FYNQ_STR_INIT(JPEG), "exit 0", "printf abc", FYNQ_E_INVALID,
		    "format" },
		{ "another decoder", FYNQ_STR_INIT(JPEG),
		    SEES("80x60 uchar, 3 bands, srgb, svgload_source"), "printf abc",
		    FYNQ_E_INVALID, "format" },
		{ "a pixel too many", FYNQ_STR_INIT(JPEG),
		    SEES("1000001x1 uchar, 3 bands, srgb, jpegload_source"), "printf abc",
		    FYNQ_E_INVALID, "too_large" },
		{ "more pixels than fit 32 bits", FYNQ_STR_INIT(JPEG),
		    SEES("65536x65536 uchar, 3 bands, srgb, jpegload_source"), "printf abc",
		    FYNQ_E_INVALID, "too_large" },
		{ "cut off", FYNQ_STR_INIT(JPEG), good, "exit 1", FYNQ_E_INVALID, "format" },
		{ "a crash", FYNQ_STR_INIT(JPEG), good, "kill -SEGV $$", FYNQ_E_INVALID, "format" },
		{ "no result", FYNQ_STR_INIT(JPEG), good, "exit 0", FYNQ_E_INVALID, "format" },
		{ "a large result", FYNQ_STR_INIT(JPEG), good, "exec head -c 8388609 /dev/zero",
		    FYNQ_E_INVALID, "too_large" },
	};
	struct fynq_picture picture;
	struct fynq_req *rq;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		const char *name = cases[i].name;

		program("vipsheader", cases[i].header);
		program("vipsthumbnail", cases[i].thumbnail);
		assert_case(prepare(&rq, cases[i].bytes, &picture) == cases[i].error, name);
		assert_case(rq->problem.error == cases[i].error, name);
		assert_case(rq->problem.n_faults == (cases[i].fault != NULL), name);
		if (cases[i].fault != NULL) {
			assert_str(rq->problem.faults[0].field, "image");
			assert_case(strcmp(rq->problem.faults[0].code, cases[i].fault) == 0, name);
		}
		fynq_req_free(&rq);
	}
}

/* The processor's time of all children so far. */
static int64_t
children_us(void)
{
	struct rusage use;

	assert_int_equal(getrusage(RUSAGE_CHILDREN, &use), 0);
	return (int64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * SECOND +
	       use.ru_utime.tv_usec + use.ru_stime.tv_usec;
}

static void
out_of_time(void **state)
{
	static const char good[] = SEES("80x60 uchar, 3 bands, srgb, jpegload_source");
	struct fynq_picture picture;
	struct fynq_req *rq;
	int64_t spent;
	enum fynq_err e;

	(void)state;
	fynq_config.image_seconds = 1;
	program("vipsheader", good);
	program("vipsthumbnail", "exec sleep 60");
	assert_int_equal(prepare(&rq, FYNQ_STR(JPEG), &picture), FYNQ_E_BUSY);
	fynq_req_free(&rq);

	/*
	 * What burns its time is at fault itself. It has none to burn on a machine whose processors
	 * others have; what vipsheader takes is a few ms.
	 */
	program("vipsthumbnail", "while :; do :; done");
	fynq_config.image_seconds = 2;
	spent = children_us();
	e = prepare(&rq, FYNQ_STR(JPEG), &picture);
	spent = children_us() - spent;
	if (spent > SECOND * 6 / 10)
		assert_int_equal(e, FYNQ_E_INVALID);
	else if (spent < SECOND * 5 / 10)
		assert_int_equal(e, FYNQ_E_BUSY);
	if (e == FYNQ_E_INVALID)
		assert_string_equal(rq->problem.faults[0].code, "too_large");
	else
		assert_int_equal(e, FYNQ_E_BUSY);
	fynq_req_free(&rq);
}

static void *
prepare_slowly(void *error_r)
{
	struct fynq_picture picture;
	struct fynq_req *rq;

	*(enum fynq_err *)error_r = prepare(&rq, FYNQ_STR(JPEG), &picture);
	fynq_req_free(&rq);
	return NULL;
}

/* One at a time: the second waits for its turn, and not for ever. */
static void
turns(void **state)
{
	enum fynq_err first = FYNQ_E_INTERNAL, second = FYNQ_E_INTERNAL;
	char held[PATH_MAX + 8], script[2 * PATH_MAX + 256];
	pthread_t thread;
	struct stat st;

	(void)state;
	fynq_config.image_processes = 1;
	snprintf(held, sizeof(held), "%s/held", root);
	snprintf(script, sizeof(script),
	    ": >%s; while [ -e %s ]; do sleep 0.01; done; echo '8x6 uchar, 3 bands, srgb, "
	    "jpegload'",
	    held, held);
	program("vipsheader", script);
	program("vipsthumbnail", "printf abc");
	assert_int_equal(pthread_create(&thread, NULL, prepare_slowly, &first), 0);
	while (stat(held, &st) != 0)
		usleep(1000);
	program("vipsheader", "echo '8x6 uchar, 3 bands, srgb, jpegload'");

	/* The first keeps its own limit of 20 s; the second waits for one. */
	fynq_config.image_seconds = 1;
	prepare_slowly(&second);
	assert_int_equal(second, FYNQ_E_BUSY);
	fynq_config.image_seconds = 20;
	assert_int_equal(unlink(held), 0);
	prepare_slowly(&second);
	assert_int_equal(second, FYNQ_OK);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(first, FYNQ_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(prepared, setup, teardown),
		cmocka_unit_test_setup_teardown(large_png_becomes_jpeg, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(out_of_time, setup, teardown),
		cmocka_unit_test_setup_teardown(turns, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
