#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/disk.h"
#include "base/log.h"
#include "identity/password.h"
#include "identity/rules.h"

enum {
	LIST_MAX = 1000000, /* bytes of the file */
	AFFIX_MAX = 6,	    /* digits and marks around a word that do not make it another */
	WORD_MIN = 4,	    /* bytes of a word of the address or the name that counts */
	LEFT_MIN = 8,	    /* bytes that must be left without those words */
	TURNS_MIN = 3,	    /* characters that do not follow from the one before */
	PERIOD_MIN = 5	    /* bytes before a password may begin again */
};

/* The list in lower case, sorted; filled by the first check and never changed. */
static struct {
	char *text;
	struct fynq_str *words;
	size_t n;
} list;

/* A password being judged, in lower case. */
struct folded {
	char p[FYNQ_PASSWORD_MAX];
	size_t n;
};

static int
compare(const void *a_, const void *b_)
{
	const struct fynq_str *a = a_, *b = b_;
	int order = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

	return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

static void
fold(char *out, struct fynq_str s)
{
	for (size_t i = 0; i < s.n; i++)
		out[i] = (char)tolower((unsigned char)s.p[i]);
}

/* A line each; those that begin with #!comment are about the list. */
static void
take_words(struct fynq_str rest)
{
	struct fynq_str line;
	size_t lines = 1;

	for (size_t i = 0; i < rest.n; i++)
		lines += rest.p[i] == '\n';
	list.words = fynq_alloc(lines * sizeof(*list.words));
	while (rest.n > 0) {
		fynq_str_cut(rest, '\n', &line, &rest);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n > 0 && !fynq_str_starts(line, FYNQ_STR("#!comment")))
			list.words[list.n++] = line;
	}
	qsort(list.words, list.n, sizeof(*list.words), compare);
}

bool
fynq_rules_load(void)
{
	const char *path = fynq_config.common_passwords, *why = NULL;
	size_t n = 0;

	free(list.words);
	free(list.text);
	list.words = NULL;
	list.n = 0;
	list.text = fynq_disk_read(path, LIST_MAX, &n);
	if (list.text == NULL && errno != EFBIG)
		why = strerror(errno);
	else if (list.text == NULL || !fynq_str_utf8((struct fynq_str){ list.text, n }))
		why = "it is not a text of at most 1,000,000 bytes";
	if (why != NULL) {
		fynq_log(FYNQ_LOG_WARN, "passwords", "FYNQ_COMMON_PASSWORDS: %s: %s", path, why);
		return false;
	}
	fold(list.text, (struct fynq_str){ list.text, n });
	take_words((struct fynq_str){ list.text, n });
	return true;
}

static void
load_once(void)
{
	(void)fynq_rules_load();
}

static bool
is_listed(struct fynq_str word)
{
	return list.n > 0 &&
	       bsearch(&word, list.words, list.n, sizeof(*list.words), compare) != NULL;
}

static bool
is_mark(char c)
{
	return isdigit((unsigned char)c) || ispunct((unsigned char)c) || c == ' ';
}

/* Listed, as it is or without a few digits and marks before and behind it. */
static bool
is_common(struct fynq_str word)
{
	struct fynq_str core = word;

	if (is_listed(word))
		return true;
	while (core.n > 0 && is_mark(core.p[core.n - 1])) {
		core.n--;
		if (word.n - core.n <= AFFIX_MAX && is_listed(core))
			return true;
	}
	while (core.n > 0 && is_mark(core.p[0])) {
		core.p++;
		core.n--;
	}
	return word.n - core.n <= AFFIX_MAX && is_listed(core);
}

/* After how many bytes the text begins again; its length where it does not. */
static size_t
period(struct fynq_str s)
{
	for (size_t p = 1; p < s.n; p++)
		if (memcmp(s.p, s.p + p, s.n - p) == 0)
			return p;
	return s.n;
}

/* The same character, its neighbour in the alphabet, or its neighbour on a keyboard. */
static bool
follows(uint32_t a, uint32_t b)
{
	static const char rows[] =
	    "1234567890 qwertyuiop asdfghjkl zxcvbnm qwertzuiop yxcvbnm azertyuiop qsdfghjklm";

	if (a == b || a + 1 == b || b + 1 == a)
		return true;
	for (size_t i = 0; i + 1 < sizeof(rows) - 1; i++) {
		uint32_t left = (uint32_t)rows[i], right = (uint32_t)rows[i + 1];

		if (left != ' ' && right != ' ' &&
		    ((a == left && b == right) || (a == right && b == left)))
			return true;
	}
	return false;
}

