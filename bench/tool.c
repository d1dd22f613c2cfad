#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/tool.h"

enum { COMMAND_MAX = 256 };

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

int64_t
number_option(const char *name, const char *text, int64_t least, int64_t most)
{
	int64_t n;

	if (!fynq_str_int(fynq_str_of(text), &n) || n < least || n > most)
		die("%s: a number from %lld to %lld, not %s", name, (long long)least,
		    (long long)most, text);
	return n;
}

static int64_t
timeval_us(struct timeval t)
{
	return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

int64_t
cpu_us(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return timeval_us(used.ru_utime) + timeval_us(used.ru_stime);
}

void
raise_descriptors(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static struct fynq_buf command = FYNQ_BUF_INIT(COMMAND_MAX);
static void (*take_line)(char *line);

static void
on_input(struct fynq_watch *w, uint32_t events)
{
	char bytes[COMMAND_MAX];
	ssize_t n = read(w->fd, bytes, sizeof(bytes));

	(void)events;
	if (n <= 0)
		exit(0);
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] != '\n') {
			fynq_buf_add_char(&command, bytes[i]);
			continue;
		}
		fynq_buf_add_char(&command, '\0');
		if (command.full)
			die("a command of more than %d bytes", COMMAND_MAX);
		take_line(command.p);
		fynq_buf_reset(&command);
	}
}

void
take_commands(void (*take)(char *line))
{
	static struct fynq_watch input = { .fd = STDIN_FILENO, .ready = on_input };

	take_line = take;
	fynq_evloop_watch(&input, EPOLLIN);
}

void
answer(struct fynq_buf *json)
{
	fynq_buf_add_char(json, '\n');
	if (json->full || fwrite(json->p, 1, json->n, stdout) != json->n || fflush(stdout) != 0)
		die("cannot answer");
	fynq_buf_release(json);
}

static char
filler(const struct mark *m, size_t at)
{
	return (char)('a' + (m->call + m->index + at) % 26);
}

void
mark_add(struct fynq_buf *out, const struct mark *m, size_t size)
{
	char text[MARK_MAX + 1];
	int n = snprintf(text, sizeof(text), "%llu %u %lld ", (unsigned long long)m->call, m->index,
	    (long long)m->sent_us);

	for (size_t i = (size_t)n; i < size - 1; i++)
		text[i] = filler(m, i);
	text[size - 1] = m->last ? '.' : ';';
	fynq_buf_add(out, (struct fynq_str){ text, size });
}

static bool
parse(const struct mark_reader *r, struct mark *m_r)
{
	char *end;

	m_r->last = r->text[r->n - 1] == '.';
	m_r->call = strtoull(r->text, &end, 10);
	m_r->index = (unsigned int)strtoul(end, &end, 10);
	m_r->sent_us = strtoll(end, &end, 10);
	if (*end++ != ' ' || m_r->index != r->next || (r->next > 0 && m_r->call != r->call))
		return false;
	for (size_t i = (size_t)(end - r->text); i < r->n - 1; i++)
		if (r->text[i] != filler(m_r, i))
			return false;
	return true;
}

void
mark_read(struct mark_reader *r, struct fynq_str text, void (*got)(void *arg, const struct mark *m),
    void *arg)
{
	struct mark m;

	for (size_t i = 0; i < text.n && !r->bad; i++) {
		r->bad = r->ended || r->n == MARK_MAX;
		if (r->bad)
			return;
		r->text[r->n++] = text.p[i];
		if (text.p[i] != ';' && text.p[i] != '.')
			continue;
		if (!parse(r, &m)) {
			r->bad = true;
			return;
		}
		r->call = m.call;
		r->ended = m.last;
		r->next++;
		r->n = 0;
		got(arg, &m);
	}
}

static size_t
bucket(int64_t us)
{
	uint64_t v = us > 0 ? (uint64_t)us : 0;
	unsigned int shift = 0;
	size_t at;

	while (v >> shift >= 2 * HIST_SUB)
		shift++;
	at = shift * HIST_SUB + (size_t)(v >> shift);
	return at < HIST_SIZE ? at : HIST_SIZE - 1;
}

/* The largest duration of a bucket. */
static int64_t
bucket_us(size_t at)
{
	size_t shift = at < 2 * HIST_SUB ? 0 : at / HIST_SUB - 1;

	return (int64_t)(((at - shift * HIST_SUB + 1) << shift) - 1);
}

void
hist_add(struct hist *h, int64_t us)
{
	h->counts[bucket(us)]++;
	h->n++;
	h->sum += (double)us;
	if (us > h->max)
		h->max = us;
}

static double
hist_ms(const struct hist *h, double part)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < HIST_SIZE; i++) {
		seen += h->counts[i];
		if ((double)seen >= part * (double)h->n && seen > 0)
			return (double)(bucket_us(i) < h->max ? bucket_us(i) : h->max) / 1000;
	}
	return 0;
}

void
hist_json(struct fynq_buf *out, const char *name, struct hist *h)
{
	double n = h->n > 0 ? (double)h->n : 1;

	fynq_buf_printf(out,
	    "\"%s\":{\"n\":%llu,\"mean_ms\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}",
	    name, (unsigned long long)h->n, h->sum / n / 1000, hist_ms(h, 0.5), hist_ms(h, 0.99),
	    (double)h->max / 1000);
	*h = (struct hist){ 0 };
}
