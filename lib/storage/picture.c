/*
 * vipsheader says what libvips sees in the file, before a pixel of it is decoded; vipsthumbnail
 * makes the picture; vipsheader looks at that.
 *
 * libvips chooses a decoder by the first bytes, as libmagic does, and cannot be told one. So
 * VIPS_BLOCK_UNTRUSTED leaves it only those decoders that its authors hold to be safe with hostile
 * files, and the one that it chose must be that of the type that libmagic found. A file that begins
 * as one of the types is no other's. HEIF is a container: what decodes a picture in it, HEVC or
 * AV1, is libheif's choice.
 *
 * A process that dies while it prepares leaves nothing: its files have no names, and the child ends
 * by its limits.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "http/upload.h"
#include "storage/picture.h"
#include "storage/sniff.h"

/* A PNG larger than this is kept as JPEG. */
enum { PNG_MAX = 4 << 20, HEADER_MAX = 1024 };

/*
 * What a child may map: its libraries, and the whole picture at 16 bytes a pixel, twice what an
 * interlaced PNG of 16 bits a sample takes, the worst there is.
 */
enum { MEMORY_BASE = 512 << 20, MEMORY_PIXEL = 16 };

/* How a picture is written: vipsthumbnail's -o. */
struct form {
	const char *media_type, *output;
};
static const struct form jpeg = { "image/jpeg", ".jpg[Q=85,strip,background=255]" };
static const struct form png = { "image/png", ".png[strip]" };

/* What is taken, by the name that libmagic has for it and the decoder that libvips has. */
static const struct kind {
	const char *media_type, *loader;
	const struct form *form;
} kinds[] = {
	{ "image/jpeg", ", jpegload", &jpeg },
	{ "image/png", ", pngload", &png },
	{ "image/webp", ", webpload", &jpeg },
	{ "image/heic", ", heifload", &jpeg },
	{ "image/heif", ", heifload", &jpeg },
};

struct size {
	int width, height;
};

/* One picture's way. */
struct job {
	struct fynq_req *rq;
	struct fynq_str field;
	const struct kind *kind;
	int64_t deadline_us; /* of all its children together */
	int in, out;
	bool grey;
};

/* How many children this process may still start. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	int64_t busy;
} slots = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };

static enum fynq_err
enter(struct fynq_req *rq)
{
	struct timespec until;
	int waited = 0;
	bool mine;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += fynq_config.image_seconds;
	pthread_mutex_lock(&slots.lock);
	while (slots.busy >= fynq_config.image_processes && waited == 0)
		waited = pthread_cond_clockwait(&slots.freed, &slots.lock, CLOCK_MONOTONIC, &until);
	mine = slots.busy < fynq_config.image_processes;
	slots.busy += mine;
	pthread_mutex_unlock(&slots.lock);
	if (!mine)
		return fynq_fail(rq, FYNQ_E_BUSY, "Too many pictures are being prepared.");
	return FYNQ_OK;
}

static void
leave(void)
{
	pthread_mutex_lock(&slots.lock);
	slots.busy--;
	pthread_cond_signal(&slots.freed);
	pthread_mutex_unlock(&slots.lock);
}

static enum fynq_err
bad_image(const struct job *job, const char *code, const char *message)
{
	fynq_fault(job->rq, job->field, code, "%s", message);
	return FYNQ_E_INVALID;
}

static enum fynq_err
find_kind(struct job *job)
{
	char head[FYNQ_SNIFF_BYTES], type[FYNQ_MEDIA_TYPE_SIZE];
	ssize_t n = pread(job->in, head, sizeof(head), 0);

	if (n < 0) {
		fynq_log(FYNQ_LOG_ERROR, "storage", "cannot read a picture: %s", strerror(errno));
		return fynq_fail(job->rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	}
	if (!fynq_sniff((struct fynq_str){ head, (size_t)n }, type))
		return fynq_fail(job->rq, FYNQ_E_PICTURES_UNAVAILABLE, NULL);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		job->kind = &kinds[i];
		if (strcmp(type, kinds[i].media_type) == 0)
			return FYNQ_OK;
	}
	fynq_fault(job->rq, job->field, "type",
	    "It must be a JPEG, PNG, WebP or HEIC picture; it is %s.", type);
	return fynq_fail(job->rq, FYNQ_E_MEDIA_TYPE, NULL);
}

/* The child did not do it: say whose fault that is. */
static enum fynq_err
explain(const struct job *job, const char *program, enum fynq_child_end end,
    const struct fynq_child_use *use)
{
	switch (end) {
	case FYNQ_CHILD_MISSING:
		fynq_log(FYNQ_LOG_ERROR, "picture",
		    "%s does not run, nor may prlimit; on Debian, apt-get install libvips-tools,"
		    " and see FYNQ_VIPS_DIR",
		    program);
		return fynq_fail(job->rq, FYNQ_E_PICTURES_UNAVAILABLE, NULL);
	case FYNQ_CHILD_SPENT:
		fynq_log(FYNQ_LOG_WARN, "picture", "%s was killed after %lld ms of processor time",
		    program, (long long)use->cpu_us / 1000);
		/* Where it had so little of that time, others had the processor. */
		if (use->cpu_us < fynq_config.image_seconds * 1000000 / 4)
			return fynq_fail(
			    job->rq, FYNQ_E_BUSY, "The picture could not be prepared in time.");
		return bad_image(job, "too_large", "It takes too long to prepare.");
	case FYNQ_CHILD_CRASHED:
		fynq_log(FYNQ_LOG_WARN, "picture", "%s crashed, with %lld MB", program,
		    (long long)use->memory >> 20);
		break;
	default:
		break;
	}
	return bad_image(job, "format", "It is damaged or cut off.");
}

