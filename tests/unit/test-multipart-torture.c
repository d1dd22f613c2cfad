/*
 * Forms cut at every place and put together to confuse: what is told is the same, and what is
 * refused is refused early.
 */
#include "base/clock.h"
#include "tape.h"

struct cuts {
	size_t first, second;
};

static size_t
until_the_next_cut(size_t at, const void *arg)
{
	const struct cuts *cuts = arg;

	if (at < cuts->first)
		return cuts->first - at;
	return at < cuts->second ? cuts->second - at : SIZE_MAX;
}

/* In one piece, in pieces of each size, and in three for each pair of cuts. */
static void
check_cuts(struct fynq_str boundary, struct fynq_str body, const char *want)
{
	struct cuts cuts;

	for (size_t piece = body.n; piece >= 1; piece--)
		assert_string_equal(parse(boundary, body, piece), want);
	for (cuts.first = 1; cuts.first < body.n; cuts.first++)
		for (cuts.second = cuts.first; cuts.second < body.n; cuts.second++)
			assert_string_equal(
			    parse_in(boundary, body, until_the_next_cut, &cuts), want);
}

static void
every_pair_of_cuts(void **state)
{
	static const char form[] = "pre\r\n--b\r\n" D(
	    "name=a; filename=\"x%22\"") "Content-Type: a/b\r\n\r\n"
					 "\r\n\r\r\n-\r\n--\r\n--c\n--b\r\n\r\n--b \r\n" D(
					     "name=\"\xc3\xa9\"") "\r\n"
								  "\r\n--b\r\n" D(
								      "name=n") "\r\n--b--"
										"\r\nepi\r\n--b";

	(void)state;
	check_cuts(FYNQ_STR("b"), FYNQ_STR(form),
	    "[a,x\",a/b]\r\n\r\r\n-\r\n--\r\n--c\n--b\r\n;[\xc3\xa9,-,-];[n,-,-];");
}

/* A boundary that begins again inside itself, behind data that begins as it does. */
static void
boundaries_that_repeat(void **state)
{
	static const char form[] = "--b--b-b\r\n" D(
	    "name=a") "\r\n"
		      "\r\n--b--b-\r\n--b--b\r\n--b\r\n--\r\r\n--b--b--b--b-b"
		      "\r\n--b--b-b--";

	(void)state;
	check_cuts(FYNQ_STR("b--b-b"), FYNQ_STR(form),
	    "[a,-,-]\r\n--b--b-\r\n--b--b\r\n--b\r\n--\r\r\n--b--b--b--b-b;");
}

/* Forms in a form: their boundaries are data, unless they begin as the outer one's lines do. */
static void
nested(void **state)
{
#define INNER(b)     "--" b "\r\n" D("name=i; filename=f") "\r\nx\r\n--" b "--\r\n"
#define OUTER(inner) "--bc\r\n" D("name=a") "\r\n" inner "\r\n--bc--"
	static const struct {
		struct fynq_str body;
		const char *want;
	} cases[] = {
		{ FYNQ_STR_INIT(OUTER(INNER("b"))), "[a,-,-]" INNER("b") ";" },
		{ FYNQ_STR_INIT(OUTER(INNER("cb"))), "[a,-,-]" INNER("cb") ";" },
		{ FYNQ_STR_INIT(OUTER("\r\n" INNER("Bc"))), "[a,-,-]\r\n" INNER("Bc") ";" },
		{ FYNQ_STR_INIT(OUTER(INNER("bcd"))),
		    "A boundary's line goes on behind the boundary." },
		/* Here the outer one ends, and the rest is behind it. */
		{ FYNQ_STR_INIT(OUTER("1\r\n" INNER("bc--"))), "[a,-,-]1;" },
		{ FYNQ_STR_INIT(
		      "--bc\r\n" D("name=a") "Content-Type: multipart/mixed; "
					     "boundary=b\r\n\r\n" INNER("b") "\r\n--bc--"),
		    "A part is itself multipart." },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(cases); i++)
		for (size_t piece = cases[i].body.n; piece >= 1; piece--)
			assert_string_equal(
			    parse(FYNQ_STR("bc"), cases[i].body, piece), cases[i].want);
}

/* Names as bytes: overlong and cut UTF-8, surrogates, what is past the last character, NUL. */
static void
names_that_are_no_text(void **state)
{
	static const char *const bad[] = { "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xc3",
		"\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xfe", "\x80", "a\xff" };
	struct fynq_buf body = FYNQ_BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < LENGTH(bad); i++) {
		for (int file = 0; file < 2; file++) {
			fynq_buf_reset(&body);
			fynq_buf_printf(&body, "--b\r\n" D("name=%s\"%s\"") "\r\n1" END,
			    file ? "a; filename=" : "", bad[i]);
			for (size_t piece = body.n; piece >= 1; piece--)
				assert_string_equal(
				    parse(FYNQ_STR("b"), fynq_buf_str(&body), piece),
				    file ? "A part's filename is not UTF-8."
					 : "A part's name is not UTF-8.");
		}
	}
	fynq_buf_release(&body);
	assert_string_equal(
	    parse(FYNQ_STR("b"), FYNQ_STR("--b\r\n" D("name=a; filename=\"x\0y\"") "\r\n1" END), 7),
	    "A part's headers hold a control character.");
}

