/*
 * What a file is, by its content: neither its name nor what a client says of it counts.
 */
#ifndef FYNQ_STORAGE_SNIFF_H
#define FYNQ_STORAGE_SNIFF_H

#include "base/str.h"

enum { FYNQ_SNIFF_BYTES = 4096, FYNQ_MEDIA_TYPE_SIZE = 128 };

/*
 * The media type of a file by its first bytes, up to FYNQ_SNIFF_BYTES of them, as libmagic knows
 * it, such as "image/jpeg" or "text/plain"; "application/octet-stream" for what it does not know.
 * False, with a line in the log, where libmagic's database is missing. From any thread.
 */
bool fynq_sniff(struct fynq_str head, char type_r[static FYNQ_MEDIA_TYPE_SIZE]);

#endif
