#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "disk.h"

enum { FIRST = 4096, LOCK_STEP_MS = 10, FOLDER_MODE = 0750 };

/* Room for one byte more than max tells a file that is too large from one that just fits. */
char *
fynq_disk_read_fd(int fd, size_t max, size_t *n_r)
{
	size_t room = 0, n = 0;
	char *text = NULL;
	ssize_t got;

	do {
		if (n == room) {
			room = room == 0 ? FIRST : 2 * room;
			if (room > max + 1)
				room = max + 1;
			text = fynq_realloc(text, room + 1);
		}
		got = read(fd, text + n, room - n);
		if (got > 0)
			n += (size_t)got;
	} while (n <= max && (got > 0 || (got < 0 && errno == EINTR)));
	if (n > max)
		errno = EFBIG;
	if (got != 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	if (n_r != NULL)
		*n_r = n;
	return text;
}

char *
fynq_disk_read(const char *path, size_t max, size_t *n_r)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	char *text;

	if (fd < 0)
		return NULL;
	text = fynq_disk_read_fd(fd, max, n_r);
	error = errno;
	close(fd);
	errno = error;
	return text;
}

/* By asking again and again: a flock() that waits has no deadline. */
bool
fynq_disk_lock(int fd, int64_t timeout_ms)
{
	static const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };
	int64_t deadline_us = fynq_clock_mono_us() + timeout_ms * 1000;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if ((errno != EWOULDBLOCK && errno != EINTR) || fynq_clock_mono_us() > deadline_us)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

/*
 * The mode is set only where the umask took something from it: the kernel drops the set-group-ID
 * bit, which the folder inherits, where a process that is not of the group sets any mode. A process
 * that dies before that leaves a folder that is closed to the group. One that has gone again, as
 * empty folders do, is made again by whoever needs it.
 */
bool
fynq_disk_make_folder(const char *path)
{
	struct stat st;

	if (mkdir(path, FOLDER_MODE) != 0)
		return errno == EEXIST;
	if (stat(path, &st) != 0)
		return errno == ENOENT;
	if ((st.st_mode & 0777) == FOLDER_MODE)
		return true;
	return chmod(path, FOLDER_MODE | (st.st_mode & S_ISGID)) == 0 || errno == ENOENT;
}
