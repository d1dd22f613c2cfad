/*
 * picture FILE RESULT [USERID NAME]: prepare the picture in FILE as a responder would and write it
 * to RESULT; keep it as a file of that user, of this name.
 *
 * Prints one line of JSON: what came of it, or the problem that a client would get, and the most
 * memory that a child took. The settings are the environment's.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "data/db.h"
#include "storage/file.h"

static bool
write_result(const struct fynq_picture *picture, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t at = 0;
	bool written = fd >= 0;

	while (written && at < picture->bytes)
		written = sendfile(fd, picture->fd, &at, (size_t)(picture->bytes - at)) > 0;
	if (fd >= 0)
		close(fd);
	return written;
}

/* Keep it where the arguments say so; id_r stays absent where they do not. */
static enum fynq_err
keep(struct fynq_req *rq, char **args, const struct fynq_picture *picture, struct fynq_uuid *id_r)
{
	struct fynq_new_file file;

	if (args[0] == NULL || args[1] == NULL)
		return FYNQ_OK;
	fynq_db_init();
	rq->caller.id = fynq_str_of(args[0]);
	file = fynq_file_of_picture(
	    picture, FYNQ_STR("chat"), FYNQ_STR("image"), fynq_str_of(args[1]));
	FYNQ_TRY(fynq_files_add(rq, &file, 1, NULL, NULL));
	*id_r = file.id;
	return FYNQ_OK;
}

static void
describe(struct fynq_req *rq, enum fynq_err e, const struct fynq_picture *picture,
    const struct fynq_uuid *id, struct fynq_buf *out)
{
	struct rusage usage;

	getrusage(RUSAGE_CHILDREN, &usage);
	fynq_buf_printf(out, "{\"child_memory\":%ld", usage.ru_maxrss * 1024);
	if (e == FYNQ_OK) {
		fynq_buf_printf(out,
		    ",\"id\":\"%s\",\"picture\":{\"media_type\":\"%s\",\"bytes\":%lld,\"sha256\":"
		    "\"%s\","
		    "\"width\":%d,\"height\":%d}",
		    id->text, picture->media_type, (long long)picture->bytes, picture->sha256,
		    picture->width, picture->height);
	} else {
		fynq_buf_add(out, FYNQ_STR(",\"problem\":"));
		fynq_problem_json(out, &rq->problem, FYNQ_STR("tool"));
	}
	fynq_buf_add(out, FYNQ_STR("}\n"));
}

int
main(int argc, char **argv)
{
	struct fynq_buf out = FYNQ_BUF_INIT(65536);
	struct fynq_uuid id = { .text = "" };
	struct fynq_picture picture;
	struct fynq_req *rq;
	enum fynq_err e;
	struct stat st;
	bool good;
	int fd;

	if ((argc != 3 && argc != 5) || !fynq_config_load(&out)) {
		fprintf(stderr, "usage: picture FILE RESULT [USERID NAME]\n%.*s", (int)out.n,
		    out.p != NULL ? out.p : "");
		return 64;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		perror(argv[1]);
		return 66;
	}
	rq = fynq_req_new(-1, true);
	e = fynq_picture_prepare(rq, FYNQ_STR("image"), fd, st.st_size, &picture);
	good = e != FYNQ_OK || write_result(&picture, argv[2]);
	if (e == FYNQ_OK)
		e = keep(rq, argv + 3, &picture, &id);
	describe(rq, e, &picture, &id, &out);
	fwrite(out.p, 1, out.n, stdout);
	fynq_buf_release(&out);
	fynq_req_free(&rq);
	fynq_db_close();
	close(fd);
	return good ? 0 : 73;
}
