# shellcheck shell=bash
# A stack: PostgreSQL, the stand-ins, the pools and Nginx, all private to one folder. Starting it
# again starts what is down and restarts what has changed, and nothing else.

state=$state_base/main

up_usage() {
	cat <<-EOF
		usage: ./dev up [OPTION...]
		  --state DIR        the stack's folder; $state by default
		  --asan             the build with AddressSanitizer
		  --fast             PostgreSQL may lose what it stored when the machine fails
		  --auth WHO         who keeps the accounts: local, or supabase, a stand-in for it
		  --storage WHERE    where files are kept: local, or supabase, the same stand-in
		  --set NAME=VALUE   a setting of the service, such as FYNQ_PROCESSES=4
		  --defaults         limits, retries and titles as in docs/config.md; else none, for tests
		  --built            use what was built and installed last
		  --json             print what a test needs to know
		The first start of a stack decides; later ones need --state alone.
	EOF
}

# choose_state OPTION...: the folder that --state names.
choose_state() {
	while [ $# -gt 0 ]; do
		if [ "$1" = --state ] && [ $# -gt 1 ]; then
			state=$2
		fi
		shift
	done
	case $state in
	[!/]* | *[!A-Za-z0-9/._+-]*) die "--state must be an absolute path of letters, digits, / . _ + -" ;;
	esac
	[ "${#state}" -le 64 ] || die "--state must have at most 64 bytes: it holds sockets"
}

# read_options OPTION...: of up; those of the stack itself are kept in its folder.
read_options() {
	local settings=()
	choose_state "$@"
	recall
	while [ $# -gt 0 ]; do
		case $1 in
		--state) shift ;;
		--asan) build='build-asan' ;;
		--fast) fsync=off ;;
		--auth | --storage)
			case ${2:-} in
			local | supabase) printf -v "${1#--}" %s "$2" ;;
			*) die "$1 needs local or supabase" ;;
			esac
			shift
			;;
		--defaults) defaults=yes ;;
		--built) built=yes ;;
		--json) json=yes ;;
		--set)
			settings+=("${2:?--set needs NAME=VALUE}")
			shift
			;;
		--help)
			up_usage
			exit 0
			;;
		*)
			up_usage >&2
			exit 64
			;;
		esac
		shift
	done
	root=$top/$build/root
	make_state
	printf '%s %s %s %s %s\n' "$build" "$fsync" "$defaults" "$auth" "$storage" >"$state/options"
	if [ "${#settings[@]}" -gt 0 ]; then
		printf '%s\n' "${settings[@]}" >"$state/more.conf"
	fi
}

# What the stack's first start decided.
recall() {
	build=build fsync=on defaults=no auth=local storage=local built=no json=no
	if [ -f "$state/options" ]; then
		read -r build fsync defaults auth storage <"$state/options"
		auth=${auth:-local} storage=${storage:-local}
	fi
	root=$top/$build/root
}

make_state() {
	local folder
	make_state_base
	mkdir -p "$state"
	[ -O "$state" ] || die "$state belongs to someone else"
	chmod 0711 "$state"
	for folder in secret log san nginx stamp run; do
		mkdir -p "$state/$folder"
		chmod 0700 "$state/$folder"
	done
}

# fynqctl with the stack's settings and none of the caller's.
ctl() {
	env -i PATH="$PATH" HOME="$HOME" LANG=C.UTF-8 FYNQ_CONFIG="$state/fynq.conf" \
		ASAN_OPTIONS="log_path=$state/san/report:detect_leaks=1:exitcode=99" \
		UBSAN_OPTIONS="log_path=$state/san/report:print_stacktrace=1" \
		"$root/sbin/fynqctl" "$@"
}

migrate() {
	write_secret "$state/secret/admin_url" "$(database_url fynq_owner)"
	env -i PATH="$PATH" HOME="$HOME" LANG=C.UTF-8 FYNQ_CONFIG="$state/fynq.conf" \
		FYNQ_DATABASE_ADMIN_URL_FILE="$state/secret/admin_url" \
		"$root/sbin/fynqctl" migrate up
}

# changed NAME FILE...: have the files changed since `unchanged NAME FILE...`?
sum_of() {
	cat "$@" | cksum
}
changed() {
	local name=$1
	shift
	[ "$(cat "$state/stamp/$name" 2>/dev/null)" != "$(sum_of "$@")" ]
}
unchanged() {
	local name=$1
	shift
	sum_of "$@" >"$state/stamp/$name"
}

