/*
 * Mails: their texts, and the way to the mail server.
 *
 * A mail is made of two templates in FYNQ_MAIL_DIR, NAME.LANGUAGE.txt and NAME.LANGUAGE.html, of at
 * most 64 KB each; the first line of the former is "Subject: ...", followed by an empty one. Filled
 * in are {{link}}, {{site}}, {{minutes}} and {{name}}, in HTML with <, >, &, " and ' escaped;
 * anything else between braces is a fault. The language is the nearest that there is (RFC 4647
 * section 3.4): de-AT has de, and what has none has en.
 *
 * The link is FYNQ_SITE_URL#type=...&token=...: what stands behind a # stays in the browser and
 * comes into no server's log, and nothing of it is taken from a request.
 */
#ifndef FYNQ_IDENTITY_MAIL_H
#define FYNQ_IDENTITY_MAIL_H

#include "base/arena.h"
#include "base/err.h"

struct fynq_mail {
	const char *name;	/* of the template: "recovery" */
	struct fynq_str to;	/* an address of ASCII, as fynq_text_is_email() accepts it */
	struct fynq_str locale; /* of whoever reads it, or absent */
	struct fynq_str person; /* what to call them, or absent for their address */
	const char *type;	/* of the token; NULL where the link is the site alone */
	struct fynq_str token;
};

/* Lines end in CRLF. In the arena. */
struct fynq_letter {
	struct fynq_str subject; /* for a header: ASCII, encoded where it was not (RFC 2047) */
	struct fynq_str text, html;
};

/* Whether mails can be sent: is there a mail server? */
bool fynq_mail_can(void);

/* Check the settings of mails; once. False, with a line for each fault. */
bool fynq_mail_init(struct fynq_buf *problems_r);

/* INTERNAL, with the cause in the log, where a template is missing, too large or faulty. */
enum fynq_err fynq_mail_compose(struct fynq_arena *a, const struct fynq_mail *mail,
    struct fynq_letter *letter_r) FYNQ_MUST_CHECK;

/* s as the value of a header: as it is where it is ASCII, else as encoded words (RFC 2047). */
struct fynq_str fynq_mail_encode(struct fynq_arena *a, struct fynq_str s);

/*
 * Compose the mail and hand it to the mail server; at most 30 s. AUTH_UNAVAILABLE where that may
 * work later: the server is away, takes it not now, or lets us not in; or a template is faulty.
 * INTERNAL where it refused the mail for good. The log says why, without the address; *answer_r
 * (or NULL) becomes the server's last line, which may hold it, or what libcurl says.
 */
enum fynq_err fynq_mail_send(
    struct fynq_arena *a, const struct fynq_mail *mail, struct fynq_str *answer_r) FYNQ_MUST_CHECK;

#endif
