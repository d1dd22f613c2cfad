#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/sniff.h"
#include "storage/types.h"
#include "folder.h"

/* An upload of these bytes, declared as that; *type_r is what it is found to be. */
static enum fynq_err
check(struct fynq_str bytes, const char *purpose, const char *declared, const char **type_r)
{
	struct fynq_upload u;

	rq->problem = (struct fynq_problem){ 0 };
	assert_int_equal(fynq_upload_open(rq, &u), FYNQ_OK);
	assert_int_equal(write(u.fd, bytes.p, bytes.n), bytes.n);
	u.bytes = (int64_t)bytes.n;
	u.media_type = fynq_str_of(declared);
	return fynq_type_check(rq, FYNQ_STR("file"), fynq_str_of(purpose), &u, type_r);
}

static void
assert_type(struct fynq_str bytes, const char *purpose, const char *declared, const char *wanted)
{
	const char *type = NULL;

	assert_int_equal(check(bytes, purpose, declared, &type), FYNQ_OK);
	assert_string_equal(type, wanted);
}

static void
assert_refused(struct fynq_str bytes, const char *purpose, const char *declared, const char *words)
{
	const char *type = NULL;

	assert_int_equal(check(bytes, purpose, declared, &type), FYNQ_E_MEDIA_TYPE);
	assert_int_equal(rq->problem.n_faults, 1);
	assert_string_equal(rq->problem.faults[0].code, "type");
	assert_true(fynq_str_eq(rq->problem.faults[0].message, fynq_str_of(words)));
}

static const struct fynq_str pdf = FYNQ_STR_INIT("%PDF-1.4\n1 0 obj\n");
static const struct fynq_str words = FYNQ_STR_INIT("Why is the sky blue?\n");
static const struct fynq_str gif = FYNQ_STR_INIT("GIF89a\1\0\1\0\200\0\0\377\377\377\0\0\0!");
static const struct fynq_str mp4 = FYNQ_STR_INIT("\0\0\0\30ftypisom\0\0\0\0isommp42");

static void
types(void **state)
{
	(void)state;
	assert_type(pdf, "document", NULL, "application/pdf");
	assert_type(pdf, "content", "", "application/pdf");
	assert_type(pdf, "document", "application/octet-stream", "application/pdf");
	assert_type(pdf, "document", "application/x-pdf", "application/pdf");
	assert_type(words, "document", "text/markdown", "text/plain");
	assert_type(FYNQ_STR("Article 1. Human dignity\n"), "document", "text/plain", "text/plain");
	assert_type(FYNQ_STR("Date: Monday\n"), "content", NULL, "text/plain");
	assert_type(gif, "content", "image/gif", "image/gif");
	assert_type(mp4, "content", "video/mp4", "video/mp4");
	assert_refused(
	    mp4, "document", NULL, "It is video/mp4, which is not taken for the purpose document.");
	assert_refused(
	    gif, "chat", NULL, "It is image/gif, which is not taken for the purpose chat.");
	assert_refused(
	    words, "avatar", NULL, "It is text/plain, which is not taken for the purpose avatar.");
	assert_refused(
	    pdf, "document", "text/plain", "It is application/pdf, and was sent as text/plain.");
	assert_refused(
	    words, "document", "text/html", "It is text/plain, and was sent as text/html.");
	assert_refused(FYNQ_STR("<html><body>x"), "document", "text/plain",
	    "It is text/html, which is not taken for the purpose document.");
	assert_refused(FYNQ_STR("junk\n%PDF-1.4\n1 0 obj\n"), "document", NULL,
	    "It is something else at its beginning, which is not taken for the purpose document.");
}

/* A character may stand across each end of what is looked at; half a one may not end the file. */
static void
text(void **state)
{
	static const char *const chars[] = { "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9d\x84\x9e" };
	enum { SIZE = 3 * FYNQ_SNIFF_BYTES };
	char p[SIZE + 8];

	(void)state;
	for (size_t c = 0; c < 3; c++) {
		size_t n = strlen(chars[c]);

		for (size_t shift = 0; shift <= n; shift++) {
			memset(p, 'a', sizeof(p));
			memcpy(p + FYNQ_SNIFF_BYTES - shift, chars[c], n);
			memcpy(p + SIZE - FYNQ_SNIFF_BYTES - shift, chars[c], n);
			assert_type((struct fynq_str){ p, SIZE }, "document", NULL, "text/plain");
		}
		for (size_t cut = 1; cut < n; cut++) {
			memset(p, 'a', sizeof(p));
			memcpy(p + SIZE - cut, chars[c], n);
			assert_refused((struct fynq_str){ p, SIZE }, "document", NULL,
			    "It is no text in UTF-8; save it as UTF-8.");
			memcpy(p + 1000 - cut, chars[c], n);
			assert_refused((struct fynq_str){ p, 1000 }, "document", NULL,
			    "It is no text in UTF-8; save it as UTF-8.");
		}
	}
	memset(p, 'a', sizeof(p));
	memcpy(p + 100, "\x80\x80\x80\x80", 4);
	assert_refused((struct fynq_str){ p, SIZE }, "document", NULL,
	    "It is no text in UTF-8; save it as UTF-8.");
}