/* Characters that each follow from the one before, but for a few; or the same few again and again.
 */
static bool
is_run(struct fynq_str s)
{
	uint32_t last, next;
	int turns = 0;

	if (s.n == 0 || period(s) < PERIOD_MIN)
		return true;
	for (last = fynq_str_take_char(&s); s.n > 0; last = next) {
		next = fynq_str_take_char(&s);
		turns += !follows(last, next);
	}
	return turns < TURNS_MIN;
}

static bool
is_poor(struct fynq_str s)
{
	size_t p = period(s);

	return is_common(s) || is_run(s) || (p < s.n && is_common((struct fynq_str){ s.p, p }));
}

/* Take a word out of the password, wherever it stands. True where it did. */
static bool
take_out(struct folded *password, struct fynq_str word)
{
	struct folded folded_word = { .n = word.n };
	bool found = false;
	char *at;

	if (word.n < WORD_MIN || word.n > sizeof(folded_word.p))
		return false;
	fold(folded_word.p, word);
	while ((at = memmem(password->p, password->n, folded_word.p, word.n)) != NULL) {
		size_t behind = (size_t)(password->p + password->n - (at + word.n));

		memmove(at, at + word.n, behind);
		password->n -= word.n;
		found = true;
	}
	return found;
}

/* The text as a whole, then each of its words: what letters and digits make. */
static bool
take_out_words(struct folded *password, struct fynq_str text)
{
	bool found = take_out(password, text);
	size_t from = 0;

	for (size_t i = 0; i <= text.n; i++)
		if (i == text.n ||
		    (!isalnum((unsigned char)text.p[i]) && (unsigned char)text.p[i] < 0x80)) {
			found |= take_out(password, (struct fynq_str){ text.p + from, i - from });
			from = i + 1;
		}
	return found;
}

/* Little is left of it without the words that others try first. */
static bool
is_about(struct folded password, struct fynq_str email, struct fynq_str name)
{
	struct fynq_str site = fynq_str_of(fynq_config.site_url);
	struct fynq_str left, local, domain;
	bool found;

	fynq_str_cut(email, '@', &local, &domain);
	found = take_out(&password, email);
	found |= take_out_words(&password, local);
	found |= take_out_words(&password, name);
	found |= take_out_words(&password, domain);
	found |= take_out_words(&password, site);
	found |= take_out(&password, FYNQ_STR("fynq"));
	left = (struct fynq_str){ password.p, password.n };
	return found && (left.n < LEFT_MIN || (fynq_str_utf8(left) && is_poor(left)));
}

static enum fynq_err
refuse(struct fynq_req *rq, const char *field, const char *why)
{
	fynq_fault(rq, fynq_str_of(field), "value", "%s", why);
	return FYNQ_E_INVALID;
}

enum fynq_err
fynq_rules_check(struct fynq_req *rq, const char *field, struct fynq_str password,
    struct fynq_str email, struct fynq_str name)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct folded folded = { .n = password.n };
	struct fynq_str whole = { folded.p, folded.n };
	enum fynq_err e = FYNQ_OK;

	pthread_once(&once, load_once);
	if (password.n > FYNQ_PASSWORD_MAX) {
		fynq_fault(rq, fynq_str_of(field), "too_long",
		    "It must have at most %d bytes in UTF-8.", FYNQ_PASSWORD_MAX);
		return FYNQ_E_INVALID;
	}
	if (fynq_str_chars(password) < (size_t)fynq_config.password_min) {
		fynq_fault(rq, fynq_str_of(field), "too_short",
		    "It must have at least %lld characters.", (long long)fynq_config.password_min);
		return FYNQ_E_INVALID;
	}
	fold(folded.p, password);
	if (is_run(whole))
		e = refuse(rq, field, "It is a row of characters that are easy to guess.");
	else if (is_poor(whole))
		e = refuse(rq, field, "Many others have it: it is on a list of common passwords.");
	else if (is_about(folded, email, name))
		e = refuse(rq, field,
		    "It is the email address, the name or the service's name with little more.");
	explicit_bzero(&folded, sizeof(folded));
	return e;
}
