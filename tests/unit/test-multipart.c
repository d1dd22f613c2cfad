#include "tape.h"

struct document {
	const char *name, *body, *want;
};

/* Every document in one piece, and in pieces of every size. */
static void
check_documents(const struct document *documents, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct fynq_str body = fynq_str_of(documents[i].body);

		for (size_t piece = body.n; piece >= 1; piece--) {
			const char *told = parse(FYNQ_STR("b"), body, piece);

			if (strcmp(told, documents[i].want) != 0)
				fail_msg("%s, in pieces of %zu: \"%s\" is not \"%s\"",
				    documents[i].name, piece, told, documents[i].want);
		}
	}
}

static void
parts(void **state)
{
	static const struct document documents[] = {
		{ "a text", PART("a") "text" END, "[a,-,-]text;" },
		{ "no parts", "--b--", "" },
		{ "no parts, after a line end", "\r\n--b--\r\n", "" },
		{ "no data", PART("a") END, "[a,-,-];" },
		{ "no data, one line end less", "--b\r\n" D("name=a") "\r\n--b--", "[a,-,-];" },
		{ "two", PART("a") "1\r\n" PART("b") "2" END "\r\n", "[a,-,-]1;[b,-,-]2;" },
		{ "a file",
		    "--b\r\n" D("name=\"f\"; filename=\"p.png\"") "Content-Type: image/PNG; q=1\r\n"
								  "\r\n\x89PNG" END,
		    "[f,p.png,image/png]\x89PNG;" },
		{ "headers in other words",
		    "--b\r\ncontent-type:text/plain\r\nX-Other: 1\r\n"
		    "CONTENT-DISPOSITION:Form-Data;NAME=a ; x=\"y;z\";\r\n"
		    "Content-Transfer-Encoding: 8BIT\r\n\r\n1" END,
		    "[a,-,text/plain]1;" },
		{ "spaces behind boundaries", "--b \t\r\n" D("name=a") "\r\n1\r\n--b-- \r\n",
		    "[a,-,-]1;" },
		{ "preamble", "hello\r\n-b\r\n--c\n--b\r\r\n" PART("a") "1" END, "[a,-,-]1;" },
		{ "epilogue", PART("a") "1" END "x\r\n" PART("z") END, "[a,-,-]1;" },
		{ "what is nearly a boundary",
		    PART("a") "\r\n--\r\n-\r\n\r\r\n--c\r--b\n--b\r\n-b--b\r\n--" END,
		    "[a,-,-]\r\n--\r\n-\r\n\r\r\n--c\r--b\n--b\r\n-b--b\r\n--;" },
		{ "nearly one, at once", PART("a") "--c\r\n" END, "[a,-,-]--c\r\n;" },
		{ "line ends", PART("a") "\r\n\r\n\n\r" END, "[a,-,-]\r\n\r\n\n\r;" },
	};

	(void)state;
	check_documents(documents, LENGTH(documents));
}

#define NAMED(params, rest)                                  \
	{                                                    \
		params, "--b\r\n" D(params) "\r\n" END, rest \
	}

static void
names(void **state)
{
	static const struct document documents[] = {
		NAMED("name=\"a b\"", "[a b,-,-];"),
		NAMED("name=\"\xc3\xa9\xe2\x82\xac\"", "[\xc3\xa9\xe2\x82\xac,-,-];"),
		NAMED("name=\"a%22b\"", "[a\"b,-,-];"),
		NAMED("name=\"a\\\"b\\\\c\\d\"", "[a\"b\\c\\d,-,-];"),
		NAMED("name=\"a;b=c\"", "[a;b=c,-,-];"),
		NAMED("name=\"100%\"", "[100%,-,-];"),
		NAMED("name=a; filename=\"\"", "[a,,-];"),
		NAMED("filename=x.png; name=a", "[a,x.png,-];"),
		NAMED("name=a; filename=\"\xf0\x9f\x99\x82 %22x%22.png\"",
		    "[a,\xf0\x9f\x99\x82 \"x\".png,-];"),
		NAMED("name=a; filename=\"../../etc/passwd\"", "[a,passwd,-];"),
		NAMED("name=a; filename=\"C:\\fakepath\\x.png\"", "[a,x.png,-];"),
		NAMED("name=a; filename=\"x/\"", "[a,,-];"),
		NAMED("name=\"a/b\"", "[a/b,-,-];"),
		NAMED("name=\"a%0D%0AX: y\"", "A part's name holds a line end."),
		NAMED("name=\"a%0aX: y\"", "A part's name holds a line end."),
		NAMED("name=a; filename=\"x%0d\"", "A part's filename holds a line end."),
		NAMED("name=\"\xff\"", "A part's name is not UTF-8."),
		NAMED("name=a; filename=\"\xc3\"", "A part's filename is not UTF-8."),
		NAMED("name=\"a\tb\"", "A part's name holds a control character."),
		NAMED("name=a; filename=\"\xc2\x85\"",
		    "A part's filename holds a control character."),
		NAMED("name=a; filename=\"\xe2\x80\xa8\"",
		    "A part's filename holds a control character."),
		NAMED("name=\"a", "A part's Content-Disposition is malformed."),
		NAMED("name=\"a\\\"", "A part's Content-Disposition is malformed."),
		NAMED("name=\"a\"b", "A part's Content-Disposition is malformed."),
		NAMED("name=", "A part's Content-Disposition is malformed."),
		NAMED("name", "A part's Content-Disposition is malformed."),
		NAMED("na me=a", "A part's Content-Disposition is malformed."),
		NAMED("name=\"\"", "A part has no name."),
		NAMED("filename=a", "A part has no name."),
		NAMED("name=a; name=a", "A part has name twice."),
		NAMED("name=a; filename=a; FileName=b", "A part has filename twice."),
		NAMED("name=a; filename=a; filename*=utf-8''b",
		    "A form takes no filename* (RFC 7578 section 4.2)."),
	};

	(void)state;
	check_documents(documents, LENGTH(documents));
}

