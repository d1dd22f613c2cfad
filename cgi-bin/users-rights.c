/*
 * A user's rights over their data: have it all, have it all erased.
 */
#include "users.h"

enum fynq_err
post_export(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_archive_reply(rq);
}

/*
 * 204 where all is gone, 202 where a part of it could not be done now; the rest follows. Either way
 * the account is out, and nobody signs in to it.
 */
enum fynq_err
delete_me(struct fynq_req *rq, const void *in)
{
	struct fynq_str user = rq->caller.id;

	(void)in;
	FYNQ_TRY(fynq_erasure_add(rq, user));
	return fynq_reply_empty(rq, fynq_erasure_do(rq, user) == FYNQ_OK ? 204 : 202);
}
