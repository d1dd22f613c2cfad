/*
 * For the tests of forms: parts, a body on standard input as CGI has it, and a folder for the
 * files.
 */
#ifndef FORM_H
#define FORM_H

#include <stdio.h>

#include "base/config.h"
#include "request.h"

/* Of "abc". */
#define SHA256_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

#define TEXT(name, text) "--b\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" text "\r\n"
#define END		 "--b--\r\n"

static char folder[] = "/tmp/fynq-test-form-XXXXXX";

static inline int
setup_form(void **state)
{
	fynq_config.files_dir = folder;
	fynq_config.body_max = 262144;
	return mkdtemp(folder) != NULL ? setup_request(state) : -1;
}

static inline int
teardown_form(void **state)
{
	char tmp[64];

	teardown_request(state);
	snprintf(tmp, sizeof(tmp), "%s/tmp", folder);
	rmdir(tmp);
	/* It fails where a file is left in it. */
	return rmdir(folder);
}

/* Make body the process's standard input. */
static inline void
put_on_stdin(struct fynq_str body)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	assert_int_equal(fwrite(body.p, 1, body.n, file), body.n);
	assert_int_equal(fflush(file), 0);
	rewind(file);
	assert_int_equal(dup2(fileno(file), STDIN_FILENO), STDIN_FILENO);
	fclose(file);
}

#endif
