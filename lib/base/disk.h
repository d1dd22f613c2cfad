/*
 * Files that are read whole, locks that processes hold by a file, and folders.
 */
#ifndef FYNQ_BASE_DISK_H
#define FYNQ_BASE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * All that a file holds, at most max bytes; free() it. A NUL follows that *n_r, which may be NULL,
 * does not count. NULL, with errno, where there is no such file, it cannot be read, or it has more
 * than max bytes: EFBIG. Of a pipe it waits for the end.
 */
char *fynq_disk_read(const char *path, size_t max, size_t *n_r) __attribute__((warn_unused_result));

/* The same of what is open already, from where it stands; the caller closes it. */
char *fynq_disk_read_fd(int fd, size_t max, size_t *n_r) __attribute__((warn_unused_result));

/*
 * Lock what is open for this process alone, waiting for at most that long. It is locked until it is
 * closed: the kernel gives up the lock of a process that dies. False, with errno, where it cannot
 * be locked, EWOULDBLOCK where another keeps it.
 */
bool fynq_disk_lock(int fd, int64_t timeout_ms) __attribute__((warn_unused_result));

/*
 * Make a folder of mode 0750, whatever the umask; one that is there, or that another process makes
 * at the same time, is as good. Where the folder above has the set-group-ID bit it has it, too, and
 * its group with it. False, with errno, where there is none.
 */
bool fynq_disk_make_folder(const char *path) __attribute__((warn_unused_result));

#endif
