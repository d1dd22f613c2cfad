/*
 * What every unit test includes: cmocka with the headers it wants, and fynq's strings.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Fail unless s holds exactly the bytes of want. */
#define assert_str(s, want) unit_assert_str((s), (want), __FILE__, __LINE__)

static inline void
unit_assert_str(struct fynq_str s, const char *want, const char *file, int line)
{
	if (fynq_str_eq(s, fynq_str_of(want)))
		return;
	print_error("\"%.*s\" != \"%s\"\n", FYNQ_STR_ARG(s), want);
	_fail(file, line);
}

/* Fail, naming the case of a table, unless it holds. */
#define assert_case(holds, name)                            \
	do {                                                \
		if (!(holds))                               \
			fail_msg("%s: %s", (name), #holds); \
	} while (0)

/* The exit status of a child that runs fn, its standard error closed; -1 where a signal ended it.
 */
static inline int
unit_exit_status(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		close(STDERR_FILENO);
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