# With GEMINI_API_KEY the stack asks Google, else the stand-in.
use_google() {
	stop_fake gemini
	write_secret "$state/secret/gemini_api_key" "$GEMINI_API_KEY"
}

write_settings() {
	write_secret "$state/secret/database_url" "$(database_url fynq)"
	[ -f "$state/secret/jwt" ] || write_secret "$state/secret/jwt" "$(secret)"
	{
		# What was set by hand comes first: of a setting's lines the first one counts.
		if [ -f "$state/more.conf" ]; then
			cat "$state/more.conf"
		fi
		cat <<-EOF
			FYNQ_DATABASE_URL_FILE=$state/secret/database_url
			FYNQ_GEMINI_API_KEY_FILE=$state/secret/gemini_api_key
			FYNQ_LOG=$state/log/fynq.log
			FYNQ_RUN_DIR=$state/run
			FYNQ_BIN_DIR=$root/libexec/fynq
			FYNQ_FILES_DIR=$state/files
			FYNQ_MIGRATIONS_DIR=$root/share/fynq/migrations
		EOF
		if [ "$auth" != supabase ]; then
			printf 'FYNQ_JWT_SECRET_FILE=%s\n' "$state/secret/jwt"
		fi
		fake_settings
		if [ "$defaults" != yes ]; then
			printf 'FYNQ_LIMIT_%s=0/0/0/0\n' STUDENT TEACHER ADMIN
			printf '%s\n' FYNQ_TITLES=off FYNQ_SUMMARIES=off FYNQ_GEMINI_TRIES=1 \
				FYNQ_BREAKER_FAILURES=0 FYNQ_ATTEMPTS=off
		fi
	} >"$state/fynq.conf"
}

