#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http/multipart.h"
#include "http/params.h"
#include "http/text.h"

/* PREAMBLE and DATA look for the next delimiter; BOUNDARY and HEAD read lines. */
enum { PREAMBLE, BOUNDARY, HEAD, DATA, EPILOGUE, REFUSED };

static bool refuse(struct fynq_multipart *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static bool
refuse(struct fynq_multipart *m, const char *fmt, ...)
{
	va_list ap;

	m->state = REFUSED;
	va_start(ap, fmt);
	vsnprintf(m->why, sizeof(m->why), fmt, ap);
	va_end(ap);
	return false;
}

/* A call has said that it is enough. */
static bool
stop(struct fynq_multipart *m)
{
	m->state = REFUSED;
	return false;
}

bool
fynq_multipart_is_form(struct fynq_str content_type)
{
	struct fynq_str rest;

	return fynq_str_ieq(fynq_param_first(content_type, &rest), FYNQ_STR("multipart/form-data"));
}

bool
fynq_multipart_boundary(struct fynq_str content_type, struct fynq_str *boundary_r)
{
	struct fynq_str rest;
	struct fynq_header_param param;

	*boundary_r = (struct fynq_str){ 0 };
	fynq_param_first(content_type, &rest);
	while (rest.p != NULL) {
		if (!fynq_param_next(&rest, &param))
			return false;
		if (!fynq_str_ieq(param.name, FYNQ_STR("boundary")))
			continue;
		if (boundary_r->p != NULL)
			return false;
		*boundary_r = param.value;
	}
	for (size_t i = 0; i < boundary_r->n; i++)
		if (!isalnum((unsigned char)boundary_r->p[i]) &&
		    (boundary_r->p[i] == '\0' || strchr("'()+_,-./:=? ", boundary_r->p[i]) == NULL))
			return false;
	return boundary_r->n >= 1 && boundary_r->n <= FYNQ_MULTIPART_BOUNDARY &&
	       boundary_r->p[boundary_r->n - 1] != ' ';
}

void
fynq_multipart_init(struct fynq_multipart *m, struct fynq_str boundary,
    const struct fynq_multipart_calls *calls, void *arg)
{
	/* The first delimiter needs no CRLF before it, so that counts as read. */
	*m = (struct fynq_multipart){
		.calls = calls,
		.arg = arg,
		.state = PREAMBLE,
		.delimiter = "\r\n--",
		.delimiter_n = 4 + boundary.n,
		.matched = 2,
		.unreal = 2,
	};
	memcpy(m->delimiter + 4, boundary.p, boundary.n);
}

/* The byte that stands at i, and in how many bytes: one, but for an escape. */
static char
unescape(struct fynq_str s, size_t i, bool quoted, size_t *length_r)
{
	bool more = i + 1 < s.n;

	*length_r = 1;
	if (s.n - i >= 3 && memcmp(s.p + i, "%22", 3) == 0) {
		*length_r = 3;
		return '"';
	}
	if (quoted && s.p[i] == '\\' && more && (s.p[i + 1] == '"' || s.p[i + 1] == '\\')) {
		*length_r = 2;
		return s.p[i + 1];
	}
	return s.p[i];
}

/* Where a file's name begins: some clients send the folders too (RFC 7578 section 4.2). */
static size_t
after_folders(struct fynq_str s)
{
	size_t from = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '/' || s.p[i] == '\\')
			from = i + 1;
	return from;
}

/* Browsers write a line end in a name as %0D%0A: whoever decodes it must not meet one. */
static bool
has_line_end(struct fynq_str s)
{
	for (size_t i = 0; i + 3 <= s.n; i++)
		if (memcmp(s.p + i, "%0", 2) == 0 && strchr("AaDd", s.p[i + 2]) != NULL)
			return true;
	return false;
}

/* Read a name or a filename into at most size bytes at out. */
static bool
read_name(struct fynq_multipart *m, const struct fynq_header_param *param, char *out, size_t size,
    struct fynq_str *name_r)
{
	bool file = out == m->filename;
	const char *what = file ? "filename" : "name";
	char decoded[FYNQ_MULTIPART_HEAD];
	struct fynq_str s = { decoded, 0 };
	size_t from;

	if (name_r->p != NULL)
		return refuse(m, "A part has %s twice.", what);
	if (has_line_end(param->value))
		return refuse(m, "A part's %s holds a line end.", what);
	for (size_t i = 0, length; i < param->value.n; i += length)
		decoded[s.n++] = unescape(param->value, i, param->quoted, &length);
	if (!fynq_str_utf8(s))
		return refuse(m, "A part's %s is not UTF-8.", what);
	if (!fynq_text_is_line(s))
		return refuse(m, "A part's %s holds a control character.", what);
	from = file ? after_folders(s) : 0;
	s = (struct fynq_str){ decoded + from, s.n - from };
	if (s.n > size)
		return refuse(m, "A part's %s is longer than %zu bytes.", what, size);
	memcpy(out, s.p, s.n);
	*name_r = (struct fynq_str){ out, s.n };
	return true;
}