#define HEADED(headers, why)                                \
	{                                                   \
		headers, "--b\r\n" headers "\r\n1" END, why \
	}
#define NAME_A D("name=a")

static void
heads(void **state)
{
	static const struct document documents[] = {
		HEADED("", "A part has no Content-Disposition."),
		HEADED("X: y\r\n", "A part has no Content-Disposition."),
		HEADED("Content-Disposition: attachment; name=a\r\n",
		    "A part's Content-Disposition is not form-data."),
		HEADED(
		    "Content-Disposition:\r\n", "A part's Content-Disposition is not form-data."),
		HEADED(NAME_A NAME_A, "A part has Content-Disposition twice."),
		HEADED(NAME_A "Content-Type: a/b\r\nContent-type: a/b\r\n",
		    "A part has Content-Type twice."),
		HEADED(NAME_A "Content-Type: multipart/mixed; boundary=c\r\n",
		    "A part is itself multipart."),
		HEADED(NAME_A "Content-Type: text\r\n", "A part's Content-Type is malformed."),
		HEADED(NAME_A "Content-Type: a/b/c\r\n", "A part's Content-Type is malformed."),
		HEADED(NAME_A "Content-Transfer-Encoding: base64\r\n",
		    "A part's Content-Transfer-Encoding is not binary, 8bit or 7bit."),
		HEADED(NAME_A "Content-Transfer-Encoding: binary\r\n", "[a,-,-]1;"),
		HEADED(NAME_A "nonsense\r\n", "A part has a line among its headers that is none."),
		HEADED(NAME_A " X: y\r\n", "A part has a line among its headers that is none."),
		HEADED(NAME_A ": y\r\n", "A part has a line among its headers that is none."),
		HEADED(NAME_A "X : y\r\n", "A part has a line among its headers that is none."),
		HEADED(NAME_A "X: y\n", "A line of a part's headers does not end in CR and LF."),
		HEADED(
		    NAME_A "X: y\rz\r\n", "A line of a part's headers does not end in CR and LF."),
		HEADED(NAME_A "X: \x01\r\n", "A part's headers hold a control character."),
		HEADED(NAME_A "X: \x7f\r\n", "A part's headers hold a control character."),
		HEADED(NAME_A "X: a\tb\r\n", "[a,-,-]1;"),
	};

	(void)state;
	check_documents(documents, LENGTH(documents));
}

static void
frames(void **state)
{
	static const char unended[] = "The body ends before its last boundary.";
	static const struct document documents[] = {
		{ "empty", " ", unended },
		{ "no boundary", "hello", unended },
		{ "half of the first", "--", unended },
		{ "no more than the first", "--b", unended },
		{ "its line", "--b\r\n", unended },
		{ "half of the headers", "--b\r\nContent-Dis", unended },
		{ "headers", "--b\r\n" NAME_A, unended },
		{ "data", PART("a") "1", unended },
		{ "half of the last", PART("a") "1\r\n--", unended },
		{ "last without its dashes", PART("a") "1\r\n--b", unended },
		{ "one dash", PART("a") "1\r\n--b-", unended },
		{ "another's last", PART("a") "1\r\n--c--", unended },
		{ "only line feeds", "--b\nContent-Disposition: form-data; name=a\n\n1\n--b--\n",
		    "A line of a part's headers does not end in CR and LF." },
		{ "boundary that goes on", PART("a") "1\r\n--bc\r\n",
		    "A boundary's line goes on behind the boundary." },
		{ "boundary and a dash", PART("a") "1\r\n--b-c\r\n",
		    "A boundary's line goes on behind the boundary." },
		{ "CR alone", "--b\r" NAME_A,
		    "A line of a part's headers does not end in CR and LF." },
	};

	(void)state;
	check_documents(documents, LENGTH(documents));
	assert_string_equal(parse(FYNQ_STR("b"), FYNQ_STR(""), 1), unended);
	assert_string_equal(
	    parse(FYNQ_STR("b"), FYNQ_STR("--b\r\n" D("name=\"a\0b\"") "\r\n" END), 1000),
	    "A part's headers hold a control character.");
}

