/*
 * Pages by keyset: a page begins after the last item of the one before, never at an OFFSET.
 *
 * A list's statement takes as its last two parameters the cursor's key (null for the first page)
 * and the page's length, and gives (items json, next text): next is the key of the last item where
 * there are more, else null; no row at all means that what is listed does not exist. The key is the
 * statement's own business; clients see it as an opaque cursor.
 */
#ifndef FYNQ_DATA_PAGING_H
#define FYNQ_DATA_PAGING_H

#include "data/db.h"
#include "http/fields.h"

/*
 * Run the list's statement with args, then cursor and limit, and answer
 * {"items":[...],"next_cursor":...|null} with a Link header (RFC 8288) to the next page.
 */
enum fynq_err fynq_page_reply(struct fynq_req *rq, const struct fynq_stmt *stmt,
    const struct fynq_str *args, size_t n_args, const struct fynq_cursor *cursor,
    int64_t limit) FYNQ_MUST_CHECK;

/* The same behind another statement, without parameters, of the same transaction: what it sets. */
enum fynq_err fynq_page_reply_after(struct fynq_req *rq, const struct fynq_stmt *first,
    const struct fynq_stmt *stmt, const struct fynq_str *args, size_t n_args,
    const struct fynq_cursor *cursor, int64_t limit) FYNQ_MUST_CHECK;

#endif
