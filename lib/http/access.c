#include "base/clock.h"
#include "base/log.h"
#include "http/access.h"
#include "http/router.h"

void
fynq_access_log(const struct fynq_req *rq)
{
	struct fynq_buf b = FYNQ_BUF_INIT(2048);
	int64_t us = fynq_clock_mono_us() - rq->started_us;

	fynq_buf_printf(&b, ",\"method\":\"%s\",\"route\":\"%s\",\"status\":%d",
	    fynq_method_name(rq->method), rq->route != NULL ? rq->route->path : "",
	    rq->reply.status);
	fynq_buf_printf(&b, ",\"ms\":%lld.%03d,\"bytes_in\":%zu,\"bytes_out\":%zu",
	    (long long)(us / 1000), (int)(us % 1000), rq->content_length, rq->reply.bytes_sent);
	if (rq->caller.id.n > 0) {
		fynq_buf_add(&b, FYNQ_STR(",\"user\":"));
		fynq_buf_add_json(&b, rq->caller.id);
	}
	if (rq->traceparent.n > 0)
		fynq_buf_printf(&b, ",\"trace_id\":\"%.32s\"", rq->traceparent.p + 3);
	if (rq->problem.error != FYNQ_OK)
		fynq_buf_printf(&b, ",\"error\":\"%s\"", fynq_err_info(rq->problem.error)->code);
	fynq_log_request(rq->id);
	fynq_log_members(FYNQ_LOG_INFO, "request", fynq_buf_str(&b));
	fynq_log_request((struct fynq_str){ 0 });
	fynq_buf_release(&b);
}