/* Bytes that are anything, and a boundary of the greatest length, cut at every place. */
static void
long_boundaries(void **state)
{
	struct fynq_buf body = FYNQ_BUF_INIT(65536), want = FYNQ_BUF_INIT(65536);
	char boundary[FYNQ_MULTIPART_BOUNDARY];
	struct fynq_str b = { boundary, sizeof(boundary) };

	(void)state;
	memset(boundary, '-', sizeof(boundary));
	boundary[69] = 'x';
	fynq_buf_printf(&body, "--%.*s\r\n" D("name=a") "\r\n", FYNQ_STR_ARG(b));
	fynq_buf_printf(&want, "[a,-,-]");
	for (int n = 0; n < 70; n++) {
		fynq_buf_printf(&body, "\r\n--%.*sy", n, boundary);
		fynq_buf_printf(&want, "\r\n--%.*sy", n, boundary);
	}
	fynq_buf_printf(&body, "\r\n--%.*s--", FYNQ_STR_ARG(b));
	fynq_buf_printf(&want, ";");
	fynq_buf_add_char(&want, '\0');
	for (size_t piece = body.n; piece >= 1; piece--)
		assert_case(strcmp(parse(b, fynq_buf_str(&body), piece), want.p) == 0, "a piece");
	fynq_buf_release(&body);
	fynq_buf_release(&want);
}

static void
repeat(struct fynq_buf *out, const char *what, size_t times)
{
	for (size_t i = 0; i < times; i++)
		fynq_buf_add(out, fynq_str_of(what));
}

/* Each limit, kept and passed by one. */
static void
limits(void **state)
{
	static const struct {
		const char *before, *what;
		size_t times; /* that are taken */
		const char *after, *why;
	} cases[] = {
		{ "", PART("a") "1\r\n", FYNQ_MULTIPART_PARTS, "--b--",
		    "The body has more than 64 parts." },
		{ "--b\r\n" NAME_A, "X: y\r\n", FYNQ_MULTIPART_HEADERS - 1, "\r\n" END,
		    "A part has more than 8 headers." },
		/* The boundary's line, the name, "X: ", two line ends. */
		{ "--b\r\n" NAME_A "X: ", "y",
		    FYNQ_MULTIPART_HEAD - 2 - (sizeof(NAME_A) - 1) - 3 - 4, "\r\n\r\n" END,
		    "A part's headers are longer than 4096 bytes." },
		{ "--b\r\nContent-Disposition: form-data; name=\"", "x", FYNQ_MULTIPART_NAME,
		    "\"\r\n\r\n" END, "A part's name is longer than 200 bytes." },
		{ "--b\r\nContent-Disposition: form-data; name=a; filename=\"a/", "x",
		    FYNQ_MULTIPART_FILENAME, "\"\r\n\r\n" END,
		    "A part's filename is longer than 255 bytes." },
		{ "--b\r\n" NAME_A "Content-Type: a/", "x", FYNQ_MULTIPART_MEDIA_TYPE - 2,
		    "\r\n\r\n" END, "A part's Content-Type is longer than 255 bytes." },
		{ "", "x", FYNQ_MULTIPART_AROUND - 2, "\r\n\r\n" PART("a") END,
		    "There are more than 4096 bytes before the first boundary." },
		{ PART("a") END, "x", FYNQ_MULTIPART_AROUND, "",
		    "There are more than 4096 bytes behind the last boundary." },
	};
	static const size_t pieces[] = { 1, 2, 3, 7, 16384 };
	struct fynq_buf body = FYNQ_BUF_INIT(65536);

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		for (size_t k = 0; k < 2 * LENGTH(pieces); k++) {
			bool past = k % 2 == 1;
			const char *told;

			fynq_buf_reset(&body);
			fynq_buf_add(&body, fynq_str_of(cases[i].before));
			repeat(&body, cases[i].what, cases[i].times + past);
			fynq_buf_add(&body, fynq_str_of(cases[i].after));
			told = parse(FYNQ_STR("b"), fynq_buf_str(&body), pieces[k / 2]);
			assert_case(past == (strcmp(told, cases[i].why) == 0), cases[i].why);
			assert_case(past || told[0] == '[', cases[i].why);
		}
	}
	fynq_buf_release(&body);
}

