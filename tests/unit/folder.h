/*
 * For tests of what works on files: a folder of the test's own, below the current one, beside a
 * request.
 */
#ifndef FOLDER_H
#define FOLDER_H

#include <stdio.h>

#include "base/config.h"
#include "request.h"

static char root[64];

/* The folder is FYNQ_FILES_DIR until the test says otherwise. */
static inline int
setup_folder(void **state)
{
	strcpy(root, "folder-XXXXXX");
	assert_non_null(mkdtemp(root));
	fynq_config.files_dir = root;
	return setup_request(state);
}

static inline int
teardown_folder(void **state)
{
	char command[128];

	teardown_request(state);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

#endif
