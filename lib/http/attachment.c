#include <ctype.h>
#include <string.h>

#include "http/attachment.h"
#include "http/response.h"

enum { NAME_CHARS = 80, NAME_BYTES = 4 * NAME_CHARS, EXTENSION_MAX = 16 };

/* The bytes of the code point that s begins with; s is not empty and well-formed. */
static struct fynq_str
first_char(struct fynq_str s)
{
	size_t n = 1;

	while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n++;
	return (struct fynq_str){ s.p, n };
}

/*
 * C1 controls, line separators, and what sets or isolates a direction (U+202A to U+202E, U+2066
 * to U+2069).
 */
static bool
is_unseen(struct fynq_str c)
{
	const unsigned char *p = (const unsigned char *)c.p;

	if (c.n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	return c.n == 3 && p[0] == 0xe2 &&
	       ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
		   (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

static bool
is_safe(struct fynq_str c)
{
	if (c.n > 1)
		return !is_unseen(c);
	return c.p[0] >= ' ' && c.p[0] < 0x7f && strchr("\"%*/:;<>?\\|$`'", c.p[0]) == NULL;
}

static struct fynq_str
trim(struct fynq_str s)
{
	while (s.n > 0 && strchr(". ", s.p[0]) != NULL)
		s = (struct fynq_str){ s.p + 1, s.n - 1 };
	while (s.n > 0 && strchr(". ", s.p[s.n - 1]) != NULL)
		s.n--;
	return s;
}

/* The name's first code points, the unsafe ones replaced; ascii: the others, too. */
static struct fynq_str
clean(struct fynq_req *rq, struct fynq_str name, bool ascii)
{
	struct fynq_buf out = FYNQ_BUF_INIT(NAME_BYTES);
	struct fynq_str c, cleaned;

	for (int chars = 0; name.n > 0 && chars < NAME_CHARS; chars++) {
		c = first_char(name);
		name = (struct fynq_str){ name.p + c.n, name.n - c.n };
		fynq_buf_add(&out, is_safe(c) && (c.n == 1 || !ascii) ? c : FYNQ_STR("_"));
	}
	cleaned = trim(fynq_arena_copy(rq->arena, fynq_buf_str(&out)));
	fynq_buf_release(&out);
	return cleaned.n > 0 ? cleaned : FYNQ_STR("file");
}

/* RFC 8187 section 3.2.1: all but letters, digits and three marks of attr-char. */
static void
add_encoded(struct fynq_buf *out, struct fynq_str s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._";

	for (size_t i = 0; i < s.n; i++)
		if (strchr(plain, s.p[i]) != NULL)
			fynq_buf_add_char(out, s.p[i]);
		else
			fynq_buf_printf(out, "%%%02X", (unsigned int)(unsigned char)s.p[i]);
}

/* The extension is ASCII with its dot, or nothing. */
static void
reply(struct fynq_req *rq, const char *kind, struct fynq_str name, struct fynq_str extension)
{
	struct fynq_buf value = FYNQ_BUF_INIT(64 + NAME_BYTES + 3 * NAME_BYTES + 64);

	fynq_buf_printf(&value, "%s; filename=\"%.*s%.*s\"; filename*=UTF-8''", kind,
	    FYNQ_STR_ARG(clean(rq, name, true)), FYNQ_STR_ARG(extension));
	add_encoded(&value, clean(rq, name, false));
	fynq_buf_add(&value, extension);
	fynq_reply_header(rq, "Content-Disposition", fynq_buf_str(&value));
	fynq_buf_release(&value);
}

void
fynq_reply_attachment(struct fynq_req *rq, struct fynq_str name, const char *extension)
{
	reply(rq, "attachment", name, fynq_arena_printf(rq->arena, ".%s", extension));
}

/* Cut the extension with its dot off a name; it is empty where there is none, or no plain one. */
static struct fynq_str
cut_extension(struct fynq_str *name)
{
	struct fynq_str whole = *name;
	size_t n = 0;

	while (
	    n < whole.n && n <= EXTENSION_MAX && isalnum((unsigned char)whole.p[whole.n - n - 1]))
		n++;
	if (n == 0 || n > EXTENSION_MAX || n + 1 >= whole.n || whole.p[whole.n - n - 1] != '.')
		return FYNQ_STR("");
	name->n = whole.n - n - 1;
	return (struct fynq_str){ whole.p + name->n, n + 1 };
}

void
fynq_reply_filename(struct fynq_req *rq, struct fynq_str name, bool shown)
{
	struct fynq_str extension = cut_extension(&name);

	reply(rq, shown ? "inline" : "attachment", name, extension);
}

struct fynq_str
fynq_filename(struct fynq_req *rq, struct fynq_str name)
{
	struct fynq_str extension = cut_extension(&name);

	return fynq_arena_printf(
	    rq->arena, "%.*s%.*s", FYNQ_STR_ARG(clean(rq, name, false)), FYNQ_STR_ARG(extension));
}
