/*
 * multipart/form-data (RFC 7578; its frame is that of RFC 2046 section 5.1), read as bytes arrive.
 *
 * The parser does no input or output and takes no memory: it is fed the body in pieces of any size
 * and calls back for each part. What it tells does not depend on where the pieces were cut, but for
 * the pieces of data(). It is strict: a line of its own ends in CRLF, one that begins as a
 * boundary is one, and what two readers could read in two ways is refused. What stands before the
 * first boundary and after the last is passed over, up to FYNQ_MULTIPART_AROUND bytes each.
 *
 *	fynq_multipart_boundary(content_type, &boundary);
 *	fynq_multipart_init(&m, boundary, &calls, arg);
 *	while (more)
 *		if (!fynq_multipart_feed(&m, piece)) ...
 *	if (!fynq_multipart_finish(&m)) ...
 */
#ifndef FYNQ_HTTP_MULTIPART_H
#define FYNQ_HTTP_MULTIPART_H

#include "base/str.h"

/* In bytes, but for the parts and the headers of a part. */
enum {
	FYNQ_MULTIPART_BOUNDARY = 70, /* RFC 2046 section 5.1.1 */
	FYNQ_MULTIPART_PARTS = 64,
	FYNQ_MULTIPART_HEADERS = 8,
	FYNQ_MULTIPART_HEAD = 4096, /* a part's headers, and spaces behind its boundary */
	FYNQ_MULTIPART_NAME = 200,
	FYNQ_MULTIPART_FILENAME = 255,
	FYNQ_MULTIPART_MEDIA_TYPE = 255,
	FYNQ_MULTIPART_AROUND = 4096
};

/*
 * What a part's headers say. Names are UTF-8 and one line (http/text.h); %22 in them is a quote, as
 * browsers write it, and so are \" and, for a backslash, \\.
 */
struct fynq_part {
	struct fynq_str name;	    /* never empty */
	struct fynq_str filename;   /* absent: the part is a text; without its folders, may be "" */
	struct fynq_str media_type; /* type/subtype in lower case, without parameters; or absent */
};

/* Each returns whether to go on; where it does not, feed() is false and m->why stays empty. */
struct fynq_multipart_calls {
	bool (*begin)(void *arg, const struct fynq_part *part); /* valid during the call */
	bool (*data)(void *arg, struct fynq_str bytes);		/* never empty */
	bool (*end)(void *arg);
};

struct fynq_multipart {
	char why[128]; /* what is wrong with the body, a sentence for the client; "" for nothing */

	/* The rest is the parser's own. */
	const struct fynq_multipart_calls *calls;
	void *arg;
	int state;
	char delimiter[4 + FYNQ_MULTIPART_BOUNDARY]; /* CRLF "--" boundary */
	size_t delimiter_n;
	size_t matched;	      /* bytes of the delimiter that the last bytes were */
	size_t unreal;	      /* of these, the first ones that are no data: a head's own CRLF */
	size_t parts, around; /* so far; bytes outside of them */
	size_t headers, head; /* of this part: how many, and in how many bytes */
	char line[FYNQ_MULTIPART_HEAD];
	size_t line_n;
	bool disposed, typed, encoded; /* the headers that the part has had */
	struct fynq_part part;
	char name[FYNQ_MULTIPART_NAME], filename[FYNQ_MULTIPART_FILENAME];
	char media_type[FYNQ_MULTIPART_MEDIA_TYPE];
};

/* Whether a Content-Type is multipart/form-data, whatever its parameters. */
bool fynq_multipart_is_form(struct fynq_str content_type);

/*
 * The boundary parameter of a Content-Type. False where there is none, or two, or one that RFC 2046
 * section 5.1.1 does not allow. Lives as long as content_type.
 */
bool fynq_multipart_boundary(struct fynq_str content_type, struct fynq_str *boundary_r);

/* boundary is 1 to FYNQ_MULTIPART_BOUNDARY bytes, and copied; calls must outlive the parser. */
void fynq_multipart_init(struct fynq_multipart *m, struct fynq_str boundary,
    const struct fynq_multipart_calls *calls, void *arg);

/* Take more bytes. False for a body that is refused, which m->why explains, and ever after. */
bool fynq_multipart_feed(struct fynq_multipart *m, struct fynq_str bytes);

/* The body has ended. False, with m->why, where it lacks its last boundary. */
bool fynq_multipart_finish(struct fynq_multipart *m);

#endif