/* Run a program of libvips with arguments that follow its name, from in to out. */
static enum fynq_err
run(const struct job *job, const char *name, const char *const *args, int in, int out)
{
	static const char *const env[] = { "LC_ALL=C", "VIPS_BLOCK_UNTRUSTED=1",
		"VIPS_CONCURRENCY=1", "VIPS_DISC_THRESHOLD=1000g", NULL };
	const char *argv[12] = {
		fynq_arena_printf(job->rq->arena, "%s/%s", fynq_config.vips_dir, name).p
	};
	struct fynq_child child = {
		.argv = argv,
		.env = env,
		.in = in,
		.out = out,
		.memory_max = MEMORY_BASE + MEMORY_PIXEL * fynq_config.image_pixels,
		.file_max = 2 * FYNQ_PICTURE_MAX,
		.seconds_max = fynq_config.image_seconds,
		.deadline_us = job->deadline_us,
	};
	struct fynq_child_use use;
	enum fynq_child_end end;

	for (size_t i = 0; args[i] != NULL; i++)
		argv[i + 1] = args[i];
	/* The child reads from where the descriptor stands. */
	(void)lseek(in, 0, SEEK_SET);
	end = fynq_child_run(&child, &use);
	return end == FYNQ_CHILD_DONE ? FYNQ_OK : explain(job, argv[0], end, &use);
}

/*
 * What vipsheader says of a file: "800x600 uchar, 3 bands, srgb, jpegload_source". It goes through
 * a pipe, which holds more than that without anyone reading.
 */
static enum fynq_err
look(const struct job *job, int fd, char header_r[static HEADER_MAX], struct size *size_r)
{
	static const char *const args[] = { "stdin", NULL };
	int ends[2];
	enum fynq_err e;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		fynq_log(FYNQ_LOG_ERROR, "picture", "cannot make a pipe: %s", strerror(errno));
		return fynq_fail(job->rq, FYNQ_E_BUSY, NULL);
	}
	e = run(job, "vipsheader", args, fd, ends[1]);
	close(ends[1]);
	n = e == FYNQ_OK ? read(ends[0], header_r, HEADER_MAX - 1) : 0;
	close(ends[0]);
	FYNQ_TRY(e);
	header_r[n > 0 ? n : 0] = '\0';
	if (sscanf(header_r, "%9dx%9d ", &size_r->width, &size_r->height) != 2)
		return bad_image(job, "format", "It cannot be read.");
	return FYNQ_OK;
}

