/*
 * `fynqctl upkeep`: what the auth and the contents responder do each minute, once, for a host that
 * runs fynq as plain CGI from its cron; and for an admin who does not want to wait.
 */
#include <stdio.h>

#include "account/upkeep.h"
#include "base/fetch.h"
#include "data/db.h"
#include "fynqctl.h"
#include "identity/identity.h"
#include "library/reading.h"
#include "storage/store.h"

static int
run_upkeep(int argc, char **argv)
{
	struct fynq_req *rq;
	int failed;

	(void)argc;
	(void)argv;
	if (!fynq_identity_init(&ctl_problems) || !fynq_store_init(&ctl_problems))
		return ctl_bad_settings();
	fynq_fetch_init();
	fynq_db_init();
	rq = fynq_req_new(-1, true);
	failed = fynq_upkeep_run(rq, true) + fynq_reading_run(rq);
	fynq_req_free(&rq);
	fynq_db_close();
	if (failed == 0)
		return EX_OK;
	ctl_say("upkeep: %d could not be done; the lines above say why", failed);
	return CTL_FAILED;
}

const struct command upkeep_commands[] = {
	{ "upkeep", NULL, true, "Do once what is done each minute: finish what was left undone.",
	    run_upkeep },
	{ .name = NULL },
};
