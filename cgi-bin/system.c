/*
 * What operators ask: is it alive, can it work.
 */
#include "fynq.h"

static fynq_handler get_health, get_ready;

static const struct fynq_field health_out[] = {
	FYNQ_OUT("status", STRING, "ok."),
	FYNQ_FIELD_END,
};

static const struct fynq_field ready_out[] = {
	FYNQ_OUT("status", STRING, "ok."),
	FYNQ_OUT("database", STRING, "ok: it answers."),
	FYNQ_FIELD_END,
};

static const struct fynq_route routes[] = {
	{ FYNQ_GET, "/healthz", FYNQ_ANYONE, .status = 200, .out = health_out,
	    .handler = get_health, .summary = "The process is alive; nothing else is looked at." },
	{ FYNQ_GET, "/readyz", FYNQ_ANYONE, .status = 200, .out = ready_out, .handler = get_ready,
	    .summary = "The dependencies answer; 503 while one does not." },
	{ 0 },
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "system", routes, NULL);
}

static enum fynq_err
get_health(struct fynq_req *rq, const void *in)
{
	(void)in;
	return fynq_reply_json(rq, 200, FYNQ_STR("{\"status\":\"ok\"}"));
}

static enum fynq_err
get_ready(struct fynq_req *rq, const void *in)
{
	(void)in;
	if (!fynq_db_ready(rq))
		return rq->problem.error;
	return fynq_reply_json(rq, 200, FYNQ_STR("{\"status\":\"ok\",\"database\":\"ok\"}"));
}
