#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/migrate.h"
#include "data/migrations.h"

/* What a run works with. */
struct run {
	PGconn *conn;
	struct fynq_migrations files;
	fynq_migrate_tell *tell;
	struct fynq_buf *problems;
};

/* The record. Deleting dbmate's row, as dbmate does on the way down, deletes the checksum too. */
static const char make_record[] =
    "create table if not exists public.schema_migrations (version varchar(128) primary key);"
    "create schema if not exists fynq;"
    "create table if not exists fynq.migration_checksums ("
    " version varchar(128) primary key"
    "  references public.schema_migrations (version) on delete cascade,"
    " sha256 text not null,"
    " applied_at timestamptz not null default now())";
static const char has_record[] = "select to_regclass('public.schema_migrations') is not null,"
				 " to_regclass('fynq.migration_checksums') is not null";
static const char read_record[] =
    "select version, sha256 from public.schema_migrations"
    " left join fynq.migration_checksums using (version) order by length(version), version";
static const char read_dbmate_record[] =
    "select version, null from public.schema_migrations order by length(version), version";
static const char is_applied[] = "select from public.schema_migrations where version = $1";
static const char add_version[] = "insert into public.schema_migrations (version) values ($1)";
static const char add_checksum[] =
    "insert into fynq.migration_checksums (version, sha256) values ($1, $2)";
static const char remove_version[] = "delete from public.schema_migrations where version = $1";

/* The key is "fynq" in ASCII; advisory locks are each database's own. */
static const char take_lock[] =
    "set local client_min_messages = warning; set local lock_timeout = '60s';"
    "select pg_advisory_xact_lock(1719234161); set local lock_timeout = '30s'";

/* The line of the file on which the character at position (from 1) of the part stands. */
static int
line_of(struct fynq_str part, int first_line, const char *position)
{
	long left = strtol(position, NULL, 10) - 1;

	for (size_t i = 0; i < part.n && left > 0; i++) {
		first_line += part.p[i] == '\n';
		/* Positions count characters: skip the bytes that continue one. */
		left -= i + 1 == part.n || ((unsigned char)part.p[i + 1] & 0xc0) != 0x80;
	}
	return first_line;
}

/* Add what PostgreSQL said about a failed statement, indented under the line that names it. */
static void
add_reason(struct run *run, const PGresult *result)
{
	static const struct {
		int field;
		const char *name;
	} parts[] = {
		{ PG_DIAG_SQLSTATE, "SQLSTATE" },
		{ PG_DIAG_MESSAGE_DETAIL, "detail" },
		{ PG_DIAG_MESSAGE_HINT, "hint" },
		{ PG_DIAG_CONTEXT, "context" },
	};
	const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (said == NULL)
		said = PQerrorMessage(run->conn);
	fynq_buf_printf(run->problems, "%s\n", said);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if ((said = PQresultErrorField(result, parts[i].field)) != NULL)
			fynq_buf_printf(run->problems, "  %s: %s\n", parts[i].name, said);
}

/* One statement of our own; its result, or NULL with the problem recorded. */
static PGresult *
query(struct run *run, const char *sql, const char *arg1, const char *arg2)
{
	const char *const args[] = { arg1, arg2 };
	int n = arg1 == NULL ? 0 : arg2 == NULL ? 1 : 2;
	PGresult *result = n == 0 ? PQexec(run->conn, sql)
				  : PQexecParams(run->conn, sql, n, NULL, args, NULL, NULL, 0);
	ExecStatusType status = PQresultStatus(result);

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return result;
	fynq_buf_add(run->problems, FYNQ_STR("the record of migrations: "));
	add_reason(run, result);
	PQclear(result);
	return NULL;
}

static bool
command(struct run *run, const char *sql, const char *arg1, const char *arg2)
{
	PGresult *result = query(run, sql, arg1, arg2);

	PQclear(result);
	return result != NULL;
}

static bool
begin(struct run *run)
{
	return command(run, "begin", NULL, NULL) && command(run, take_lock, NULL, NULL);
}

/* End the transaction. What a migration set for its session must not reach the next one. */
static bool
end(struct run *run, bool ok)
{
	if (ok && command(run, "commit", NULL, NULL))
		return command(run, "discard all", NULL, NULL);
	PQclear(PQexec(run->conn, "rollback"));
	PQclear(PQexec(run->conn, "discard all"));
	return false;
}