/* As many calls as pieces, not as bytes, whatever the bytes are. */
static void
tells_long_runs(void **state)
{
	static char body[65536];
	struct tape tape = { .told = FYNQ_BUF_INIT(1 << 17), .calls_left = 20 };
	struct fynq_multipart m;

	(void)state;
	memset(body, '\r', sizeof(body));
	fynq_multipart_init(&m, FYNQ_STR("b"), &calls, &tape);
	assert_true(fynq_multipart_feed(&m, FYNQ_STR(PART("a"))));
	for (size_t i = 0; i < 4; i++)
		assert_true(fynq_multipart_feed(&m, (struct fynq_str){ body, sizeof(body) / 4 }));
	fynq_buf_release(&tape.told);
}

static void
a_call_that_has_enough(void **state)
{
	(void)state;
	/* The fourth piece of a part's head, its data, its end; see add(). */
	for (int n = 4; n <= 6; n++) {
		struct tape tape = { .told = FYNQ_BUF_INIT(1 << 16), .calls_left = n };
		struct fynq_multipart m;
		size_t told;

		fynq_multipart_init(&m, FYNQ_STR("b"), &calls, &tape);
		assert_false(fynq_multipart_feed(&m, FYNQ_STR(PART("a") "1" END)));
		assert_string_equal(m.why, "");
		told = tape.told.n;
		assert_false(fynq_multipart_feed(&m, FYNQ_STR("more")));
		assert_false(fynq_multipart_finish(&m));
		assert_int_equal(tape.told.n, told);
		fynq_buf_release(&tape.told);
	}
}

static void
content_types(void **state)
{
	static const struct {
		const char *type, *boundary; /* NULL: none */
	} cases[] = {
		{ "multipart/form-data; boundary=abc", "abc" },
		{ "Multipart/Form-Data;BOUNDARY=\"a b:c\"", "a b:c" },
		{ "multipart/form-data; charset=utf-8; boundary=x;", "x" },
		{ "multipart/form-data; boundary=----WebKitFormBoundaryAbC09",
		    "----WebKitFormBoundaryAbC09" },
		{ "multipart/form-data; boundary='()+_,-./:=?", "'()+_,-./:=?" },
		{ "multipart/form-data", NULL },
		{ "multipart/form-data; boundary", NULL },
		{ "multipart/form-data; boundary=", NULL },
		{ "multipart/form-data; boundary=\"\"", NULL },
		{ "multipart/form-data; boundary=\"a", NULL },
		{ "multipart/form-data; boundary=\"a \"", NULL },
		{ "multipart/form-data; boundary=\"a\\\"\"", NULL },
		{ "multipart/form-data; boundary=a*b", NULL },
		{ "multipart/form-data; boundary=\xc3\xa9", NULL },
		{ "multipart/form-data; boundary=a; boundary=a", NULL },
		{ "multipart/form-data; boundary="
		  "1234567890123456789012345678901234567890123456789012345678901234567890",
		    "1234567890123456789012345678901234567890123456789012345678901234567890" },
		{ "multipart/form-data; boundary="
		  "12345678901234567890123456789012345678901234567890123456789012345678901",
		    NULL },
	};
	struct fynq_str boundary;

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct fynq_str type = fynq_str_of(cases[i].type);
		bool good = fynq_multipart_boundary(type, &boundary);

		assert_case(fynq_multipart_is_form(type), cases[i].type);
		assert_case(good == (cases[i].boundary != NULL), cases[i].type);
		if (good)
			assert_str(boundary, cases[i].boundary);
	}
	assert_false(fynq_multipart_is_form(FYNQ_STR("multipart/mixed; boundary=a")));
	assert_false(fynq_multipart_is_form(FYNQ_STR("x; multipart/form-data")));
	assert_false(fynq_multipart_is_form((struct fynq_str){ 0 }));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(names),
		cmocka_unit_test(heads),
		cmocka_unit_test(frames),
		cmocka_unit_test(long_boundaries),
		cmocka_unit_test(limits),
		cmocka_unit_test(tells_long_runs),
		cmocka_unit_test(a_call_that_has_enough),
		cmocka_unit_test(content_types),
	};

	return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
