/* fynqctl mail: whether mails arrive. */
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "base/fetch.h"
#include "fynqctl.h"
#include "http/text.h"
#include "identity/mail.h"

enum { ARENA_MAX = 8 << 20 };

static int
test(struct fynq_str to)
{
	struct fynq_arena *a = fynq_arena_new(ARENA_MAX);
	struct fynq_str answer = { 0 };
	enum fynq_err e;

	fynq_fetch_init();
	e = fynq_mail_send(a, &(const struct fynq_mail){ .name = "test", .to = to }, &answer);
	if (e == FYNQ_OK)
		printf("The mail server took it: %.*s\n", FYNQ_STR_ARG(answer));
	else
		ctl_say("the mail was not sent: %.*s", FYNQ_STR_ARG(answer));
	fynq_arena_free(&a);
	return e == FYNQ_OK ? EX_OK : CTL_FAILED;
}

static int
run_mail(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "test") != 0)
		return ctl_usage(argv[0]);
	if (!fynq_text_is_email(fynq_str_of(argv[2]))) {
		ctl_say("mail test: not an email address");
		return EX_USAGE;
	}
	if (strcmp(fynq_config.auth, "local") != 0)
		fynq_buf_add(&ctl_problems,
		    FYNQ_STR("FYNQ_AUTH: it is supabase, which sends the mails itself\n"));
	if (!fynq_mail_can())
		fynq_buf_add(&ctl_problems, FYNQ_STR("FYNQ_SMTP_URL: it must be set\n"));
	if (!fynq_mail_init(&ctl_problems) || ctl_problems.n > 0)
		return ctl_bad_settings();
	return test(fynq_str_of(argv[2]));
}

const struct command mail_commands[] = {
	{ "mail", "test ADDRESS", true, "Send a mail, and say what the mail server answered.",
	    run_mail },
	{ .name = NULL },
};
