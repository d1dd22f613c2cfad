# shellcheck shell=bash
# The stand-in for Supabase Auth, of a stack that was started with --auth supabase. It keeps its state
# in the stack's PostgreSQL, in the auth schema, which is laid out before the migrations run.

start_supabase() {
	local url cost=10
	if runs "$(supabase_field pid)" main.mjs && ! changed supabase tests/fakes/supabase/*.mjs; then
		return
	fi
	url=$(supabase_field url)
	stop_supabase
	make_supabase
	if [ "$fsync" = off ]; then
		cost=4
	fi
	# On the port it had before, where it had one: then the pools' settings stay as they are.
	(umask 077 && : >"$state/supabase.json")
	setsid node tests/fakes/supabase/main.mjs \
		--database-url-file "$state/secret/supabase_url" \
		--publishable-key-file "$state/secret/supabase_key" \
		--secret-key-file "$state/secret/supabase_secret_key" \
		--jwt-secret-file "$state/secret/supabase_jwt" \
		--cert "$state/supabase.pem" --key "$state/secret/supabase_key.pem" \
		--bcrypt-cost "$cost" ${url:+--port "${url##*:}"} \
		>"$state/supabase.json" 2>>"$state/log/supabase.log" </dev/null &
	wait_for "the stand-in" 20 test -s "$state/supabase.json"
	unchanged supabase tests/fakes/supabase/*.mjs
}

# What a project on Supabase has from the start: keys, a certificate, roles and the auth schema.
make_supabase() {
	if [ ! -f "$state/supabase.pem" ]; then
		write_secret "$state/secret/supabase_key" "sb_publishable_$(secret)"
		write_secret "$state/secret/supabase_secret_key" "sb_secret_$(secret)"
		write_secret "$state/secret/supabase_jwt" "$(secret)"
		make_certificate "$state/supabase.pem" "$state/secret/supabase_key.pem"
	fi
	if [ ! -f "$state/stamp/supabase_schema" ]; then
		write_secret "$state/secret/supabase_auth_admin" "$(secret)"
		psql_as postgres fynq -v owner=fynq_owner \
			-v password="$(cat "$state/secret/supabase_auth_admin")" \
			-f tests/fakes/supabase/schema.sql
		write_secret "$state/secret/supabase_url" "$(database_url supabase_auth_admin)"
		touch "$state/stamp/supabase_schema"
	fi
}

# supabase_field NAME: of the line that the stand-in prints.
supabase_field() {
	[ -f "$state/supabase.json" ] || return 0
	sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" "$state/supabase.json"
}

stop_supabase() {
	local pid
	pid=$(supabase_field pid)
	if runs "$pid" main.mjs; then
		kill "$pid"
	fi
	rm -f "$state/supabase.json"
}

# Who keeps the accounts, as settings.
supabase_settings() {
	cat <<-EOT
		FYNQ_AUTH=supabase
		FYNQ_SUPABASE_URL=$(supabase_field url)
		FYNQ_SUPABASE_KEY_FILE=$state/secret/supabase_key
		FYNQ_SUPABASE_SECRET_KEY_FILE=$state/secret/supabase_secret_key
		FYNQ_SUPABASE_CA_FILE=$state/supabase.pem
		FYNQ_JWT_ISSUER=$(supabase_field url)/auth/v1
	EOT
}
