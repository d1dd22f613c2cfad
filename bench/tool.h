/*
 * What the mock and the load client share: the marks that events carry, histograms, commands.
 *
 * Both are started by a script that talks to them through standard input and output: a command a
 * line, a line of JSON for an answer. They end when their input does, so that none is left behind.
 */
#ifndef FYNQ_BENCH_TOOL_H
#define FYNQ_BENCH_TOOL_H

#include "base/buf.h"
#include "base/evloop.h"

/* Say why on standard error and exit with status 1. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A number of the command line from least to most, or die. */
int64_t number_option(const char *name, const char *text, int64_t least, int64_t most);

/* Processor time of this process so far, user and system, in microseconds. */
int64_t cpu_us(void);

/* Raise the limit of descriptors as far as it goes. */
void raise_descriptors(void);

/* Call take(line) for each line of standard input; exit with its end. */
void take_commands(void (*take)(char *line));

/* Print a line of JSON and empty the buffer. */
void answer(struct fynq_buf *json);

/*
 * A mark: the text of one event, "CALL INDEX TIME xxx...;" and '.' in place of ';' in the last one
 * of a reply. CALL is the mock's number of the call, INDEX counts from 0, TIME is when the mock
 * sent it in microseconds of CLOCK_MONOTONIC, and letters that CALL and INDEX choose fill it up. So
 * a reader knows what must come next, however the text is cut or joined on its way.
 */
enum { MARK_MIN = 40, MARK_MAX = 1024 };

struct mark {
	uint64_t call;
	unsigned int index;
	int64_t sent_us;
	bool last;
};

/* Append a mark of size bytes, from MARK_MIN to MARK_MAX. */
void mark_add(struct fynq_buf *out, const struct mark *m, size_t size);

/* Reads the marks of one reply; zero it before. */
struct mark_reader {
	char text[MARK_MAX];
	size_t n;
	unsigned int next; /* how many marks came */
	uint64_t call;	   /* of the first mark */
	bool bad, ended;   /* something else came than must; the last mark came */
};

/* Take the next bytes; got(arg, mark) for each whole mark. */
void mark_read(struct mark_reader *r, struct fynq_str text,
    void (*got)(void *arg, const struct mark *m), void *arg);

/* Durations in microseconds, to 1 part in 64, up to about 70 minutes. */
enum { HIST_SUB = 64, HIST_SIZE = 27 * HIST_SUB };

struct hist {
	uint64_t counts[HIST_SIZE], n;
	int64_t max;
	double sum;
};

void hist_add(struct hist *h, int64_t us);

/* Append "name":{"n":...,"mean_ms":...,"p50_ms":...,"p99_ms":...,"max_ms":...} and empty it. */
void hist_json(struct fynq_buf *out, const char *name, struct hist *h);

#endif
