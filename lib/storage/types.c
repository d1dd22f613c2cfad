#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "storage/sniff.h"
#include "storage/types.h"

enum { CHAT = 1, DOCUMENT = 2, CONTENT = 4, OWN = DOCUMENT | CONTENT, ALL = CHAT | OWN };

const char *const fynq_purposes[] = { "chat", "document", "content", NULL };

/*
 * Source code that libmagic knows is text to us, and is kept as such. So is what it does not know
 * from text: a page of JavaScript, say.
 */
#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })
static const struct type {
	const char *media_type;
	const char *const *extensions; /* in lower case; the first is for a name without */
	unsigned int purposes;
	const char *const *names; /* others for it, of libmagic and of clients; or NULL */
	const char *const *takes; /* what libmagic takes some of it for, but is not it; or NULL */
	const char *begins;	  /* with these bytes; NULL where libmagic's word will do */
	bool text;
} types[] = {
	{ "image/jpeg", NAMES(".jpg", ".jpeg", ".jpe", ".jfif"), ALL,
	    .names = NAMES("image/jpg", "image/pjpeg", "image/jfif") },
	{ "image/png", NAMES(".png", ".apng"), ALL,
	    .names = NAMES("image/x-png", "image/apng", "image/vnd.mozilla.apng") },
	{ "image/webp", NAMES(".webp"), ALL, .names = NULL },
	{ "image/heic", NAMES(".heic", ".heif"), ALL,
	    .names = NAMES("image/heif", "image/heic-sequence", "image/heif-sequence") },
	{ "image/gif", NAMES(".gif"), OWN, .names = NULL },
	/* libmagic also takes a file for one that has it further on, behind what else it is. */
	{ "application/pdf", NAMES(".pdf"), OWN,
	    .names = NAMES("application/x-pdf", "application/acrobat", "text/pdf"),
	    .begins = "%PDF-" },
	/* Of source code, what a double click opens and does not run. */
	{ "text/plain",
	    NAMES(".txt", ".md", ".markdown", ".rst", ".csv", ".tsv", ".json", ".vtt", ".srt",
		".tex", ".bib", ".log", ".diff", ".patch", ".c", ".h", ".cc", ".cpp", ".hpp",
		".java"),
	    OWN,
	    /*
	     * A browser calls a file what its system does: a CSV, where there is Excel, its.
	     * A letter is one, and to libmagic what begins as one, such as "Article 1".
	     */
	    .names = NAMES("text/markdown", "text/x-markdown", "text/x-rst", "text/csv",
		"application/csv", "application/vnd.ms-excel", "text/tab-separated-values",
		"application/json", "text/vtt", "application/x-subrip", "text/x-tex",
		"application/x-tex", "text/x-bibtex", "text/x-log", "text/x-diff", "text/x-patch",
		"text/x-c", "text/x-c++", "text/x-csrc", "text/x-c++src", "text/x-chdr",
		"text/x-c++hdr", "text/x-java", "text/x-java-source", "text/x-python",
		"text/x-script.python", "text/troff", "message/rfc822", "message/news"),
	    /*
	     * Two letters, or a line of code further on, are enough for it: "SPANISH", "PAPER 2",
	     * "C is", notes with an example. Besides, no double click runs these
	     * where they are saved as text.
	     */
	    .takes = NAMES("application/vnd.hp-HPGL", "application/javascript",
		"application/x-setupscript", "application/x-wine-extension-ini", "biosig/edf",
		"text/x-Algol68", "text/x-asm", "text/x-bcpl", "text/x-clojure", "text/x-forth",
		"text/x-fortran", "text/x-lisp", "text/x-lua", "text/x-m4", "text/x-makefile",
		"text/x-objective-c", "text/x-pascal", "text/x-po"),
	    .text = true },
	{ "video/mp4", NAMES(".mp4", ".m4v"), CONTENT,
	    .names = NAMES("video/x-m4v", "application/mp4") },
	{ "video/webm", NAMES(".webm"), CONTENT, .names = NULL },
};

static bool
is_among(const char *const *names, struct fynq_str name)
{
	for (; names != NULL && *names != NULL; names++)
		if (fynq_str_eq(name, fynq_str_of(*names)))
			return true;
	return false;
}

static const struct type *
find_type(struct fynq_str name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (fynq_str_eq(name, fynq_str_of(types[i].media_type)) ||
		    is_among(types[i].names, name))
			return &types[i];
	return NULL;
}

/* Of what libmagic calls so. */
static const struct type *
find_seen(struct fynq_str name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (is_among(types[i].takes, name))
			return &types[i];
	return find_type(name);
}

const char *
fynq_type_extension(struct fynq_str media_type)
{
	const struct type *type = find_type(media_type);

	return type != NULL ? type->extensions[0] : "";
}

static bool
ends_in(struct fynq_str name, struct fynq_str extension)
{
	return name.n > extension.n &&
	       fynq_str_ieq(
		   (struct fynq_str){ name.p + name.n - extension.n, extension.n }, extension);
}

struct fynq_str
fynq_type_name(struct fynq_req *rq, struct fynq_str media_type, struct fynq_str name)
{
	const struct type *type = find_type(media_type);

	for (size_t i = 0; type != NULL && type->extensions[i] != NULL; i++)
		if (ends_in(name, fynq_str_of(type->extensions[i])))
			return name;
	return fynq_arena_printf(
	    rq->arena, "%.*s%s", FYNQ_STR_ARG(name), type != NULL ? type->extensions[0] : ".bin");
}

