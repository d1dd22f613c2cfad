/*
 * The log: one JSON object a line, to standard error or to the file that FYNQ_LOG names.
 *
 * Each line is one write(2) to a descriptor opened for appending, so that lines of several
 * processes never mix. Secrets and a student's words never go here; a caller passes what an admin
 * needs to find the fault and nothing else.
 */
#ifndef FYNQ_BASE_LOG_H
#define FYNQ_BASE_LOG_H

#include "buf.h"
#include "err.h"

enum fynq_log_level { FYNQ_LOG_DEBUG, FYNQ_LOG_INFO, FYNQ_LOG_WARN, FYNQ_LOG_ERROR };

/*
 * Open the log. path is "-" for standard error, otherwise a file that is created with mode 0640;
 * program is the name that every line carries (static). False, with errno set, where the file
 * cannot be opened: what is logged then goes to standard error.
 */
bool fynq_log_open(const char *path, enum fynq_log_level least, const char *program);

/* Open the file anew, after a rotation. Called on SIGHUP. */
void fynq_log_reopen(void);

/*
 * The id that this thread's lines carry as "request_id" from now on; absent for none. The bytes
 * must stay valid until the next call.
 */
void fynq_log_request(struct fynq_str id);

/* One line: time, level, program, event (a short constant word), request id, message. */
void fynq_log(enum fynq_log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * One line with members of its own: members is `,"name":value...`, well-formed JSON that the
 * caller wrote with fynq_buf_add_json(), and follows time, level, program, event, request id.
 */
void fynq_log_members(enum fynq_log_level level, const char *event, struct fynq_str members);

/* Log an error and exit with status 70 (EX_SOFTWARE of sysexits.h). */
void fynq_log_fatal(const char *event, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

#endif