/* Each boundary of a byte that may be one, and of the greatest length. */
static void
odd_boundaries(void **state)
{
	static const char odd[] = "'()+_,-./:=?";
	struct fynq_buf body = FYNQ_BUF_INIT(4096);
	char boundary[FYNQ_MULTIPART_BOUNDARY], want[128];

	(void)state;
	for (size_t i = 0; i < sizeof(odd) - 1; i++) {
		for (size_t n = 1; n <= sizeof(boundary); n += sizeof(boundary) - 1) {
			struct fynq_str b = { boundary, n };

			memset(boundary, odd[i], sizeof(boundary));
			fynq_buf_reset(&body);
			fynq_buf_printf(&body,
			    "--%.*s\r\n" D("name=a") "\r\n--%.*s\r\n--\r\n--%.*s--\r\n",
			    FYNQ_STR_ARG(b), (int)n - 1, boundary, FYNQ_STR_ARG(b));
			snprintf(want, sizeof(want), "[a,-,-]--%.*s\r\n--;", (int)n - 1, boundary);
			for (size_t piece = body.n; piece >= 1; piece--) {
				assert_string_equal(parse(b, fynq_buf_str(&body), piece), want);
			}
		}
	}
	fynq_buf_release(&body);
}

struct counts {
	size_t begun, ended, bytes;
};

static bool
count_begin(void *arg, const struct fynq_part *part)
{
	(void)part;
	((struct counts *)arg)->begun++;
	return true;
}

static bool
count_data(void *arg, struct fynq_str bytes)
{
	((struct counts *)arg)->bytes += bytes.n;
	return true;
}

static bool
count_end(void *arg)
{
	((struct counts *)arg)->ended++;
	return true;
}

static const struct fynq_multipart_calls counting = { count_begin, count_data, count_end };

/* The first too many is where it ends: what follows is not even looked at. */
static void
ten_thousand_parts(void **state)
{
	static const size_t pieces[] = { 1, 3, 16384, 1 << 20 };
	struct fynq_buf body = FYNQ_BUF_INIT(1 << 20);

	(void)state;
	for (int i = 0; i < 10000; i++)
		fynq_buf_add(&body, FYNQ_STR(PART("a") "1\r\n"));
	fynq_buf_add(&body, FYNQ_STR("--b--"));
	assert_false(body.full);
	for (size_t i = 0; i < LENGTH(pieces); i++) {
		struct counts counts = { 0 };
		struct fynq_multipart m;
		size_t at = 0, n;

		fynq_multipart_init(&m, FYNQ_STR("b"), &counting, &counts);
		do {
			n = body.n - at < pieces[i] ? body.n - at : pieces[i];
			at += n;
		} while (fynq_multipart_feed(&m, (struct fynq_str){ body.p + at - n, n }));
		assert_string_equal(m.why, "The body has more than 64 parts.");
		assert_int_equal(counts.begun, FYNQ_MULTIPART_PARTS);
		assert_int_equal(counts.ended, FYNQ_MULTIPART_PARTS);
		assert_true(
		    at <= (FYNQ_MULTIPART_PARTS + 1) * sizeof(PART("a") "1\r\n") + pieces[i]);
		assert_false(fynq_multipart_finish(&m));
	}
	fynq_buf_release(&body);
}

/* Headers that never end are given up at their bound, not kept. */
static void
headers_without_an_end(void **state)
{
	static const char *const begun[] = { "--b\r\nX: ", "--b", "--b\r\n" D("name=a") "X",
		"--b\r\nContent-Disposition: form-data; name=\"" };

	(void)state;
	for (size_t i = 0; i < LENGTH(begun); i++) {
		struct counts counts = { 0 };
		struct fynq_multipart m;
		size_t n = 0;

		fynq_multipart_init(&m, FYNQ_STR("b"), &counting, &counts);
		assert_true(fynq_multipart_feed(&m, fynq_str_of(begun[i])));
		while (fynq_multipart_feed(&m, FYNQ_STR(" ")) && n < 100000)
			n++;
		assert_string_equal(m.why, "A part's headers are longer than 4096 bytes.");
		assert_true(n <= FYNQ_MULTIPART_HEAD && counts.begun == 0);
	}
}

/* What costs most to look through is passed over as fast as a disk takes it, at the least. */
static void
hostile_data_is_cheap(void **state)
{
	static const char *const fills[] = { "\r", "\r\n", "\r\n--", "\r\n--b", "\r\r\n", "-" };
	static char piece[65536];
	struct fynq_str boundary = FYNQ_STR(
	    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");

	(void)state;
	for (size_t i = 0; i < LENGTH(fills); i++) {
		struct counts counts = { 0 };
		struct fynq_multipart m;
		size_t n = strlen(fills[i]), most = sizeof(piece) / n * n;

		for (size_t at = 0; at < most; at += n)
			memcpy(piece + at, fills[i], n);
		fynq_multipart_init(&m, boundary, &counting, &counts);
		assert_true(fynq_multipart_feed(&m, FYNQ_STR("--")));
		assert_true(fynq_multipart_feed(&m, boundary));
		assert_true(fynq_multipart_feed(&m, FYNQ_STR("\r\n" D("name=a") "\r\n")));
		for (int k = 0; k < 64; k++)
			assert_true(fynq_multipart_feed(&m, (struct fynq_str){ piece, most }));
		/* All but what may yet be a delimiter. */
		assert_true(counts.bytes >= 64 * most - 8 && counts.bytes <= 64 * most);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_cuts),
		cmocka_unit_test(boundaries_that_repeat),
		cmocka_unit_test(nested),
		cmocka_unit_test(names_that_are_no_text),
		cmocka_unit_test(odd_boundaries),
		cmocka_unit_test(ten_thousand_parts),
		cmocka_unit_test(headers_without_an_end),
		cmocka_unit_test(hostile_data_is_cheap),
	};

	return cmocka_run_group_tests_name("multipart-torture", tests, NULL, NULL);
}