static bool
read_disposition(struct fynq_multipart *m, struct fynq_str value)
{
	struct fynq_str rest;
	struct fynq_header_param param;

	if (!fynq_str_ieq(fynq_param_first(value, &rest), FYNQ_STR("form-data")))
		return refuse(m, "A part's Content-Disposition is not form-data.");
	while (rest.p != NULL) {
		bool ok = true;

		if (!fynq_param_next(&rest, &param))
			return refuse(m, "A part's Content-Disposition is malformed.");
		if (fynq_str_ieq(param.name, FYNQ_STR("name")))
			ok = read_name(m, &param, m->name, sizeof(m->name), &m->part.name);
		else if (fynq_str_ieq(param.name, FYNQ_STR("filename")))
			ok = read_name(
			    m, &param, m->filename, sizeof(m->filename), &m->part.filename);
		else if (fynq_str_ieq(param.name, FYNQ_STR("filename*")) ||
			 fynq_str_ieq(param.name, FYNQ_STR("name*")))
			return refuse(m, "A form takes no filename* (RFC 7578 section 4.2).");
		if (!ok)
			return false;
	}
	return m->part.name.n > 0 || refuse(m, "A part has no name.");
}

static bool
read_media_type(struct fynq_multipart *m, struct fynq_str value)
{
	struct fynq_str rest, all = fynq_param_first(value, &rest), type, subtype;

	fynq_str_cut(all, '/', &type, &subtype);
	if (!fynq_is_token(type) || !fynq_is_token(subtype))
		return refuse(m, "A part's Content-Type is malformed.");
	if (all.n > sizeof(m->media_type))
		return refuse(
		    m, "A part's Content-Type is longer than %zu bytes.", sizeof(m->media_type));
	if (fynq_str_ieq(type, FYNQ_STR("multipart")))
		return refuse(m, "A part is itself multipart.");
	for (size_t i = 0; i < all.n; i++)
		m->media_type[i] = (char)tolower((unsigned char)all.p[i]);
	m->part.media_type = (struct fynq_str){ m->media_type, all.n };
	return true;
}

static bool
read_encoding(struct fynq_multipart *m, struct fynq_str value)
{
	static const struct fynq_str as_they_are[] = { FYNQ_STR_INIT("binary"),
		FYNQ_STR_INIT("8bit"), FYNQ_STR_INIT("7bit") };

	for (size_t i = 0; i < sizeof(as_they_are) / sizeof(as_they_are[0]); i++)
		if (fynq_str_ieq(value, as_they_are[i]))
			return true;
	return refuse(m, "A part's Content-Transfer-Encoding is not binary, 8bit or 7bit.");
}

/* A header of a part; others than these say nothing (RFC 7578 section 4.8). */
static bool
take_header(struct fynq_multipart *m, struct fynq_str line)
{
	const struct {
		struct fynq_str name;
		bool (*read)(struct fynq_multipart *m, struct fynq_str value);
		bool *seen;
	} known[] = {
		{ FYNQ_STR_INIT("Content-Disposition"), read_disposition, &m->disposed },
		{ FYNQ_STR_INIT("Content-Type"), read_media_type, &m->typed },
		{ FYNQ_STR_INIT("Content-Transfer-Encoding"), read_encoding, &m->encoded },
	};
	struct fynq_str name, value;

	if (++m->headers > FYNQ_MULTIPART_HEADERS)
		return refuse(m, "A part has more than %d headers.", FYNQ_MULTIPART_HEADERS);
	if (!fynq_str_cut(line, ':', &name, &value) || !fynq_is_token(name))
		return refuse(m, "A part has a line among its headers that is none.");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!fynq_str_ieq(name, known[i].name))
			continue;
		if (*known[i].seen)
			return refuse(m, "A part has %s twice.", known[i].name.p);
		*known[i].seen = true;
		return known[i].read(m, fynq_str_trim(value));
	}
	return true;
}

/* The empty line at the end of a head. */
static bool
begin_part(struct fynq_multipart *m)
{
	if (!m->disposed)
		return refuse(m, "A part has no Content-Disposition.");
	if (++m->parts > FYNQ_MULTIPART_PARTS)
		return refuse(m, "The body has more than %d parts.", FYNQ_MULTIPART_PARTS);
	/* Where there is no data, the CRLF of the empty line may be the next delimiter's. */
	m->state = DATA;
	m->matched = m->unreal = 2;
	return m->calls->begin(m->arg, &m->part) || stop(m);
}

