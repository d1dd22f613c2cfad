#include "http/range.h"
#include "http/response.h"

/* Digits and nothing else, however many: INT64_MAX stands for all that is past it. */
static bool
read_number(struct fynq_str s, int64_t *n_r)
{
	int64_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9)
			return false;
		n = n > (INT64_MAX - digit) / 10 ? INT64_MAX : n * 10 + digit;
	}
	*n_r = n;
	return s.n > 0;
}

bool
fynq_range_parse(struct fynq_str header, int64_t bytes, struct fynq_range *range_r)
{
	struct fynq_str unit, set, first, last;
	int64_t from, to = bytes - 1, n;

	*range_r = (struct fynq_range){ .n = bytes };
	/* A comma makes it several, and is in no number. */
	if (!fynq_str_cut(fynq_str_trim(header), '=', &unit, &set) ||
	    !fynq_str_ieq(unit, FYNQ_STR("bytes")) ||
	    !fynq_str_cut(fynq_str_trim(set), '-', &first, &last))
		return true;
	if (first.n == 0) {
		if (!read_number(last, &n))
			return true;
		if (n > bytes)
			n = bytes;
		from = bytes - n;
	} else {
		if (!read_number(first, &from) || (last.n > 0 && !read_number(last, &to)) ||
		    (last.n > 0 && to < from))
			return true;
		if (to >= bytes)
			to = bytes - 1;
		n = to - from + 1;
	}
	if (n < 1 || from >= bytes)
		return false;
	*range_r = (struct fynq_range){ .part = true, .from = from, .n = n };
	return true;
}

/* May the range be served, or has the client a part of something else? */
static bool
if_range_holds(const struct fynq_req *rq, struct fynq_str tag)
{
	struct fynq_str want = fynq_str_trim(fynq_req_param(rq, "HTTP_IF_RANGE"));

	if (want.n == 0)
		return true;
	return want.n == tag.n + 2 && want.p[0] == '"' && want.p[want.n - 1] == '"' &&
	       fynq_str_eq((struct fynq_str){ want.p + 1, tag.n }, tag);
}

enum fynq_err
fynq_range_of(struct fynq_req *rq, struct fynq_str tag, int64_t bytes, struct fynq_range *range_r)
{
	struct fynq_str header = { 0 };

	if (rq->method == FYNQ_GET && if_range_holds(rq, tag))
		header = fynq_req_param(rq, "HTTP_RANGE");
	if (fynq_range_parse(header, bytes, range_r))
		return FYNQ_OK;
	fynq_reply_header(
	    rq, "Content-Range", fynq_arena_printf(rq->arena, "bytes */%lld", (long long)bytes));
	return fynq_fail(rq, FYNQ_E_RANGE, "It has %lld bytes.", (long long)bytes);
}

void
fynq_reply_range(struct fynq_req *rq, const struct fynq_range *range, int64_t bytes)
{
	fynq_reply_header(rq, "Accept-Ranges", FYNQ_STR("bytes"));
	if (range->part)
		fynq_reply_header(rq, "Content-Range",
		    fynq_arena_printf(rq->arena, "bytes %lld-%lld/%lld", (long long)range->from,
			(long long)(range->from + range->n - 1), (long long)bytes));
}
