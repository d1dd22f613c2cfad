#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "http/upload.h"
#include "library/extract.h"
#include "library/passages.h"

/* Address space; documents that people make are read with a tenth of it. */
#define MEMORY_MAX (INT64_C(1) << 29)

/* The deadline is so many times the processor time, as other work has the processors, too. */
enum { PATIENCE = 3, LOOK_BYTES = 65536 };

static atomic_bool stopped;

struct map {
	void *p;
	size_t n;
};

static void
unmap(void *arg)
{
	struct map *map = arg;

	munmap(map->p, map->n);
}

/* Does the document say that it is encrypted? Looked at once it could not be read. */
static bool
is_encrypted(int fd)
{
	static const struct fynq_str word = FYNQ_STR_INIT("/Encrypt");
	char piece[LOOK_BYTES];
	ssize_t n;

	/* The pieces overlap, so that the word is whole in one of them. */
	for (off_t at = 0; (n = pread(fd, piece, sizeof(piece), at)) >= (ssize_t)word.n;
	     at += n - (ssize_t)word.n + 1)
		if (memmem(piece, (size_t)n, word.p, word.n) != NULL)
			return true;
	return false;
}

static enum fynq_extract_end
explain(int fd, enum fynq_child_end end, const struct fynq_child_use *use)
{
	switch (end) {
	case FYNQ_CHILD_STOPPED:
		return FYNQ_EXTRACT_STOPPED;
	case FYNQ_CHILD_MISSING:
		fynq_log(FYNQ_LOG_ERROR, "library",
		    "cannot run %s: install it (Debian: poppler-utils) or set FYNQ_PDFTOTEXT",
		    fynq_config.pdftotext);
		return FYNQ_EXTRACT_LATER;
	case FYNQ_CHILD_SPENT:
		fynq_log(FYNQ_LOG_WARN, "library", "%s was killed after %lld ms of processor time",
		    fynq_config.pdftotext, (long long)use->cpu_us / 1000);
		/* Where it had so little of that time, others had the processor. */
		return use->cpu_us < fynq_config.pdf_seconds * 1000000 / 4 ? FYNQ_EXTRACT_LATER
									   : FYNQ_EXTRACT_TOO_LARGE;
	case FYNQ_CHILD_CRASHED:
		fynq_log(FYNQ_LOG_WARN, "library", "%s crashed, with %lld MB",
		    fynq_config.pdftotext, (long long)use->memory >> 20);
		break;
	default:
		break;
	}
	if (use->memory > MEMORY_MAX / 2)
		return FYNQ_EXTRACT_TOO_LARGE;
	return is_encrypted(fd) ? FYNQ_EXTRACT_ENCRYPTED : FYNQ_EXTRACT_DAMAGED;
}

static enum fynq_extract_end
run(struct fynq_req *rq, int fd, int out)
{
	static const char *const env[] = { "LC_ALL=C", "HOME=/nonexistent", NULL };
	const char *const argv[] = { fynq_config.pdftotext, "-q", "-enc", "UTF-8", "-l",
		fynq_arena_printf(rq->arena, "%lld", (long long)fynq_config.pdf_pages).p, "-", "-",
		NULL };
	const struct fynq_child child = {
		.argv = argv,
		.env = env,
		.in = fd,
		.out = out,
		.memory_max = MEMORY_MAX,
		.file_max = FYNQ_TEXT_MAX + 1,
		.seconds_max = fynq_config.pdf_seconds,
		.deadline_us = fynq_clock_mono_us() + PATIENCE * fynq_config.pdf_seconds * 1000000,
		.stop = &stopped,
	};
	struct fynq_child_use use;
	enum fynq_child_end end;
	struct stat st;

	/* The child reads from where the descriptor stands. */
	(void)lseek(fd, 0, SEEK_SET);
	end = fynq_child_run(&child, &use);
	if (fstat(out, &st) == 0 && st.st_size > FYNQ_TEXT_MAX)
		return FYNQ_EXTRACT_TOO_LARGE;
	return end == FYNQ_CHILD_DONE ? FYNQ_EXTRACT_DONE : explain(fd, end, &use);
}

enum fynq_extract_end
fynq_extract_pdf(struct fynq_req *rq, int fd, struct fynq_str *text_r)
{
	struct map *map = fynq_arena_alloc(rq->arena, sizeof(*map));
	enum fynq_extract_end end;
	struct fynq_upload out;
	struct stat st;

	*text_r = FYNQ_STR("");
	if (fynq_upload_open(rq, &out) != FYNQ_OK)
		return FYNQ_EXTRACT_LATER;
	end = run(rq, fd, out.fd);
	if (end != FYNQ_EXTRACT_DONE || fstat(out.fd, &st) != 0 || st.st_size == 0)
		return end;
	*map = (struct map){ mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, out.fd, 0),
		(size_t)st.st_size };
	if (map->p == MAP_FAILED) {
		fynq_log(FYNQ_LOG_ERROR, "library", "cannot map a text: %s", strerror(errno));
		return FYNQ_EXTRACT_LATER;
	}
	fynq_arena_defer(rq->arena, unmap, map);
	*text_r = (struct fynq_str){ map->p, map->n };
	return FYNQ_EXTRACT_DONE;
}

void
fynq_extract_stop(void)
{
	atomic_store(&stopped, true);
}