# Restart the endpoints whose program, library or settings have changed; start what is down.
start_pools() {
	local program name parts
	for program in "$root"/libexec/fynq/*.fcgi; do
		name=$(basename "$program" .fcgi)
		parts=("$program" "$root"/lib/libfynq.so "$root"/share/fynq/tutor.md
			"$state/fynq.conf" "$state"/secret/*)
		if changed "$name" "${parts[@]}"; then
			ctl restart "$name"
			unchanged "$name" "${parts[@]}"
		else
			ctl start "$name"
		fi
	done
}

free_port() {
	node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => {
		console.log(s.address().port); s.close(); })'
}

write_nginx() {
	local files
	files=$(ulimit -Hn)
	if [ "$files" = unlimited ] || [ "$files" -gt 65536 ]; then
		files=65536
	fi
	{
		if is_root; then
			echo 'user root;'
		fi
		cat <<-EOF
			worker_processes auto;
			worker_rlimit_nofile $files;
			worker_shutdown_timeout 130s;
			pid $state/nginx/pid;
			error_log $state/log/nginx-error.log warn;
			events {
			    worker_connections $((files - 100));
			}
			http {
			    include $state/nginx/http.conf;
			    access_log $state/log/nginx-access.log fynq;
			    client_body_temp_path $state/nginx/body;
			    fastcgi_temp_path $state/nginx/fastcgi;
			    proxy_temp_path $state/nginx/proxy;
			    scgi_temp_path $state/nginx/scgi;
			    uwsgi_temp_path $state/nginx/uwsgi;
			    server {
			        listen 127.0.0.1:$(cat "$state/port") backlog=4096;
			        include $state/nginx/server.conf;
			    }
			}
		EOF
	} >"$state/nginx/nginx.conf"
	for part in http server; do
		FYNQ_CONFIG=$state/fynq.conf sh "$root/share/fynq/nginx/site.sh" "$part" \
			"$root/libexec/fynq" "$state/run" "$state/files" >"$state/nginx/$part.conf"
	done
}

nginx_pid() {
	cat "$state/nginx/pid" 2>/dev/null || true
}

nginx_is() {
	nginx -q -p "$state/nginx/" -e "$state/log/nginx-error.log" -c "$state/nginx/nginx.conf" "$@"
}

# Another program may take the port between our asking for it and Nginx's: then ask again.
start_nginx() {
	local files try
	[ -f "$state/port" ] || free_port >"$state/port"
	write_nginx
	files=("$state"/nginx/*.conf "$root"/share/fynq/nginx/*.conf)
	if runs "$(nginx_pid)" nginx; then
		if changed nginx "${files[@]}"; then
			nginx_is -s reload
		fi
	else
		for try in 1 2 3; do
			nginx_is </dev/null >>"$state/log/nginx-error.log" 2>&1 && break
			[ "$try" -lt 3 ] || die "Nginx does not start; see $state/log/nginx-error.log"
			free_port >"$state/port"
			write_nginx
		done
	fi
	unchanged nginx "${files[@]}"
	wait_for "the service" 30 curl -fsS -o "$state/log/readyz" --max-time 5 "$(stack_url)/readyz"
}

stop_nginx() {
	local pid
	pid=$(nginx_pid)
	if runs "$pid" nginx; then
		kill -QUIT "$pid"
		wait_for "Nginx's end" 150 nginx_ended "$pid"
	fi
}

nginx_ended() {
	! runs "$1" nginx
}

stack_url() {
	printf 'http://127.0.0.1:%s' "$(cat "$state/port")"
}

# part TITLE COMMAND...: for what starts servers, which would hold step's pipe open.
part() {
	local title=$1 began=${EPOCHREALTIME/./} log=$state/log/start.log status
	shift
	printf '%s\n' "==> starting $title" >&2
	set +e
	(
		set -e
		"$@"
	) >"$log" 2>&1 </dev/null
	status=$?
	set -e
	if [ "$status" -ne 0 ]; then
		tail -n 40 "$log" >&2
		die "$title: failed"
	fi
	took "$began"
}

# up OPTION...: build and start.
up() {
	read_options "$@"
	need_packages build run
	if [ "$built" = no ]; then
		build_into "$build"
	fi
	part "PostgreSQL" start_postgres
	if [ -n "${GEMINI_API_KEY:-}" ]; then
		use_google
	else
		part "the stand-in for Gemini" start_gemini
	fi
	if wants_supabase; then
		need_npm
		part "the stand-in for Supabase" start_supabase
	fi
	if wants_smtp; then
		part "the stand-in for a mail server" start_smtp
	fi
	write_settings
	part "migrations" migrate
	give_password
	part "the endpoints" start_pools
	part "Nginx" start_nginx
}

# What a test needs to know; tests/e2e/lib/stack.mjs reads it.
stack_json() {
	cat <<-EOF
		{
		  "url": "$(stack_url)",
		  "gemini": "$(fake_field gemini url)",
		  "gemini_control": "$(fake_field gemini control)",
		  "auth": "$auth",
		  "storage": "$storage",
		  "supabase": "$(fake_field supabase url)",
		  "supabase_control": "$(fake_field supabase control)",
		  "database_url": "$(database_url postgres)",
		  "owner_url": "$(database_url fynq_owner)",
		  "config": "$state/fynq.conf",
		  "bin": "$root/libexec/fynq",
		  "fynqctl": "$root/sbin/fynqctl",
		  "build": "$build",
		  "state": "$state"
		}
	EOF
}

up_command() {
	up "$@"
	if [ "$json" = yes ]; then
		stack_json
	else
		say "The service runs: $(stack_url)"
	fi
}

down() {
	recall
	stop_nginx
	if [ -x "$root/sbin/fynqctl" ] && [ -f "$state/fynq.conf" ]; then
		ctl stop
	fi
	stop_fake gemini
	stop_fake supabase
	stop_fake smtp
	stop_postgres
}

down_command() {
	choose_state "$@"
	if [ ! -f "$state/options" ]; then
		say "Nothing of this checkout runs."
		return
	fi
	part "the end" down
	say "Stopped. What it stored stays in $state until you remove that."
}

status_command() {
	choose_state "$@"
	[ -f "$state/options" ] || die "nothing was started in $state yet; see ./dev up"
	recall
	if runs "$(nginx_pid)" nginx; then
		echo "Nginx: $(stack_url)"
	else
		echo "Nginx: down"
	fi
	if postgres_runs; then
		echo "PostgreSQL: $state/pg/run"
	else
		echo "PostgreSQL: down"
	fi
	status_fake gemini "Gemini" "Google, or down"
	if wants_supabase; then
		status_fake supabase "Supabase" "down"
	fi
	status_fake smtp "Mail" "none"
	ctl status
}
