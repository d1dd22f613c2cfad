# shellcheck shell=bash
# Students at work while everything is killed, on a stack of its own; tests/e2e/long/chaos.mjs.

# shellcheck source=/dev/null
. dev.d/test.sh

chaos_command() {
	local seconds=${1:-600} status=0
	case $seconds in
	'' | *[!0-9]*) die "usage: ./dev chaos [SECONDS]" ;;
	esac
	need_packages build run test
	make_state_base
	run=$(mktemp -d "$state_base/c-XXXXXX")
	chmod 0711 "$run"
	mkdir -m 0700 "$run/log"
	trap clean_up EXIT
	unset GEMINI_API_KEY

	build_into build
	up --state "$run/stack" --built --set FYNQ_BCRYPT_COST=4 --set FYNQ_DRAIN_SECONDS=20 \
		--set FYNQ_GEMINI_TRIES=3 --set FYNQ_GEMINI_PATIENCE_MS=20000
	say "==> chaos, $seconds s"
	FYNQ_TEST_STACK=$(stack_json) node tests/e2e/long/chaos.mjs "$seconds" || status=$?
	[ "$status" -eq 0 ] || show_logs
	exit "$status"
}
