/* fynqctl migrate: the database's migrations. */
#include <stdio.h>
#include <string.h>

#include "base/config.h"
#include "data/migrate.h"
#include "fynqctl.h"

static int n_told, n_off; /* migrations told of; those that are not simply applied */

static void
tell(const char *name, enum fynq_migration_state state, int64_t ms)
{
	static const char *const words[] = {
		[FYNQ_MIGRATION_PENDING] = "pending",
		[FYNQ_MIGRATION_APPLIED] = "applied",
		[FYNQ_MIGRATION_EDITED] = "edited",
		[FYNQ_MIGRATION_MISSING] = "missing",
		[FYNQ_MIGRATION_ADOPTED] = "adopted",
		[FYNQ_MIGRATION_UNDONE] = "undone",
	};

	n_told++;
	n_off += state != FYNQ_MIGRATION_APPLIED;
	printf("%-8s %s", words[state], name);
	if (ms > 0)
		printf(" (%lld ms)", (long long)ms);
	putchar('\n');
	fflush(stdout);
}

static int
run_migrate(int argc, char **argv)
{
	static const struct {
		const char *name;
		bool (*run)(const char *url, const char *dir, fynq_migrate_tell *tell,
		    struct fynq_buf *problems_r);
	} actions[] = {
		{ "up", fynq_migrate_up },
		{ "down", fynq_migrate_down },
		{ "status", fynq_migrate_status },
	};
	const char *url = fynq_config.database_admin_url[0] != '\0' ? fynq_config.database_admin_url
								    : fynq_config.database_url;
	struct fynq_buf problems = FYNQ_BUF_INIT(65536);
	bool ok;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (argc != 2 || strcmp(argv[1], actions[i].name) != 0)
			continue;
		ok = actions[i].run(url, fynq_config.migrations_dir, tell, &problems);
		ctl_say_lines("migrate", fynq_buf_str(&problems));
		if (!ok && problems.n > 0 && url == fynq_config.database_url &&
		    memmem(problems.p, problems.n, "42501", 5) != NULL)
			ctl_say("migrate: it takes the schema's owner: run it as that, or set "
				"FYNQ_DATABASE_ADMIN_URL");
		fynq_buf_release(&problems);
		if (!ok)
			return CTL_FAILED;
		if (actions[i].run == fynq_migrate_status)
			return n_off > 0 ? CTL_DOWN : EX_OK;
		if (n_told == 0)
			printf("Nothing to do.\n");
		return EX_OK;
	}
	return ctl_usage(argv[0]);
}

const struct command migrate_commands[] = {
	{ "migrate", "up|down|status", true,
	    "Apply what is pending; undo the newest; show what is applied.", run_migrate },
	{ .name = NULL },
};
