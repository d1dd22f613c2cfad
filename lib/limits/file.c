#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/log.h"
#include "limits/file.h"

enum { PATH_SIZE = 1088, LOCK_MS = 5000 };

static const char new_suffix[] = ".new", lock_suffix[] = ".lock";

/* The id of this boot; "" where the system has none, and then every boot is the same. */
static void
read_boot(char boot_r[static FYNQ_HOST_BOOT_SIZE])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot_r, FYNQ_HOST_BOOT_SIZE - 1) : 0;

	if (fd >= 0)
		close(fd);
	boot_r[n > 0 ? n : 0] = '\0';
	boot_r[strcspn(boot_r, "\n")] = '\0';
}

static void
make_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;

	if (pthread_mutexattr_init(&attr) != 0 ||
	    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
	    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) != 0 ||
	    pthread_mutex_init(mutex, &attr) != 0)
		fynq_log_fatal("limits", "no robust mutexes here");
	pthread_mutexattr_destroy(&attr);
}

void
fynq_host_format(struct fynq_host_memory *m)
{
	memcpy(m->header.magic, FYNQ_HOST_MAGIC, sizeof(m->header.magic));
	m->header.layout = FYNQ_HOST_LAYOUT;
	m->header.size = sizeof(*m);
	read_boot(m->header.boot);
	make_mutex(&m->mutex);
	for (size_t i = 0; i < FYNQ_HOST_MODELS; i++)
		make_mutex(&m->slot[i].mutex);
}

static struct fynq_host_memory *
map(int fd, int protection)
{
	void *p = mmap(NULL, sizeof(struct fynq_host_memory), protection, MAP_SHARED, fd, 0);

	return p != MAP_FAILED ? p : NULL;
}

/* Models and what they have used of the day. Nobody else has the old memory: its boot is over. */
static void
take_over(struct fynq_host_memory *m, int old_fd)
{
	struct fynq_host_memory *old = map(old_fd, PROT_READ);

	if (old == NULL)
		return;
	for (uint32_t i = 0; i < old->slots && i < FYNQ_HOST_MODELS; i++) {
		memcpy(m->slot[i].name, old->slot[i].name, FYNQ_HOST_NAME_SIZE - 1);
		m->slot[i].day = old->slot[i].day;
		m->slots = i + 1;
	}
	munmap(old, sizeof(*old));
}

/*
 * Death before the rename: the next process makes PATH.new anew; after it: a whole file. Its blocks
 * are all there before it is mapped, as a full disk would be a SIGBUS later.
 */
static struct fynq_host_memory *
make_file(const char *path, int old_fd, struct fynq_buf *reason)
{
	struct fynq_host_memory *m = NULL;
	char new_path[PATH_SIZE];
	int fd, error;

	snprintf(new_path, sizeof(new_path), "%s%s", path, new_suffix);
	(void)unlink(new_path);
	fd = open(new_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	error = fd < 0 ? errno : posix_fallocate(fd, 0, sizeof(*m));
	if (error == 0 && (m = map(fd, PROT_READ | PROT_WRITE)) == NULL)
		error = errno;
	if (m != NULL) {
		fynq_host_format(m);
		if (old_fd >= 0)
			take_over(m, old_fd);
		if (rename(new_path, path) != 0) {
			error = errno;
			munmap(m, sizeof(*m));
			m = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	if (error != 0) {
		(void)unlink(new_path);
		fynq_buf_printf(reason, "cannot make %s: %s", path, strerror(error));
	}
	return m;
}

enum kind { USABLE, OF_ANOTHER_BOOT, OF_ANOTHER_LAYOUT, FOREIGN };

static enum kind
kind_of(int fd)
{
	struct fynq_host_header header = { 0 };
	char boot[FYNQ_HOST_BOOT_SIZE];
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    pread(fd, &header, sizeof(header), 0) < (ssize_t)sizeof(header.magic) ||
	    memcmp(header.magic, FYNQ_HOST_MAGIC, sizeof(header.magic)) != 0)
		return FOREIGN;
	if (header.layout != FYNQ_HOST_LAYOUT || header.size != sizeof(struct fynq_host_memory) ||
	    st.st_size != (off_t)header.size)
		return OF_ANOTHER_LAYOUT;
	read_boot(boot);
	header.boot[FYNQ_HOST_BOOT_SIZE - 1] = '\0';
	return strcmp(boot, header.boot) == 0 ? USABLE : OF_ANOTHER_BOOT;
}

/* With the lock held. */
static struct fynq_host_memory *
open_or_make(const char *path, struct fynq_buf *reason)
{
	/* Not to wait where a pipe lies there. */
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	enum kind kind = fd >= 0 ? kind_of(fd) : FOREIGN;
	struct fynq_host_memory *m = NULL;

	if (fd < 0 && errno == ENOENT)
		return make_file(path, -1, reason);
	if (fd < 0)
		fynq_buf_printf(reason, "cannot open %s: %s", path, strerror(errno));
	else if (kind == FOREIGN)
		fynq_buf_printf(reason, "%s is not fynq's own", path);
	else if (kind != USABLE)
		m = make_file(path, kind == OF_ANOTHER_BOOT ? fd : -1, reason);
	else if ((m = map(fd, PROT_READ | PROT_WRITE)) == NULL)
		fynq_buf_printf(reason, "cannot map %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return m;
}

struct fynq_host_memory *
fynq_host_file(const char *path, struct fynq_buf *reason)
{
	struct fynq_host_memory *m = NULL;
	char lock_path[PATH_SIZE];
	int fd;

	snprintf(lock_path, sizeof(lock_path), "%s%s", path, lock_suffix);
	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0) {
		fynq_buf_printf(reason, "cannot open %s: %s", lock_path, strerror(errno));
		return NULL;
	}
	if (fynq_disk_lock(fd, LOCK_MS))
		m = open_or_make(path, reason);
	else
		fynq_buf_printf(reason, "another process keeps %s", lock_path);
	close(fd);
	return m;
}
