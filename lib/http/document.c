#include "http/document.h"

/* The place of the next member: the comma before it, its line, its name. */
static void
begin(struct fynq_doc *d, const char *name)
{
	if (d->depth > 0)
		fynq_buf_printf(d->out, "%s\n%*s", d->fresh ? "" : ",", 2 * d->depth, "");
	if (name != NULL) {
		fynq_buf_add_json(d->out, fynq_str_of(name));
		fynq_buf_add(d->out, FYNQ_STR(": "));
	}
	d->fresh = false;
}

void
fynq_doc_open(struct fynq_doc *d, const char *name, char bracket)
{
	begin(d, name);
	fynq_buf_add_char(d->out, bracket);
	d->depth++;
	d->fresh = true;
}

void
fynq_doc_close(struct fynq_doc *d, char bracket)
{
	d->depth--;
	if (!d->fresh)
		fynq_buf_printf(d->out, "\n%*s", 2 * d->depth, "");
	fynq_buf_add_char(d->out, bracket);
	d->fresh = false;
}

void
fynq_doc_text(struct fynq_doc *d, const char *name, struct fynq_str text)
{
	begin(d, name);
	fynq_buf_add_json(d->out, text);
}

void
fynq_doc_number(struct fynq_doc *d, const char *name, int64_t number)
{
	begin(d, name);
	fynq_buf_printf(d->out, "%lld", (long long)number);
}

void
fynq_doc_bool(struct fynq_doc *d, const char *name, bool value)
{
	begin(d, name);
	fynq_buf_add(d->out, value ? FYNQ_STR("true") : FYNQ_STR("false"));
}

void
fynq_doc_null(struct fynq_doc *d, const char *name)
{
	begin(d, name);
	fynq_buf_add(d->out, FYNQ_STR("null"));
}
