#include "library/passages.h"

enum { REPLACEMENT = 0xfffd };

/* Shows nothing and says nothing: zero width, direction, soft hyphen, byte order mark. */
static bool
is_invisible(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x200b || c == 0x200e ||
	       c == 0x200f || (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f) ||
	       (c & 0xfffe) == 0xfffe;
}

static bool
is_blank(uint32_t c)
{
	return c == ' ' || c == '\t' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

/* CR LF counts twice, as an end of two lines: cleaning takes the CR off before. */
static bool
is_line_end(uint32_t c)
{
	return c == '\n' || c == '\r' || c == '\v' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* How many bytes of s its first character takes; 0 where it is not UTF-8 (RFC 3629 section 4). */
static size_t
char_bytes(struct fynq_str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (c == 0)
		return 1; /* A control character like others; fynq_str_utf8() has none of it. */
	return n <= s.n && fynq_str_utf8((struct fynq_str){ s.p, n }) ? n : 0;
}

/* White space that was seen and not yet written. */
struct gap {
	bool blank;
	int lines;
};

static void
close_gap(struct fynq_buf *out, struct gap *gap)
{
	bool begins = out->n == 0 || out->p[out->n - 1] == '\f';

	if (gap->lines > 0 && !begins)
		fynq_buf_add(out, gap->lines > 1 ? FYNQ_STR("\n\n") : FYNQ_STR("\n"));
	else if (gap->blank && !begins)
		fynq_buf_add_char(out, ' ');
	*gap = (struct gap){ 0 };
}

/* The next character of *s; REPLACEMENT for a byte that is none. *bytes_r is as it is written. */
static uint32_t
take(struct fynq_str *s, struct fynq_str *bytes_r)
{
	size_t n = char_bytes(*s);
	struct fynq_str one = { s->p, n };

	s->p += n > 0 ? n : 1;
	s->n -= n > 0 ? n : 1;
	*bytes_r = n > 0 ? one : FYNQ_STR("\xef\xbf\xbd");
	if (n == 0)
		return REPLACEMENT;
	return n == 1 ? (unsigned char)one.p[0] : fynq_str_take_char(&one);
}

void
fynq_passages_clean(struct fynq_str text, bool paged, struct fynq_buf *out)
{
	struct gap gap = { 0 };
	struct fynq_str bytes;
	uint32_t c;

	while (text.n > 0) {
		c = take(&text, &bytes);
		if (c == '\r' && text.n > 0 && text.p[0] == '\n')
			continue;
		if (c == '\f' && paged) {
			gap = (struct gap){ 0 };
			fynq_buf_add_char(out, '\f');
		} else if (c == '\f' || is_line_end(c)) {
			gap.lines++;
		} else if (is_blank(c)) {
			gap.blank = true;
		} else if (!is_invisible(c)) {
			close_gap(out, &gap);
			fynq_buf_add(out, bytes);
		}
	}
}

struct fynq_passages
fynq_passages_begin(struct fynq_str clean, bool paged)
{
	return (struct fynq_passages){ .rest = clean, .page = paged ? 1 : 0 };
}

/* How far a passage may go, from the start of its page's rest. */
struct window {
	size_t least, most; /* bytes */
	bool all;	    /* the rest of the page is one passage */
};

/* So many characters of s, in bytes; *left_r is what was not there, in characters. */
static size_t
bytes_of(struct fynq_str s, size_t chars, size_t *left_r)
{
	size_t at = 0;

	while (at < s.n && (chars > 0 || ((unsigned char)s.p[at] & 0xc0) == 0x80)) {
		chars -= ((unsigned char)s.p[at] & 0xc0) != 0x80;
		at++;
	}
	*left_r = chars;
	return at;
}

/* What is left behind the passage is at least as long as a passage should be, or nothing. */
static struct window
measure(struct fynq_str page)
{
	size_t left;
	struct window w = { .most = bytes_of(page, FYNQ_PASSAGE_MOST, &left) };

	if (w.most == page.n) {
		w.all = true;
		return w;
	}
	w.least = bytes_of(page, FYNQ_PASSAGE_LEAST, &left);
	(void)bytes_of(page, FYNQ_PASSAGE_MOST + FYNQ_PASSAGE_LEAST, &left);
	if (left > 0)
		w.most = bytes_of(page, FYNQ_PASSAGE_MOST - left, &left);
	return w;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n';
}

/* The byte before at ends a sentence, but for what closes behind its mark. */
static bool
ends_sentence(struct fynq_str s, size_t at)
{
	static const struct fynq_str marks[] = { FYNQ_STR_INIT("."), FYNQ_STR_INIT("!"),
		FYNQ_STR_INIT("?"), FYNQ_STR_INIT("\u2026"), FYNQ_STR_INIT("\u3002"),
		FYNQ_STR_INIT("\uff01"), FYNQ_STR_INIT("\uff1f"), FYNQ_STR_INIT("\u061f"),
		FYNQ_STR_INIT("\u0964") };
	static const struct fynq_str closers[] = { FYNQ_STR_INIT(")"), FYNQ_STR_INIT("\""),
		FYNQ_STR_INIT("'"), FYNQ_STR_INIT("\u201d"), FYNQ_STR_INIT("\u201c"),
		FYNQ_STR_INIT("\u00bb"), FYNQ_STR_INIT("\u00ab"), FYNQ_STR_INIT("\u300d") };
	const size_t n_closers = sizeof(closers) / sizeof(closers[0]);

	for (size_t i = 0; i < n_closers; i++)
		if (at > closers[i].n &&
		    fynq_str_eq(
			closers[i], (struct fynq_str){ s.p + at - closers[i].n, closers[i].n })) {
			at -= closers[i].n;
			break;
		}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (at >= marks[i].n &&
		    fynq_str_eq(marks[i], (struct fynq_str){ s.p + at - marks[i].n, marks[i].n }))
			return true;
	return false;
}

/* Where to cut: at the last paragraph in the window, else sentence, else word, else at its end. */
static size_t
place(struct fynq_str page, struct window w)
{
	size_t sentence = 0, word = 0;

	for (size_t at = w.most; at >= w.least && at > 0; at--) {
		if (!is_space(page.p[at]))
			continue;
		if (page.p[at] == '\n' && (page.p[at - 1] == '\n' || page.p[at + 1] == '\n'))
			return at;
		if (sentence == 0 && ends_sentence(page, at))
			sentence = at;
		if (word == 0)
			word = at;
	}
	return sentence > 0 ? sentence : word > 0 ? word : w.most;
}

static struct fynq_str
trim(struct fynq_str s)
{
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* From the start of a passage to the end of its page, or of the text. */
static struct fynq_str
find_page(struct fynq_passages *p)
{
	struct fynq_str page;

	for (;;) {
		p->rest = trim(p->rest);
		if (p->page == 0)
			return p->rest;
		(void)fynq_str_cut(p->rest, '\f', &page, &(struct fynq_str){ 0 });
		page = trim(page);
		if (page.n > 0 || p->rest.n == 0)
			return page;
		p->page++;
		p->rest.p++;
		p->rest.n--;
	}
}

bool
fynq_passages_next(struct fynq_passages *p, struct fynq_passage *passage_r)
{
	struct fynq_str page = find_page(p);
	struct window w;
	size_t end;

	if (page.n == 0)
		return false;
	w = measure(page);
	end = w.all ? page.n : place(page, w);
	*passage_r = (struct fynq_passage){ p->page, trim((struct fynq_str){ page.p, end }) };
	p->rest.n -= end;
	p->rest.p += end;
	return true;
}

static void
add(struct fynq_buf *json, int n, const struct fynq_passage *passage)
{
	if (n > 1)
		fynq_buf_add_char(json, ',');
	if (passage->page > 0)
		fynq_buf_printf(json, "{\"page\":%d,\"body\":", passage->page);
	else
		fynq_buf_add(json, FYNQ_STR("{\"page\":null,\"body\":"));
	fynq_buf_add_json(json, passage->body);
	fynq_buf_add_char(json, '}');
}

int
fynq_passages_count(struct fynq_str clean, bool paged)
{
	struct fynq_passages p = fynq_passages_begin(clean, paged);
	struct fynq_passage passage;
	int n = 0;

	while (n <= FYNQ_PASSAGES_MAX && fynq_passages_next(&p, &passage))
		n++;
	return n;
}

int
fynq_passages_json(struct fynq_passages *p, int most, struct fynq_buf *json)
{
	struct fynq_passage passage;
	int n = 0;

	fynq_buf_add_char(json, '[');
	while (n < most && fynq_passages_next(p, &passage))
		add(json, ++n, &passage);
	fynq_buf_add_char(json, ']');
	return n;
}
