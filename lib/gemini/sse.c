#include "gemini/sse.h"

enum { KEEP_CAPACITY = 1024 };

void
fynq_sse_init(struct fynq_sse *s, void (*event)(void *arg, struct fynq_str data), void *arg)
{
	*s = (struct fynq_sse){
		.line = FYNQ_BUF_INIT(FYNQ_SSE_EVENT_MAX),
		.data = FYNQ_BUF_INIT(FYNQ_SSE_EVENT_MAX),
		.raw = FYNQ_BUF_INIT(FYNQ_SSE_RAW_MAX),
		.event = event,
		.arg = arg,
	};
}

/* Thousands of streams are open at a time, and most of an event's life is waiting for it. */
static void
empty(struct fynq_buf *b)
{
	if (b->cap > KEEP_CAPACITY)
		fynq_buf_release(b);
	else
		fynq_buf_reset(b);
}

static void
end_event(struct fynq_sse *s)
{
	if (s->data.n > 0 && !s->overrun)
		s->event(s->arg, fynq_buf_str(&s->data));
	empty(&s->data);
}

/* A field's value, without the one space that may follow the colon. */
static bool
field(struct fynq_str line, struct fynq_str name, struct fynq_str *value_r)
{
	if (!fynq_str_starts(line, name))
		return false;
	*value_r = (struct fynq_str){ line.p + name.n, line.n - name.n };
	if (value_r->n > 0 && value_r->p[0] == ' ') {
		value_r->p++;
		value_r->n--;
	}
	return true;
}

static void
take_line(struct fynq_sse *s, struct fynq_str line)
{
	static const struct fynq_str ignored[] = { FYNQ_STR_INIT(":"), FYNQ_STR_INIT("event:"),
		FYNQ_STR_INIT("id:"), FYNQ_STR_INIT("retry:") };
	struct fynq_str value;

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0) {
		end_event(s);
		return;
	}
	if (field(line, FYNQ_STR("data:"), &value)) {
		if (s->data.n > 0)
			fynq_buf_add_char(&s->data, '\n');
		fynq_buf_add(&s->data, value);
		return;
	}
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (fynq_str_starts(line, ignored[i]))
			return;
	fynq_buf_add(&s->raw, line);
	fynq_buf_add_char(&s->raw, '\n');
}

static bool
fits(struct fynq_sse *s)
{
	s->overrun = s->overrun || s->line.full || s->data.full || s->raw.full;
	return !s->overrun;
}

bool
fynq_sse_feed(struct fynq_sse *s, struct fynq_str bytes)
{
	struct fynq_str line, rest;

	while (bytes.n > 0 && fynq_str_cut(bytes, '\n', &line, &rest)) {
		/* Most lines arrive whole and need no copy. */
		if (s->line.n > 0) {
			fynq_buf_add(&s->line, line);
			line = fynq_buf_str(&s->line);
		}
		if (!fits(s))
			return false;
		take_line(s, line);
		if (!fits(s))
			return false;
		empty(&s->line);
		bytes = rest;
	}
	fynq_buf_add(&s->line, bytes);
	return fits(s);
}

bool
fynq_sse_finish(struct fynq_sse *s)
{
	if (s->line.n > 0 && fits(s))
		take_line(s, fynq_buf_str(&s->line));
	if (fits(s))
		end_event(s);
	fynq_buf_release(&s->line);
	return !s->overrun;
}

void
fynq_sse_release(struct fynq_sse *s)
{
	fynq_buf_release(&s->line);
	fynq_buf_release(&s->data);
	fynq_buf_release(&s->raw);
}
