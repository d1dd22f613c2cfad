#include <pthread.h>
#include <stdio.h>

#include <magic.h>

#include "base/log.h"
#include "storage/sniff.h"

/* What parses whole formats stays off: the database's patterns say enough, and do less. */
enum {
	FLAGS = MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR |
		MAGIC_NO_CHECK_APPTYPE | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_CDF |
		MAGIC_NO_CHECK_CSV | MAGIC_NO_CHECK_TOKENS | MAGIC_NO_CHECK_JSON
};

/* Loaded once, as that takes longer than looking; its calls are not for two threads at once. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static magic_t magic;

static bool
load(void)
{
	if (magic != NULL)
		return true;
	magic = magic_open(FLAGS);
	if (magic != NULL && magic_load(magic, NULL) == 0)
		return true;
	fynq_log(FYNQ_LOG_ERROR, "sniff",
	    "libmagic has no database; on Debian, apt-get install libmagic-mgc");
	if (magic != NULL)
		magic_close(magic);
	magic = NULL;
	return false;
}

bool
fynq_sniff(struct fynq_str head, char type_r[static FYNQ_MEDIA_TYPE_SIZE])
{
	const char *type = NULL;
	bool loaded;
	char twice[2];

	/* libmagic looks at no single byte; two of it are text where it is text. */
	if (head.n == 1) {
		twice[0] = twice[1] = head.p[0];
		head = (struct fynq_str){ twice, sizeof(twice) };
	}
	pthread_mutex_lock(&lock);
	loaded = load();
	if (loaded)
		type = magic_buffer(magic, head.p, head.n);
	snprintf(
	    type_r, FYNQ_MEDIA_TYPE_SIZE, "%s", type != NULL ? type : "application/octet-stream");
	pthread_mutex_unlock(&lock);
	return loaded;
}
