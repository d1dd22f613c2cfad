#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum { LINE_MAX_BYTES = 8192, MESSAGE_MAX = 2048 };

static struct {
	atomic_int fd;
	const char *path, *program;
	enum fynq_log_level least;
} state = { .fd = STDERR_FILENO, .path = "-", .program = "fynq", .least = FYNQ_LOG_INFO };

static _Thread_local struct fynq_str request_id;

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

bool
fynq_log_open(const char *path, enum fynq_log_level least, const char *program)
{
	int fd = strcmp(path, "-") == 0 ? STDERR_FILENO : open_file(path);

	state.path = path;
	state.program = program;
	state.least = least;
	if (fd < 0)
		return false;
	state.fd = fd;
	return true;
}

void
fynq_log_reopen(void)
{
	int fd, old = state.fd;

	if (old == STDERR_FILENO)
		return;
	if ((fd = open_file(state.path)) < 0) {
		fynq_log(FYNQ_LOG_ERROR, "log", "cannot reopen the log, going on with the old one");
		return;
	}
	/* Put the new file in the old descriptor's place: no writer sees a closed one. */
	dup3(fd, old, O_CLOEXEC);
	close(fd);
}

void
fynq_log_request(struct fynq_str id)
{
	request_id = id;
}

void
fynq_log_members(enum fynq_log_level level, const char *event, struct fynq_str members)
{
	static const char *const names[] = { "debug", "info", "warn", "error" };
	struct fynq_buf line = FYNQ_BUF_INIT(LINE_MAX_BYTES);
	char now[FYNQ_TIME_SIZE];

	if (level < state.least)
		return;
	fynq_time_format(fynq_clock_now_us(), now);
	fynq_buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%d",
	    now, names[level], state.program, (int)getpid());
	fynq_buf_printf(&line, ",\"event\":\"%s\"", event);
	if (request_id.n > 0) {
		fynq_buf_add(&line, FYNQ_STR(",\"request_id\":"));
		fynq_buf_add_json(&line, request_id);
	}
	fynq_buf_add(&line, members);
	fynq_buf_add(&line, FYNQ_STR("}\n"));
	/* A log that cannot be written must not stop the service. */
	if (!line.full && write(state.fd, line.p, line.n) < 0)
		(void)0;
	fynq_buf_release(&line);
}

static void
log_text(enum fynq_log_level level, const char *event, const char *fmt, va_list ap)
{
	struct fynq_buf members = FYNQ_BUF_INIT(LINE_MAX_BYTES);
	char text[MESSAGE_MAX];
	struct fynq_str message;

	vsnprintf(text, sizeof(text), fmt, ap);
	message = fynq_str_of(text);
	/* A message cut in the middle of a character is no longer UTF-8. */
	while (message.n > 0 && !fynq_str_utf8(message))
		message.n--;
	fynq_buf_add(&members, FYNQ_STR(",\"message\":"));
	fynq_buf_add_json(&members, message);
	fynq_log_members(level, event, fynq_buf_str(&members));
	fynq_buf_release(&members);
}

void
fynq_log(enum fynq_log_level level, const char *event, const char *fmt, ...)
{
	va_list ap;

	if (level < state.least)
		return;
	va_start(ap, fmt);
	log_text(level, event, fmt, ap);
	va_end(ap);
}

void
fynq_log_fatal(const char *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_text(FYNQ_LOG_ERROR, event, fmt, ap);
	va_end(ap);
	_exit(EX_SOFTWARE);
}
