#include "data/claim.h"
#include "http/response.h"

enum { KEY_MAX = 255 };

const struct fynq_stmt fynq_claim_take = { "claim", FYNQ_AS_SERVICE, FYNQ_ONCE,
	"select mine, same, chat_id, reply_id"
	" from fynq.claim($1::uuid, $2::text, $3::text, $4::uuid, $5::uuid)" };
enum { MINE, SAME, CHAT, REPLY, FILES };

/* $1 user, $2 key, $3 fingerprint. */
static const struct fynq_stmt get_claim = { "get_claim", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select false, fingerprint = $3::text, chat_id, reply_id, file_ids from fynq.requests"
	" where user_id = $1::uuid and key = $2::text" };

enum fynq_err
fynq_claim_read(struct fynq_req *rq, struct fynq_claim *claim_r)
{
	struct fynq_str key = fynq_req_param(rq, "HTTP_IDEMPOTENCY_KEY");

	*claim_r = (struct fynq_claim){ 0 };
	if (key.p == NULL)
		return FYNQ_OK;
	for (size_t i = 0; i < key.n; i++)
		if (key.p[i] < 0x20 || key.p[i] > 0x7e)
			key.n = 0;
	if (key.n == 0 || key.n > KEY_MAX)
		return fynq_fail(rq, FYNQ_E_BAD_REQUEST,
		    "Idempotency-Key has 1 to %d printable ASCII characters.", KEY_MAX);
	fynq_req_fingerprint(rq, claim_r->fingerprint);
	claim_r->key = key;
	return FYNQ_OK;
}

enum fynq_err
fynq_claim_verdict(
    struct fynq_req *rq, const struct fynq_rows *rows, struct fynq_earlier *earlier_r)
{
	*earlier_r = (struct fynq_earlier){ 0 };
	if (rows->n == 0 || fynq_rows_true(rows, 0, MINE))
		return FYNQ_OK;
	if (!fynq_rows_true(rows, 0, SAME))
		return fynq_fail(rq, FYNQ_E_KEY_REUSED, NULL);
	(void)fynq_uuid_parse(fynq_rows_str(rows, 0, CHAT), &earlier_r->chat);
	(void)fynq_uuid_parse(fynq_rows_str(rows, 0, REPLY), &earlier_r->reply);
	return FYNQ_OK;
}

enum fynq_err
fynq_claim_find(struct fynq_req *rq, struct fynq_earlier *earlier_r)
{
	struct fynq_rows rows = { 0 };
	struct fynq_claim claim;

	*earlier_r = (struct fynq_earlier){ 0 };
	FYNQ_TRY(fynq_claim_read(rq, &claim));
	if (claim.key.n == 0)
		return FYNQ_OK;
	FYNQ_TRY(fynq_db_run(rq, &get_claim,
	    FYNQ_ARGS(rq->caller.id, claim.key, fynq_str_of(claim.fingerprint)), &rows));
	FYNQ_TRY(fynq_claim_verdict(rq, &rows, earlier_r));
	if (rows.n > 0)
		earlier_r->files = fynq_rows_str(&rows, 0, FILES);
	return FYNQ_OK;
}

enum fynq_err
fynq_claim_make(struct fynq_req *rq, const struct fynq_uuid *id, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args, struct fynq_earlier *earlier_r,
    struct fynq_rows *rows_r)
{
	struct fynq_str take[5] = { rq->caller.id, [3] = fynq_uuid_str(id) };
	struct fynq_rows claimed = { 0 };
	const struct fynq_step steps[] = {
		{ &fynq_claim_take, take, 5, &claimed },
		{ stmt, args, n_args, rows_r },
	};
	struct fynq_claim claim;
	size_t first;

	FYNQ_TRY(fynq_claim_read(rq, &claim));
	take[1] = claim.key;
	take[2] = fynq_str_of(claim.fingerprint);
	first = claim.key.n > 0 ? 0 : 1;
	FYNQ_TRY(fynq_db_tx(rq, steps + first, 2 - first));
	return fynq_claim_verdict(rq, &claimed, earlier_r);
}

void
fynq_claim_replayed(struct fynq_req *rq)
{
	fynq_reply_header(rq, "Idempotent-Replayed", FYNQ_STR("true"));
}
