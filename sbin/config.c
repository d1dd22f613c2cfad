/* fynqctl config: what the settings are, and whether they are good. */
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "fynqctl.h"
#include "identity/identity.h"
#include "storage/store.h"

static int
print(void (*write)(struct fynq_buf *out))
{
	struct fynq_buf out = FYNQ_BUF_INIT(1 << 20);

	write(&out);
	fwrite(out.p, 1, out.n, stdout);
	fynq_buf_release(&out);
	return fflush(stdout) == 0 ? EX_OK : CTL_FAILED;
}

/* What NAME.fcgi --check looks at too, but for the database. */
static int
check(void)
{
	if (ctl_problems.n == 0 && fynq_identity_init(&ctl_problems))
		(void)fynq_store_init(&ctl_problems);
	if (ctl_problems.n > 0)
		return ctl_bad_settings();
	printf("The settings are good.\n");
	return EX_OK;
}

static int
run_config(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "check") == 0)
		return check();
	if (argc == 2 && strcmp(argv[1], "example") == 0)
		return print(fynq_config_example);
	if (argc == 2 && strcmp(argv[1], "markdown") == 0)
		return print(fynq_config_markdown);
	return ctl_usage(argv[0]);
}

const struct command config_commands[] = {
	{ "config", "check|example|markdown", false,
	    "Check the settings; print an example file, or their documentation.", run_config },
	{ .name = NULL },
};