/* Run the SQL of a part of a file. */
static bool
run_part(struct run *run, const struct fynq_migration *m, struct fynq_str part, int first_line)
{
	char *sql = strndup(part.p, part.n);
	PGresult *result = PQexec(run->conn, sql);
	ExecStatusType status = PQresultStatus(result);
	const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
		  status == PGRES_EMPTY_QUERY;

	if (!ok) {
		fynq_buf_printf(run->problems, "%s:", m->name);
		if (position != NULL)
			fynq_buf_printf(run->problems, "%d:", line_of(part, first_line, position));
		fynq_buf_add_char(run->problems, ' ');
		add_reason(run, result);
	} else if (PQtransactionStatus(run->conn) != PQTRANS_INTRANS) {
		fynq_buf_printf(run->problems,
		    "%s: it ended its transaction itself; it may be applied in part\n", m->name);
		ok = false;
	}
	PQclear(result);
	free(sql);
	return ok;
}

/* Is the version in the record? Asked under the lock, as another run may just have been here. */
static bool
recorded(struct run *run, const char *version, bool *yes_r)
{
	PGresult *result = query(run, is_applied, version, NULL);

	*yes_r = result != NULL && PQntuples(result) > 0;
	PQclear(result);
	return result != NULL;
}

static bool
apply(struct run *run, const struct fynq_migration *m)
{
	int64_t started = fynq_clock_mono_us();
	bool done = false;

	if (!end(run, begin(run) && recorded(run, m->version, &done) &&
			  (done || (run_part(run, m, m->up, m->up_line) &&
				       command(run, add_version, m->version, NULL) &&
				       command(run, add_checksum, m->version, m->sha256)))))
		return false;
	if (!done)
		run->tell(m->name, FYNQ_MIGRATION_APPLIED, (fynq_clock_mono_us() - started) / 1000);
	return true;
}

static bool
undo(struct run *run, const struct fynq_migration *m)
{
	int64_t started = fynq_clock_mono_us();
	bool applied = false;

	if (!end(run, begin(run) && recorded(run, m->version, &applied) &&
			  (!applied || (run_part(run, m, m->down, m->down_line) &&
					   command(run, remove_version, m->version, NULL)))))
		return false;
	if (applied)
		run->tell(m->name, FYNQ_MIGRATION_UNDONE, (fynq_clock_mono_us() - started) / 1000);
	return true;
}

static enum fynq_migration_state
state_of(const struct fynq_migration *m, const PGresult *applied, int row)
{
	if (m == NULL)
		return FYNQ_MIGRATION_MISSING;
	if (!PQgetisnull(applied, row, 1) && strcmp(PQgetvalue(applied, row, 1), m->sha256) != 0)
		return FYNQ_MIGRATION_EDITED;
	return FYNQ_MIGRATION_APPLIED;
}

/* No applied migration was edited. */
static bool
unedited(struct run *run, const PGresult *applied)
{
	bool ok = true;

	for (int i = 0; i < PQntuples(applied); i++) {
		const struct fynq_migration *m = fynq_migrations_find(
		    &run->files, PQgetvalue(applied, i, 0));

		if (state_of(m, applied, i) != FYNQ_MIGRATION_EDITED)
			continue;
		fynq_buf_printf(run->problems,
		    "%s: it was edited after it was applied; restore it and add a new migration\n",
		    m->name);
		ok = false;
	}
	return ok;
}

static bool
adopt(struct run *run, const PGresult *applied)
{
	for (int i = 0; i < PQntuples(applied); i++) {
		const struct fynq_migration *m = fynq_migrations_find(
		    &run->files, PQgetvalue(applied, i, 0));

		if (m == NULL || !PQgetisnull(applied, i, 1))
			continue;
		if (!command(run, add_checksum, m->version, m->sha256))
			return false;
		run->tell(m->name, FYNQ_MIGRATION_ADOPTED, 0);
	}
	return true;
}

/* Make and read the record, adopt what dbmate applied; what is applied, or NULL. */
static PGresult *
prepare(struct run *run)
{
	PGresult *applied = NULL;

	if (!end(run, begin(run) && command(run, make_record, NULL, NULL) &&
			  (applied = query(run, read_record, NULL, NULL)) != NULL &&
			  unedited(run, applied) && adopt(run, applied))) {
		PQclear(applied);
		return NULL;
	}
	return applied;
}

static int
row_of(const PGresult *applied, const char *version)
{
	for (int i = 0; i < PQntuples(applied); i++)
		if (strcmp(PQgetvalue(applied, i, 0), version) == 0)
			return i;
	return -1;
}

