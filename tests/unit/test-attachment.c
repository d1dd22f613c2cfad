#include <stdio.h>

#include "http/attachment.h"
#include "unit.h"

#define LONG10 "ABCDEFGHIJ"
#define LONG80 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10 LONG10

static const struct row {
	const char *name, *ascii, *encoded;
} rows[] = {
	{ "Two halves", "Two halves", "Two%20halves" },
	{ "a-b._c~!#&'()+,=@[]^{}", "a-b._c~!#&_()+,=@[]^{}",
	    "a-b._c%7E%21%23%26_%28%29%2B%2C%3D%40%5B%5D%5E%7B%7D" },
	{ "\xc3\x84pfel \xe2\x82\xac \xf0\x9f\x98\x80", "_pfel _ _",
	    "%C3%84pfel%20%E2%82%AC%20%F0%9F%98%80" },
	/* What would end the value, leave the folder or mean something to a shell. */
	{ "a\"b\\c/d:e*f?g<h>i|j;k%l$m`n", "a_b_c_d_e_f_g_h_i_j_k_l_m_n",
	    "a_b_c_d_e_f_g_h_i_j_k_l_m_n" },
	{ "a\r\nSet-Cookie: b\tc\x7f", "a__Set-Cookie_ b_c_", "a__Set-Cookie_%20b_c_" },
	{ "../..", "_", "_" },
	{ ".. hidden. .", "hidden", "hidden" },
	/* A C1 control, a line separator, a direction that is set, one that is isolated. */
	{ "\xc2\x85-\xe2\x80\xa8-\xe2\x80\xae-\xe2\x81\xa6.", "_-_-_-_", "_-_-_-_" },
	{ "\xc2\xa0-\xe2\x80\xa7-\xe2\x80\xaf-\xe2\x81\xaa", "_-_-_-_",
	    "%C2%A0-%E2%80%A7-%E2%80%AF-%E2%81%AA" },
	{ "", "file", "file" },
	{ " . ", "file", "file" },
	{ LONG80 "k", LONG80, LONG80 },
};

static void
names(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	char want[1024];

	(void)state;
	for (const struct row *row = rows; row < rows + LENGTH(rows); row++) {
		snprintf(want, sizeof(want),
		    "Content-Disposition: attachment; filename=\"%s.json\"; "
		    "filename*=UTF-8''%s.json\r\n",
		    row->ascii, row->encoded);
		fynq_reply_attachment(rq, fynq_str_of(row->name), "json");
		assert_str(fynq_buf_str(&rq->reply.headers), want);
		fynq_req_reset(rq);
	}
	fynq_req_free(&rq);
}

/* The longest name there is, of four bytes a code point. */
static void
the_longest(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	char name[4 * 81 + 1];

	(void)state;
	for (size_t i = 0; i < 81; i++)
		memcpy(name + 4 * i, "\xf0\x9f\x98\x80", 5);
	fynq_reply_attachment(rq, fynq_str_of(name), "md");
	assert_int_equal(rq->reply.headers.n,
	    strlen("Content-Disposition: attachment; filename=\"\"; filename*=UTF-8''\r\n") + 80 +
		80 * 12 + 2 * strlen(".md"));
	fynq_req_free(&rq);
}

#define LONG320 LONG80 LONG80 LONG80 LONG80

/* Names of files that somebody sent. */
static const struct row files[] = {
	{ "Blatt 1.jpg", "Blatt 1.jpg", "Blatt%201.jpg" },
	{ "archive.tar.GZ", "archive.tar.GZ", "archive.tar.GZ" },
	{ "\xc3\x84.pdf", "_.pdf", "%C3%84.pdf" },
	{ "no extension", "no extension", "no%20extension" },
	{ ".profile", "profile", "profile" },
	{ "ends.", "ends", "ends" },
	{ "a.b c", "a.b c", "a.b%20c" },
	{ "a.\xc3\xa4", "a._", "a.%C3%A4" },
	{ "a.jpg\"; x=\"b.exe", "a.jpg__ x=_b.exe", "a.jpg__%20x%3D_b.exe" },
	{ "a\\.jpg", "a_.jpg", "a_.jpg" },
	{ "a\r\nSet-Cookie: b.html", "a__Set-Cookie_ b.html", "a__Set-Cookie_%20b.html" },
	/* Shown as "photo exe.jpg" where the direction of writing is turned. */
	{ "photo \xe2\x80\xaegpj.exe", "photo _gpj.exe", "photo%20_gpj.exe" },
	{ "a.12345678901234567", "a.12345678901234567", "a.12345678901234567" },
	{ LONG320 ".jpg", LONG80 ".jpg", LONG80 ".jpg" },
	{ LONG320 ".12345678901234567", LONG80, LONG80 },
	{ "..jpg", "file.jpg", "file.jpg" },
	{ "", "file", "file" },
};

static void
names_of_files(void **state)
{
	struct fynq_req *rq = fynq_req_new(-1, true);
	char want[1024];

	(void)state;
	for (const struct row *row = files; row < files + LENGTH(files); row++)
		for (int shown = 0; shown < 2; shown++) {
			snprintf(want, sizeof(want),
			    "Content-Disposition: %s; filename=\"%s\"; filename*=UTF-8''%s\r\n",
			    shown ? "inline" : "attachment", row->ascii, row->encoded);
			fynq_reply_filename(rq, fynq_str_of(row->name), shown);
			assert_str(fynq_buf_str(&rq->reply.headers), want);
			fynq_req_reset(rq);
		}
	fynq_reply_filename(rq, (struct fynq_str){ 0 }, true);
	assert_str(fynq_buf_str(&rq->reply.headers),
	    "Content-Disposition: inline; filename=\"file\"; filename*=UTF-8''file\r\n");
	assert_str(fynq_filename(rq, FYNQ_STR("\xc3\x84/\xe2\x80\xae\x01.pdf")), "\xc3\x84___.pdf");
	fynq_req_free(&rq);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(the_longest),
		cmocka_unit_test(names_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