static bool
is_for(const struct type *type, struct fynq_str purpose)
{
	for (size_t i = 0; fynq_purposes[i] != NULL; i++)
		if (fynq_str_eq(purpose, fynq_str_of(fynq_purposes[i])))
			return (type->purposes & 1U << i) != 0;
	return false;
}

/* As many bytes from there on as there are; false with errno. */
static bool
read_at(int fd, int64_t at, char *p, size_t size, struct fynq_str *bytes_r)
{
	size_t n = 0;
	ssize_t got;

	do {
		got = pread(fd, p + n, size - n, at + (int64_t)n);
		n += got > 0 ? (size_t)got : 0;
	} while ((got > 0 && n < size) || (got < 0 && errno == EINTR));
	*bytes_r = (struct fynq_str){ p, n };
	return got >= 0;
}

/* What a text is that is not kept: of it alone there is something to be said for its sender. */
static const char not_utf8[] = "no text in UTF-8";

enum { CHAR_MAX_BYTES = 4 };

/* Bytes that continue a character which began before them, and one that goes on behind them. */
static struct fynq_str
whole_chars(struct fynq_str s, bool cut_before, bool cut_behind)
{
	size_t i;

	for (i = 0; cut_before && i < CHAR_MAX_BYTES - 1 && s.n > 0 && (*s.p & 0xc0) == 0x80; i++)
		s = (struct fynq_str){ s.p + 1, s.n - 1 };
	for (i = 1; cut_behind && i < CHAR_MAX_BYTES && i <= s.n; i++) {
		if (((unsigned char)s.p[s.n - i] & 0xc0) == 0x80)
			continue;
		if ((unsigned char)s.p[s.n - i] >= 0xc0 &&
		    !fynq_str_utf8((struct fynq_str){ s.p + s.n - i, i }))
			s.n -= i;
		break;
	}
	return s;
}

static bool
is_text(int fd, struct fynq_str head, int64_t bytes, bool *read_r)
{
	int64_t from = bytes > FYNQ_SNIFF_BYTES ? bytes - FYNQ_SNIFF_BYTES : 0;
	char p[FYNQ_SNIFF_BYTES];
	struct fynq_str tail;

	*read_r = read_at(fd, from, p, sizeof(p), &tail);
	return *read_r && fynq_str_utf8(whole_chars(head, false, (int64_t)head.n < bytes)) &&
	       fynq_str_utf8(whole_chars(tail, from > 0, false));
}

static enum fynq_err
unreadable(struct fynq_req *rq)
{
	fynq_log(FYNQ_LOG_ERROR, "storage", "cannot read an upload: %s", strerror(errno));
	return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
}

/* The type of its content; NULL where no row is for it, with what it is instead. */
static enum fynq_err
real_type(
    struct fynq_req *rq, const struct fynq_upload *u, const char **is_r, const struct type **type_r)
{
	char p[FYNQ_SNIFF_BYTES], name[FYNQ_MEDIA_TYPE_SIZE];
	const struct type *type;
	struct fynq_str head;
	bool good = true;

	*type_r = NULL;
	if (!read_at(u->fd, 0, p, sizeof(p), &head))
		return unreadable(rq);
	if (!fynq_sniff(head, name))
		return fynq_fail(rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	type = find_seen(fynq_str_of(name));
	if (type == NULL)
		*is_r = fynq_arena_strdup(rq->arena, fynq_str_of(name));
	else if (type->begins != NULL && !fynq_str_starts(head, fynq_str_of(type->begins)))
		*is_r = "something else at its beginning";
	else if (type->text && !is_text(u->fd, head, u->bytes, &good))
		*is_r = not_utf8;
	else
		*type_r = type;
	return good ? FYNQ_OK : unreadable(rq);
}

static bool
says_nothing(struct fynq_str media_type)
{
	return media_type.n == 0 || fynq_str_eq(media_type, FYNQ_STR("application/octet-stream")) ||
	       fynq_str_eq(media_type, FYNQ_STR("binary/octet-stream"));
}

enum fynq_err
fynq_type_check(struct fynq_req *rq, struct fynq_str field, struct fynq_str purpose,
    const struct fynq_upload *upload, const char **media_type_r)
{
	const struct type *type;
	const char *is = NULL;

	FYNQ_TRY(real_type(rq, upload, &is, &type));
	if (is == not_utf8 && is_for(find_type(FYNQ_STR("text/plain")), purpose)) {
		fynq_fault(rq, field, "type", "It is no text in UTF-8; save it as UTF-8.");
		return fynq_fail(rq, FYNQ_E_MEDIA_TYPE, "A text must be saved as UTF-8.");
	}
	if (type == NULL || !is_for(type, purpose)) {
		fynq_fault(rq, field, "type", "It is %s, which is not taken for the purpose %.*s.",
		    type != NULL ? type->media_type : is, FYNQ_STR_ARG(purpose));
		return fynq_fail(rq, FYNQ_E_MEDIA_TYPE, NULL);
	}
	if (!says_nothing(upload->media_type) && find_type(upload->media_type) != type) {
		fynq_fault(rq, field, "type", "It is %s, and was sent as %.*s.", type->media_type,
		    FYNQ_STR_ARG(upload->media_type));
		return fynq_fail(rq, FYNQ_E_MEDIA_TYPE, NULL);
	}
	*media_type_r = type->media_type;
	return FYNQ_OK;
}
