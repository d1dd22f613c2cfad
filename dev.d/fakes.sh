# shellcheck shell=bash
# The stand-ins of a stack: tests/fakes/gemini, supabase and smtp. Each is a program that prints one
# line of JSON when it listens, with its url and pid, and ends by SIGTERM. That line is kept in
# NAME.json in the stack's folder; its certificate is NAME.pem.

# fake_field NAME FIELD: of the line that it printed.
fake_field() {
	[ -f "$state/$1.json" ] || return 0
	sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$state/$1.json"
}

# fake_runs NAME
fake_runs() {
	runs "$(fake_field "$1" pid)" "tests/fakes/$1/main."
}

# make_certificate NAME: for a server of this machine.
make_certificate() {
	[ -f "$state/$1.pem" ] || (umask 077 && openssl req -x509 -newkey ec \
		-pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$state/secret/$1.pem" \
		-out "$state/$1.pem" -days 3650 -subj /CN=localhost \
		-addext subjectAltName=IP:127.0.0.1,IP:127.0.0.2,DNS:localhost)
}

# start_fake NAME COMMAND...: unless it runs as its sources are. On the port it had before, where it
# had one: then the pools' settings stay as they are.
start_fake() {
	local name=$1 url
	shift
	if fake_runs "$name" && ! changed "fake_$name" "tests/fakes/$name"/*; then
		return
	fi
	url=$(fake_field "$name" url)
	stop_fake "$name"
	make_certificate "$name"
	(umask 077 && : >"$state/$name.json")
	setsid "$@" --cert "$state/$name.pem" --key "$state/secret/$name.pem" \
		${url:+--port "${url##*:}"} \
		>"$state/$name.json" 2>>"$state/log/fakes.log" </dev/null &
	wait_for "the stand-in" 60 test -s "$state/$name.json"
	unchanged "fake_$name" "tests/fakes/$name"/*
}

# stop_fake NAME
stop_fake() {
	if fake_runs "$1"; then
		kill "$(fake_field "$1" pid)"
	fi
	rm -f "$state/$1.json"
}

start_gemini() {
	write_secret "$state/secret/gemini_api_key" "the stand-in takes any key"
	start_fake gemini node tests/fakes/gemini/main.mjs
}

# It is for tests, and for whoever has installed what those need.
wants_smtp() {
	[ "$defaults" != yes ] && [ -z "$(missing_packages python3-aiosmtpd)" ]
}

start_smtp() {
	start_fake smtp /usr/bin/python3 tests/fakes/smtp/main.py --folder "$state/mail"
}

wants_supabase() {
	[ "$auth" = supabase ] || [ "$storage" = supabase ]
}

# It keeps accounts in the stack's PostgreSQL, in the auth schema, which is laid out before the
# migrations run, as it is on Supabase, and objects in a folder. A stack whose accounts are its own
# has them in that schema itself: then there are only objects.
start_supabase() {
	local cost=10 accounts=()
	if [ "$fsync" = off ]; then
		cost=4
	fi
	make_keys
	if [ "$auth" = supabase ]; then
		make_accounts
		accounts=(--database-url-file "$state/secret/supabase_url")
	fi
	start_fake supabase node tests/fakes/supabase/main.mjs \
		"${accounts[@]}" --objects "$state/supabase" \
		--publishable-key-file "$state/secret/supabase_key" \
		--secret-key-file "$state/secret/supabase_secret_key" \
		--jwt-secret-file "$state/secret/supabase_jwt" --bcrypt-cost "$cost"
}

# What a project on Supabase has from the start: keys, and roles and the auth schema.
make_keys() {
	[ ! -f "$state/secret/supabase_jwt" ] || return 0
	write_secret "$state/secret/supabase_key" "sb_publishable_$(secret)"
	write_secret "$state/secret/supabase_secret_key" "sb_secret_$(secret)"
	write_secret "$state/secret/supabase_jwt" "$(secret)"
}

make_accounts() {
	local admin=$state/secret/supabase_auth_admin
	[ ! -f "$state/stamp/supabase" ] || return 0
	write_secret "$admin" "$(secret)"
	psql_as postgres fynq -v owner=fynq_owner -v password="$(cat "$admin")" \
		-f tests/fakes/supabase/schema.sql
	write_secret "$state/secret/supabase_url" "$(database_url supabase_auth_admin)"
	touch "$state/stamp/supabase"
}

# fake_settings: those of the service that say where the stand-ins are.
fake_settings() {
	if [ -f "$state/gemini.json" ]; then
		printf 'FYNQ_GEMINI_URL=%s/v1beta\n' "$(fake_field gemini url)"
		printf 'FYNQ_GEMINI_CA_FILE=%s\n' "$state/gemini.pem"
	fi
	if [ -f "$state/smtp.json" ]; then
		printf 'FYNQ_SMTP_URL=%s\n' "$(fake_field smtp url)"
		printf 'FYNQ_SMTP_CA_FILE=%s\n' "$state/smtp.pem"
		printf '%s\n' FYNQ_MAIL_FROM=tutor@fynq.example \
			FYNQ_SITE_URL=https://app.fynq.example/account
	fi
	if wants_supabase; then
		cat <<-EOT
			FYNQ_SUPABASE_URL=$(fake_field supabase url)
			FYNQ_SUPABASE_SECRET_KEY_FILE=$state/secret/supabase_secret_key
			FYNQ_SUPABASE_CA_FILE=$state/supabase.pem
		EOT
	fi
	if [ "$storage" = supabase ]; then
		echo FYNQ_STORAGE=supabase
	fi
	if [ "$auth" = supabase ]; then
		cat <<-EOT
			FYNQ_AUTH=supabase
			FYNQ_SUPABASE_KEY_FILE=$state/secret/supabase_key
			FYNQ_JWT_ISSUER=$(fake_field supabase url)/auth/v1
		EOT
	fi
}

# status_fake NAME TITLE ELSE
status_fake() {
	if fake_runs "$1"; then
		echo "$2: the stand-in, $(fake_field "$1" url)"
	else
		echo "$2: $3"
	fi
}