static bool
up(struct run *run)
{
	PGresult *applied = prepare(run);
	bool ok = applied != NULL;

	for (size_t i = 0; ok && i < run->files.n; i++)
		if (row_of(applied, run->files.item[i].version) < 0)
			ok = apply(run, &run->files.item[i]);
	PQclear(applied);
	return ok;
}

static bool
down(struct run *run)
{
	PGresult *applied = prepare(run);
	const struct fynq_migration *m;
	const char *version;
	bool ok = false;

	if (applied == NULL)
		return false;
	if (PQntuples(applied) == 0) {
		fynq_buf_add(run->problems, FYNQ_STR("no migration is applied\n"));
	} else {
		version = PQgetvalue(applied, PQntuples(applied) - 1, 0);
		m = fynq_migrations_find(&run->files, version);
		if (m == NULL)
			fynq_buf_printf(run->problems, "%s: its file is missing\n", version);
		else if (m->down.p == NULL)
			fynq_buf_printf(
			    run->problems, "%s: it has no line -- migrate:down\n", m->name);
		else
			ok = undo(run, m);
	}
	PQclear(applied);
	return ok;
}

/* The record as it is; an empty result where there is none yet. */
static PGresult *
look(struct run *run)
{
	PGresult *has = query(run, has_record, NULL, NULL);
	bool dbmate, checksums;

	if (has == NULL)
		return NULL;
	dbmate = strcmp(PQgetvalue(has, 0, 0), "t") == 0;
	checksums = strcmp(PQgetvalue(has, 0, 1), "t") == 0;
	PQclear(has);
	if (!dbmate)
		return query(run, "select null, null where false", NULL, NULL);
	return query(run, checksums ? read_record : read_dbmate_record, NULL, NULL);
}

static bool
status(struct run *run)
{
	PGresult *applied = look(run);

	if (applied == NULL)
		return false;
	for (int i = 0; i < PQntuples(applied); i++) {
		const char *version = PQgetvalue(applied, i, 0);
		const struct fynq_migration *m = fynq_migrations_find(&run->files, version);

		run->tell(m != NULL ? m->name : version, state_of(m, applied, i), 0);
	}
	for (size_t i = 0; i < run->files.n; i++)
		if (row_of(applied, run->files.item[i].version) < 0)
			run->tell(run->files.item[i].name, FYNQ_MIGRATION_PENDING, 0);
	PQclear(applied);
	return true;
}

/* Is it a URI or keywords at all? What libpq says where it is not may quote a password. */
static bool
well_formed(const char *url)
{
	PQconninfoOption *parts = PQconninfoParse(url, NULL);

	PQconninfoFree(parts);
	return parts != NULL;
}

/* A migration's notices are its author's business. */
static void
drop_notice(void *arg, const PGresult *notice)
{
	(void)arg;
	(void)notice;
}

static bool
with_database(bool (*work)(struct run *run), const char *url, const char *dir,
    fynq_migrate_tell *tell, struct fynq_buf *problems)
{
	static const char *const names[] = { "connect_timeout", "fallback_application_name",
		"client_encoding", "dbname", NULL };
	const char *const values[] = { "10", "fynqctl", "UTF8", url, NULL };
	struct run run = { .tell = tell, .problems = problems };
	bool ok = false;

	if (!well_formed(url)) {
		fynq_buf_add(
		    problems, FYNQ_STR("the database's URL is neither a URI nor keyword=value\n"));
	} else if (fynq_migrations_read(dir, &run.files, problems)) {
		run.conn = PQconnectdbParams(names, values, 1);
		PQsetNoticeReceiver(run.conn, drop_notice, NULL);
		if (PQstatus(run.conn) == CONNECTION_OK)
			ok = work(&run);
		else
			fynq_buf_printf(problems, "%s", PQerrorMessage(run.conn));
		PQfinish(run.conn);
	}
	fynq_migrations_free(&run.files);
	return ok;
}

bool
fynq_migrate_up(
    const char *url, const char *dir, fynq_migrate_tell *tell, struct fynq_buf *problems)
{
	return with_database(up, url, dir, tell, problems);
}

bool
fynq_migrate_down(
    const char *url, const char *dir, fynq_migrate_tell *tell, struct fynq_buf *problems)
{
	return with_database(down, url, dir, tell, problems);
}

bool
fynq_migrate_status(
    const char *url, const char *dir, fynq_migrate_tell *tell, struct fynq_buf *problems)
{
	return with_database(status, url, dir, tell, problems);
}
