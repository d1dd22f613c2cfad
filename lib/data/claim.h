/*
 * The Idempotency-Key of a POST: what is asked for again is not made again.
 *
 * A key is claimed by the first step of the transaction that makes what was asked for, so the two
 * are stored together, or neither is, whatever dies. Keys are each user's own, and are forgotten
 * after FYNQ_IDEMPOTENCY_HOURS.
 */
#ifndef FYNQ_DATA_CLAIM_H
#define FYNQ_DATA_CLAIM_H

#include "data/db.h"

struct fynq_claim {
	struct fynq_str key;		    /* absent for a request without one */
	char fingerprint[FYNQ_SHA256_SIZE]; /* of the request; see fynq_req_fingerprint() */
};

/*
 * The request's key. BAD_REQUEST where it is not 1 to 255 printable ASCII characters. For handlers,
 * and before fynq_req_detach().
 */
enum fynq_err fynq_claim_read(struct fynq_req *rq, struct fynq_claim *claim_r) FYNQ_MUST_CHECK;

/*
 * Claim a key: $1 user, $2 key, $3 fingerprint, $4 and $5 the chat and the reply that are to be
 * made, null for none. A request that has the key already and is not committed is waited for. Sets
 * fynq.go to 't' where the key was free, else to 'f': then the steps that follow must do nothing.
 */
extern const struct fynq_stmt fynq_claim_take;

/*
 * What an earlier request with the key has made, which may be gone meanwhile; all absent where
 * there was none.
 */
struct fynq_earlier {
	struct fynq_uuid chat, reply;
	struct fynq_str files; /* ids, as an array of PostgreSQL; of fynq_claim_find() alone */
};

/* What fynq_claim_take said. KEY_REUSED where the earlier request was another one. */
enum fynq_err fynq_claim_verdict(struct fynq_req *rq, const struct fynq_rows *rows,
    struct fynq_earlier *earlier_r) FYNQ_MUST_CHECK;

/* The same, without a claim: was the request's key, where it has one, used before? */
enum fynq_err fynq_claim_find(struct fynq_req *rq, struct fynq_earlier *earlier_r) FYNQ_MUST_CHECK;

/*
 * Run a statement that makes what has this id, and with it claim the request's key, where it has
 * one: who dies in between leaves neither, and who dies before the answer leaves what the key leads
 * to. The statement must do nothing where fynq.go is 'f'. What an earlier request has made is
 * earlier_r->chat, whatever it is.
 */
enum fynq_err fynq_claim_make(struct fynq_req *rq, const struct fynq_uuid *id,
    const struct fynq_stmt *stmt, const struct fynq_str *args, size_t n_args,
    struct fynq_earlier *earlier_r, struct fynq_rows *rows_r) FYNQ_MUST_CHECK;

/* Tell the client that its answer is an earlier request's. */
void fynq_claim_replayed(struct fynq_req *rq);

#endif
