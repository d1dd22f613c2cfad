/*
 * Which new passwords are accepted: NIST SP 800-63B section 5.1.1.2.
 *
 * At least FYNQ_PASSWORD_MIN characters and at most 72 bytes; none of FYNQ_COMMON_PASSWORDS, in
 * whatever case; not the address, the name or the service's name, nor one character or a run of
 * them ("aaaaaaaaaaaa", "abcdefghijkl"). No rule asks for kinds of characters.
 */
#ifndef FYNQ_IDENTITY_RULES_H
#define FYNQ_IDENTITY_RULES_H

#include "http/request.h"

/*
 * INVALID with a fault of field, too_short, too_long or value, where the password is refused.
 *
 * The process's first call reads the list: most processes never ask. Where the file is missing, is
 * not text or has more than 1,000,000 bytes, a warning is logged and the other rules hold.
 */
enum fynq_err fynq_rules_check(struct fynq_req *rq, const char *field, struct fynq_str password,
    struct fynq_str email, struct fynq_str name) FYNQ_MUST_CHECK;

/* Read the list anew. Not while another thread checks; for tests. False where it is not usable. */
bool fynq_rules_load(void);

#endif
