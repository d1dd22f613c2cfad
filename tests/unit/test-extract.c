#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/config.h"
#include "library/extract.h"
#include "library/passages.h"
#include "unit.h"

static char folder[] = "/tmp/test-extract-XXXXXX", program[64];

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(program, sizeof(program), "%s/pdftotext", folder);
	fynq_config.files_dir = folder;
	fynq_config.pdf_seconds = 1;
	fynq_config.pdf_pages = 7;
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* What reads documents is that script. */
static void
install(const char *script)
{
	FILE *f = fopen(program, "w");

	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	assert_int_equal(chmod(program, 0700), 0);
	fynq_config.pdftotext = program;
}

/* A descriptor of a document, which stands at its end. */
static int
document(const char *bytes)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/document", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd > 2);
	assert_int_equal(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	return fd;
}

static void
ends(void **state)
{
	static const struct {
		const char *name, *script, *bytes;
		enum fynq_extract_end end;
		const char *text;
	} cases[] = {
		{ "a text", "cat", "%PDF", FYNQ_EXTRACT_DONE, "%PDF" },
		{ "its arguments", "echo \"$*\"", "", FYNQ_EXTRACT_DONE,
		    "-q -enc UTF-8 -l 7 - -\n" },
		{ "no text", "exit 0", "", FYNQ_EXTRACT_DONE, "" },
		{ "damaged", "exit 1", "%PDF", FYNQ_EXTRACT_DAMAGED, "" },
		{ "encrypted", "exit 1", "%PDF << /Encrypt >>", FYNQ_EXTRACT_ENCRYPTED, "" },
		{ "a crash", "kill -SEGV $$", "%PDF", FYNQ_EXTRACT_DAMAGED, "" },
		{ "no end", "while :; do :; done", "", FYNQ_EXTRACT_TOO_LARGE, "" },
		{ "no end, and no time", "exec sleep 60", "", FYNQ_EXTRACT_LATER, "" },
		{ "too much", "exec head -c 6000000 /dev/zero", "", FYNQ_EXTRACT_TOO_LARGE, "" },
		{ "too much, and memory", "exec dd if=/dev/zero bs=400M count=1", "",
		    FYNQ_EXTRACT_TOO_LARGE, "" },
	};
	struct fynq_str text;
	struct fynq_req *rq;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		int fd = document(cases[i].bytes);

		install(cases[i].script);
		rq = fynq_req_new(-1, true);
		assert_case(fynq_extract_pdf(rq, fd, &text) == cases[i].end, cases[i].name);
		assert_case(fynq_str_eq(text, fynq_str_of(cases[i].text)), cases[i].name);
		fynq_req_free(&rq);
		close(fd);
	}
}

/* The word may lie across two looks at the document. */
static void
finds_the_word_anywhere(void **state)
{
	struct fynq_str text;
	struct fynq_req *rq;
	char bytes[70000];

	(void)state;
	install("exit 1");
	for (size_t at = 65536 - 10; at < 65536 + 3; at++) {
		int fd;

		memset(bytes, '.', sizeof(bytes));
		memcpy(bytes + at, "/Encrypt", 8);
		bytes[sizeof(bytes) - 1] = '\0';
		fd = document(bytes);
		rq = fynq_req_new(-1, true);
		assert_int_equal(fynq_extract_pdf(rq, fd, &text), FYNQ_EXTRACT_ENCRYPTED);
		fynq_req_free(&rq);
		close(fd);
	}
}

static void
waits_for_the_program(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	struct fynq_str text;
	int fd = document("%PDF");

	(void)state;
	fynq_config.pdftotext = "/nonexistent/pdftotext";
	assert_int_equal(fynq_extract_pdf(rq, fd, &text), FYNQ_EXTRACT_LATER);
	fynq_req_free(&rq);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends),
		cmocka_unit_test(finds_the_word_anywhere),
		cmocka_unit_test(waits_for_the_program),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