/* Is it what it seemed to be, and small enough to be decoded? */
static enum fynq_err
check(struct job *job)
{
	char header[HEADER_MAX];
	struct size size;
	int64_t pixels;

	FYNQ_TRY(look(job, job->in, header, &size));
	if (strstr(header, job->kind->loader) == NULL) {
		fynq_log(
		    FYNQ_LOG_WARN, "picture", "libvips takes %s otherwise", job->kind->media_type);
		return bad_image(job, "format", "It cannot be read.");
	}
	job->grey = strstr(header, ", b-w, ") != NULL || strstr(header, ", grey16, ") != NULL;
	pixels = (int64_t)size.width * size.height;
	if (pixels <= fynq_config.image_pixels)
		return FYNQ_OK;
	fynq_fault(job->rq, job->field, "too_large",
	    "It has %lld pixels; at most %lld are allowed.", (long long)pixels,
	    (long long)fynq_config.image_pixels);
	return FYNQ_E_INVALID;
}

/*
 * Scale, turn upright, bring to sRGB, write: all by vipsthumbnail. The ">" keeps it from enlarging;
 * fail_on makes it refuse a file that is cut off, whose rest it would otherwise paint grey. A
 * profile in the file is heeded, and without one colours are taken for sRGB's. Grey is taken so in
 * any case, as no conversion into the colours of sRGB leaves an untagged grey as it was.
 */
static enum fynq_err
convert(const struct job *job, const struct form *form, struct fynq_picture *picture_r)
{
	long long side = (long long)fynq_config.image_side;
	const char *args[] = { "stdin[fail_on=truncated]", "--size",
		fynq_arena_printf(job->rq->arena, "%lldx%lld>", side, side).p, "-o", form->output,
		job->grey ? NULL : "--import-profile=srgb", "--export-profile=srgb", NULL };
	struct stat st;

	if (ftruncate(job->out, 0) != 0 || lseek(job->out, 0, SEEK_SET) != 0) {
		fynq_log(FYNQ_LOG_ERROR, "storage", "scratch: %s", strerror(errno));
		return fynq_fail(job->rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	}
	FYNQ_TRY(run(job, "vipsthumbnail", args, job->in, job->out));
	picture_r->media_type = form->media_type;
	picture_r->bytes = fstat(job->out, &st) == 0 ? st.st_size : 0;
	return FYNQ_OK;
}

static enum fynq_err
hash(const struct job *job, struct fynq_picture *picture)
{
	size_t n = (size_t)picture->bytes;
	void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, job->out, 0);

	if (p == MAP_FAILED) {
		fynq_log(FYNQ_LOG_ERROR, "storage", "cannot map a picture: %s", strerror(errno));
		return fynq_fail(job->rq, FYNQ_E_STORAGE_UNAVAILABLE, NULL);
	}
	fynq_sha256((struct fynq_str){ p, n }, picture->sha256);
	munmap(p, n);
	return FYNQ_OK;
}

static enum fynq_err
prepare(struct job *job, struct fynq_picture *picture_r)
{
	char header[HEADER_MAX];
	struct size size;

	FYNQ_TRY(check(job));
	FYNQ_TRY(convert(job, job->kind->form, picture_r));
	if (job->kind->form == &png && picture_r->bytes > PNG_MAX)
		FYNQ_TRY(convert(job, &jpeg, picture_r));
	if (picture_r->bytes == 0)
		return bad_image(job, "format", "It cannot be read.");
	if (picture_r->bytes > FYNQ_PICTURE_MAX)
		return bad_image(job, "too_large", "It takes too much room.");
	FYNQ_TRY(look(job, job->out, header, &size));
	picture_r->fd = job->out;
	picture_r->width = size.width;
	picture_r->height = size.height;
	return hash(job, picture_r);
}

enum fynq_err
fynq_picture_prepare(struct fynq_req *rq, struct fynq_str field, int fd_in, int64_t bytes,
    struct fynq_picture *picture_r)
{
	struct job job = { .rq = rq, .field = field, .in = fd_in };
	struct fynq_upload out;
	enum fynq_err e;

	*picture_r = (struct fynq_picture){ .fd = -1 };
	if (bytes <= 0)
		return bad_image(&job, "too_short", "It is empty.");
	FYNQ_TRY(find_kind(&job));
	FYNQ_TRY(fynq_upload_open(rq, &out));
	job.out = out.fd;
	FYNQ_TRY(enter(rq));
	job.deadline_us = fynq_clock_mono_us() + fynq_config.image_seconds * 1000000;
	e = prepare(&job, picture_r);
	leave();
	return e;
}
