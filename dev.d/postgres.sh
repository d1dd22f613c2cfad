# shellcheck shell=bash
# A private PostgreSQL: its own cluster, reached by a unix socket alone, every role with a password.
# It never runs as root: root becomes the user postgres for it.

pg_bin=/usr/lib/postgresql/15/bin

# Run as the user that PostgreSQL runs as.
as_postgres() {
	if is_root; then
		(cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
	else
		"$@"
	fi
}

# psql_as ROLE DATABASE ARGUMENT...: with the password of the stack's secrets.
psql_as() {
	local role=$1 database=$2
	shift 2
	PGPASSWORD=$(cat "$state/secret/$role") psql -X -q -A -t -v ON_ERROR_STOP=1 \
		-h "$state/pg/run" -U "$role" -d "$database" "$@"
}

# database_url ROLE [DATABASE]
database_url() {
	printf 'postgresql://%s:%s@/%s?host=%s' "$1" "$(cat "$state/secret/$1")" "${2:-fynq}" \
		"$(printf %s "$state/pg/run" | sed 's,/,%2F,g')"
}

make_cluster() {
	local role
	stop_postgres
	rm -rf "${state:?}/pg"
	mkdir -m 0700 "$state/pg"
	for role in postgres fynq_owner fynq; do
		write_secret "$state/secret/$role" "$(secret)"
	done
	if is_root; then
		chown postgres: "$state/pg"
	fi
	# shellcheck disable=SC2024
	as_postgres sh -c "umask 077 && mkdir -p '$state/pg/run' && cat >'$state/pg/password'" \
		<"$state/secret/postgres"
	as_postgres "$pg_bin/initdb" --pgdata="$state/pg/data" --username=postgres \
		--pwfile="$state/pg/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 \
		--no-sync
	as_postgres rm "$state/pg/password"
	as_postgres tee -a "$state/pg/data/postgresql.conf" >/dev/null <<-EOF
		listen_addresses = ''
		unix_socket_directories = '$state/pg/run'
		unix_socket_permissions = 0700
		max_connections = 200
		shared_buffers = 256MB
		shared_preload_libraries = 'pg_stat_statements'
		pg_stat_statements.track = all
		pg_stat_statements.track_planning = on
		timezone = 'UTC'
		log_timezone = 'UTC'
		log_line_prefix = '%m [%p] %q%u@%d '
		fsync = $fsync
	EOF
}

postgres_runs() {
	as_postgres "$pg_bin/pg_ctl" status -D "$state/pg/data" >/dev/null 2>&1
}

start_postgres() {
	[ -f "$state/pg/made" ] || make_cluster
	postgres_runs || as_postgres "$pg_bin/pg_ctl" start -w -t 60 -D "$state/pg/data" \
		-l "$state/pg/log" >/dev/null
	if [ ! -f "$state/pg/made" ]; then
		make_roles
		as_postgres touch "$state/pg/made"
	fi
}

# The schema's owner is no superuser. Only a superuser can make a role that steps over row security,
# so service_role is made here, and the migrations find it.
make_roles() {
	psql_as postgres postgres <<-EOF
		create role fynq_owner login createrole password '$(cat "$state/secret/fynq_owner")';
		create role service_role nologin noinherit bypassrls;
		create database fynq owner fynq_owner;
	EOF
}

# The migrations made the login role without a password.
give_password() {
	psql_as postgres fynq <<-EOF
		alter role fynq password '$(cat "$state/secret/fynq")';
	EOF
}

stop_postgres() {
	if [ -d "$state/pg/data" ] && postgres_runs; then
		as_postgres "$pg_bin/pg_ctl" stop -w -t 60 -m fast -D "$state/pg/data" >/dev/null
	fi
}