/* A delimiter is complete: what is open ends, and a new head may begin behind it. */
static bool
end_part(struct fynq_multipart *m)
{
	bool open = m->state == DATA;

	m->state = BOUNDARY;
	m->matched = m->unreal = 0;
	m->headers = m->head = m->line_n = m->around = 0;
	m->disposed = m->typed = m->encoded = false;
	m->part = (struct fynq_part){ 0 };
	return !open || m->calls->end(m->arg) || stop(m);
}

static bool
take_line(struct fynq_multipart *m)
{
	struct fynq_str line = { m->line, m->line_n - 1 };

	m->line_n = 0;
	if (m->state == HEAD)
		return line.n > 0 ? take_header(m, line) : begin_part(m);
	if (fynq_str_trim(line).n > 0)
		return refuse(m, "A boundary's line goes on behind the boundary.");
	m->state = HEAD;
	return true;
}

/* A byte of a boundary's line, behind the boundary, or of a part's headers. */
static bool
take_byte(struct fynq_multipart *m, char c)
{
	bool cr = m->line_n > 0 && m->line[m->line_n - 1] == '\r';

	if (cr != (c == '\n'))
		return refuse(m, "A line of a part's headers does not end in CR and LF.");
	if (((unsigned char)c < ' ' && strchr("\t\r\n", c) == NULL) || c == '\0' || c == 0x7f)
		return refuse(m, "A part's headers hold a control character.");
	if (++m->head > FYNQ_MULTIPART_HEAD)
		return refuse(m, "A part's headers are longer than %d bytes.", FYNQ_MULTIPART_HEAD);
	if (c == '\n')
		return take_line(m);
	m->line[m->line_n++] = c;
	if (m->state == BOUNDARY && m->line_n == 2 && memcmp(m->line, "--", 2) == 0)
		m->state = EPILOGUE;
	return true;
}

/* Bytes outside of the parts. */
static bool
pass_over(struct fynq_multipart *m, size_t n)
{
	m->around += n;
	if (m->around <= FYNQ_MULTIPART_AROUND)
		return true;
	return refuse(m, "There are more than %d bytes %s boundary.", FYNQ_MULTIPART_AROUND,
	    m->state == PREAMBLE ? "before the first" : "behind the last");
}

/* Bytes that are no delimiter. */
static bool
tell(struct fynq_multipart *m, const char *p, size_t n)
{
	if (n == 0)
		return true;
	if (m->state == PREAMBLE)
		return pass_over(m, n);
	return m->calls->data(m->arg, (struct fynq_str){ p, n }) || stop(m);
}

/*
 * From p on, where no delimiter has begun: where one may begin. All of it is looked for at once,
 * which passes over what only begins as it does, such as the line ends of a text; what cannot hold
 * all of it is looked at for its CR.
 */
static const char *
maybe_delimiter(const struct fynq_multipart *m, const char *p, const char *end)
{
	size_t n = (size_t)(end - p), tail = m->delimiter_n - 1;
	const char *at = memmem(p, n, m->delimiter, m->delimiter_n);

	if (at == NULL && n > tail)
		p = end - tail;
	if (at == NULL)
		at = memchr(p, '\r', (size_t)(end - p));
	return at != NULL ? at : end;
}

/*
 * Look for the delimiter from p on; returns where to go on, or NULL where the body is refused. Its
 * only CR is its first byte, so what fails to be a delimiter holds no beginning of another one but
 * at its last byte, and nothing need be read twice. Bytes are told in runs as long as can be; those
 * of a delimiter begun in an earlier piece (`before` of them) are told from the delimiter itself.
 */
static const char *
scan(struct fynq_multipart *m, const char *p, const char *end)
{
	const char *run = p;
	size_t before = m->matched;

	while (p < end) {
		if (m->matched == 0 && (p = maybe_delimiter(m, p, end)) == end)
			break;
		if (*p == m->delimiter[m->matched]) {
			p++;
			if (++m->matched == m->delimiter_n)
				break;
		} else {
			if (!tell(m, m->delimiter + m->unreal, before - m->unreal))
				return NULL;
			before = m->matched = m->unreal = 0;
		}
	}
	if (!tell(m, run, (size_t)(p - run) - (m->matched - before)))
		return NULL;
	if (m->matched == m->delimiter_n && !end_part(m))
		return NULL;
	return p;
}

bool
fynq_multipart_feed(struct fynq_multipart *m, struct fynq_str bytes)
{
	const char *p = bytes.p, *end = bytes.p + bytes.n;

	while (p != NULL && p < end && m->state != REFUSED) {
		if (m->state == PREAMBLE || m->state == DATA)
			p = scan(m, p, end);
		else if (m->state == EPILOGUE)
			p = pass_over(m, (size_t)(end - p)) ? end : NULL;
		else
			take_byte(m, *p++);
	}
	return m->state != REFUSED;
}

bool
fynq_multipart_finish(struct fynq_multipart *m)
{
	if (m->state == EPILOGUE || m->state == REFUSED)
		return m->state == EPILOGUE;
	return refuse(m, "The body ends before its last boundary.");
}