static void
texts_of_one_byte(void **state)
{
	(void)state;
	assert_type(FYNQ_STR("x"), "document", "text/plain", "text/plain");
	assert_type(FYNQ_STR("\n"), "content", NULL, "text/plain");
	assert_refused(
	    FYNQ_STR("\xe9"), "document", NULL, "It is no text in UTF-8; save it as UTF-8.");
	assert_refused(FYNQ_STR("\0"), "document", NULL,
	    "It is application/octet-stream, which is not taken for the purpose document.");
	assert_refused(FYNQ_STR("\xe9"), "chat", NULL,
	    "It is no text in UTF-8, which is not taken for the purpose chat.");
}

/* By two letters, or by a line somewhere, libmagic knows languages that a text is not in. */
static void
texts_that_libmagic_takes_for_others(void **state)
{
	static const char *const all[] = {
		"SPANISH\nla casa: the house\n",
		"PAPER 2: section A\n",
		"BP: blood pressure\n",
		"C is a language.\n",
		"# Notes\n\nA function:\n\n    const f = require('fs');\n    function g(a) {\n"
		"      return a.b;\n    }\n    module.exports = g;\n",
		"all: a.o\n\tcc -o all a.o\n",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(all); i++)
		assert_type(fynq_str_of(all[i]), "document", "text/plain", "text/plain");
	/* That something else is no text shows, and nobody may call a text so. */
	assert_refused(FYNQ_STR("SP1;PU0,0;\xff\xfe"), "document", NULL,
	    "It is no text in UTF-8; save it as UTF-8.");
	assert_refused(words, "document", "application/javascript",
	    "It is text/plain, and was sent as application/javascript.");
	assert_refused(FYNQ_STR("#!/bin/sh\nrm -rf /\n"), "document", "text/plain",
	    "It is text/x-shellscript, which is not taken for the purpose document.");
}

static void
extensions(void **state)
{
	(void)state;
	assert_string_equal(fynq_type_extension(FYNQ_STR("image/jpeg")), ".jpg");
	assert_string_equal(fynq_type_extension(FYNQ_STR("image/jpg")), ".jpg");
	assert_string_equal(fynq_type_extension(FYNQ_STR("text/html")), "");
	assert_string_equal(fynq_type_extension((struct fynq_str){ 0 }), "");
}

static void
names_end_in_an_extension_of_their_type(void **state)
{
	static const struct {
		const char *type, *name, *saved;
	} rows[] = {
		{ "application/pdf", "a.pdf", "a.pdf" },
		{ "application/pdf", "A.PDF", "A.PDF" },
		{ "application/pdf", "a.html", "a.html.pdf" },
		{ "application/pdf", "a.pdf.exe", "a.pdf.exe.pdf" },
		{ "application/pdf", "apdf", "apdf.pdf" },
		{ "application/pdf", ".pdf", ".pdf.pdf" },
		{ "application/pdf", "a.pdf ", "a.pdf .pdf" },
		{ "image/jpeg", "a.jpeg", "a.jpeg" },
		{ "image/jpeg", "a.png", "a.png.jpg" },
		{ "text/plain", "CON", "CON.txt" },
		{ "text/plain", "notes.md", "notes.md" },
		{ "text/plain", "main.c", "main.c" },
		{ "text/plain", "run.bat", "run.bat.txt" },
		{ "text/plain", "run.js", "run.js.txt" },
		{ "text/html", "a.html", "a.html.bin" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_str(fynq_type_name(rq, fynq_str_of(rows[i].type), fynq_str_of(rows[i].name)),
		    rows[i].saved);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(types, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(text, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(texts_of_one_byte, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(
		    texts_that_libmagic_takes_for_others, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(extensions, setup_folder, teardown_folder),
		cmocka_unit_test_setup_teardown(
		    names_end_in_an_extension_of_their_type, setup_folder, teardown_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
