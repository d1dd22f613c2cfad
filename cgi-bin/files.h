/*
 * What the handlers of the file routes share. files.c has the routes.
 *
 *	files-read.c	what is known of files, and their bytes
 */
#ifndef FYNQ_FILES_H
#define FYNQ_FILES_H

#include "fynq.h"

struct file_in {
	struct fynq_uuid id;
};

/* files-read.c */
fynq_handler get_file, get_content;

#endif
