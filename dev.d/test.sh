# shellcheck shell=bash
# Every test, counted. The last line is "N passed, N failed".

passed=0
failed=0
failures=()

# add PASSED FAILED TITLE: to the sums.
add() {
	passed=$((passed + $1))
	failed=$((failed + $2))
	say "    $3: $1 passed, $2 failed"
	if [ "$2" -gt 0 ]; then
		failures+=("$3: $2 failed")
	fi
}

# count LOG PATTERN
count() {
	grep -cE "$2" "$1" || true
}

in_folder() {
	cd "$1" || return
	shift
	"$@"
}

# tap_tests TITLE FOLDER PART COMMAND...: the command is a make check in FOLDER; its programs of
# tests/PART are counted by their TAP lines, one that ends badly without a "not ok" as one failure.
# cmocka calls a skipped test "not ok", too.
tap_tests() {
	local title=$1 folder=$2 part=$3 log trs tap=$logs/$2.tap
	shift 3
	attempt "$title" "$logs/$folder" in_folder "$folder" "$@"
	: >"$tap"
	for trs in "$folder/tests/$part"/*.trs; do
		[ -e "$trs" ] || continue
		log=${trs%.trs}.log
		grep -v '# SKIP' "$log" >>"$tap" || true
		if ! grep -q '^:test-result: PASS' "$trs"; then
			show_failure "$(basename "$log" .log)" "$log"
			grep -q '^not ok' "$log" || echo "not ok - $log" >>"$tap"
		fi
	done
	if [ "$attempt_status" -ne 0 ] && ! grep -q '^not ok' "$tap"; then
		show_failure "make check" "$logs/$folder"
		echo "not ok - make check" >>"$tap"
	fi
	add "$(count "$tap" '^ok')" "$(count "$tap" '^not ok')" "$title"
}

unit_tests() {
	tap_tests "$1" "$2" unit make --no-print-directory -k check -j"$(nproc)"
}

# Every fallible call fails once, against the stack's database.
fault_tests() {
	tap_tests "fault tests" build-faults faults \
		env FYNQ_DATABASE_URL="$(database_url fynq)" \
		make --no-print-directory check TESTS=tests/faults/test-faults
}

# The same programs under valgrind, each one test.
valgrind_tests() {
	local trs bad=0 good=0
	attempt "unit tests under valgrind" "$logs/valgrind" \
		in_folder build make --no-print-directory -k check-valgrind -j"$(nproc)"
	for trs in build/tests/unit/*.trs; do
		[ -e "$trs" ] || continue
		if grep -q '^:test-result: PASS' "$trs"; then
			good=$((good + 1))
		else
			bad=$((bad + 1))
			show_failure "$(basename "$trs" .trs) under valgrind" "${trs%.trs}.log"
		fi
	done
	if [ "$attempt_status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		show_failure "make check-valgrind" "$logs/valgrind"
		bad=1
	fi
	add "$good" "$bad" "valgrind"
}

show_failure() {
	say ""
	say "--- $1 failed:"
	tail -n 60 "$2" | cut -c1-400 >&2
}

# A database of its own, migrated by fynqctl.
make_test_database() {
	psql_as postgres postgres -c "create database $1 owner fynq_owner"
	write_secret "$state/secret/$1" "$(database_url fynq_owner | sed "s,@/fynq?,@/$1?,")"
	env -i PATH="$PATH" HOME="$HOME" LANG=C.UTF-8 FYNQ_CONFIG="$state/fynq.conf" \
		FYNQ_DATABASE_ADMIN_URL_FILE="$state/secret/$1" "$root/sbin/fynqctl" migrate up
}

pgtap_tests() {
	make_test_database pgtap >"$logs/pgtap-database"
	attempt "database tests" "$logs/pgtap" run_pgtap
	# The sum line counts what a file that broke off never ran, the lines of TAP what ran.
	if [ "$attempt_status" -ne 0 ]; then
		show_failure "pgTAP" "$logs/pgtap"
		grep -qE '^not ok' "$logs/pgtap" || echo "not ok - pg_prove" >>"$logs/pgtap"
	fi
	add "$(count "$logs/pgtap" '^ok')" "$(count "$logs/pgtap" '^not ok')" "database tests"
}

run_pgtap() {
	PGPASSWORD=$(cat "$state/secret/postgres") PGOPTIONS='--client-min-messages=warning' \
		pg_prove --verbose --jobs "$(nproc)" -h "$state/pg/run" -U postgres -d pgtap \
		sql/tests/*.sql
}

# node_tests TITLE CONCURRENCY FILE...
node_tests() {
	local title=$1 concurrency=$2 name=${1// /-} fail
	shift 2
	[ $# -gt 0 ] || return 0
	rm -f "$logs/$name.tap"
	attempt "$title" "$logs/$name" run_node "$logs/$name.tap" "$concurrency" "$@"
	touch "$logs/$name.tap"
	fail=$(($(sum "$logs/$name.tap" fail) + $(sum "$logs/$name.tap" cancelled)))
	if [ "$attempt_status" -ne 0 ]; then
		[ "$fail" -gt 0 ] || fail=1
		say ""
		sed -n '/failing tests:/,$p' "$logs/$name" | awk 'NR <= 400' | cut -c1-400 >&2
		[ -s "$logs/$name.tap" ] || show_failure "$title" "$logs/$name"
	elif [ "$units" = no ]; then
		cat "$logs/$name" >&2
	fi
	add "$(sum "$logs/$name.tap" pass)" "$fail" "$title"
}

run_node() {
	local tap=$1 concurrency=$2
	shift 2
	env -u GEMINI_API_KEY FYNQ_TEST_STACK="$(stack_json)" timeout 3600 \
		node --test --test-concurrency="$concurrency" \
		--test-reporter=spec --test-reporter-destination=stdout \
		--test-reporter=tap --test-reporter-destination="$tap" "$@"
}

# sum FILE NAME: of Node's summary; 0 where it did not come to one.
sum() {
	local n
	n=$(sed -n "s/^# $2 \([0-9]*\)$/\1/p" "$1" | tail -n 1)
	printf %s "${n:-0}"
}

# No report of AddressSanitizer or UndefinedBehaviorSanitizer from the shared stack's processes.
# They report leaks as they end, so this comes after the end.
sanitizer_test() {
	local report bad=0
	for report in "$state"/san/*; do
		[ -e "$report" ] || continue
		bad=$((bad + 1))
		[ "$bad" -gt 3 ] || show_failure "a process of the build with sanitizers" "$report"
	done
	add $((bad == 0)) "$bad" "sanitizers"
}

show_logs() {
	say ""
	say "--- from the endpoints' log:"
	grep -E '"level":"(warn|error)"' "$state/log/fynq.log" 2>/dev/null | tail -n 20 >&2 || true
	say "--- from Nginx's log:"
	tail -n 10 "$state/log/nginx-error.log" >&2 2>/dev/null || true
	rm -rf "$state_base/log/failed"
	cp -r "$state/log" "$state_base/log/failed"
	say "--- all of them: $state_base/log/failed"
}

# End every stack below the run's folder, also those whose test was killed, and remove it.
clean_up() {
	local options status=$?
	trap - EXIT
	for options in "$run"/*/options; do
		[ -e "$options" ] || continue
		state=$(dirname "$options")
		down >/dev/null 2>&1 || say "dev: something of $state may still run"
	done
	rm -rf "${run:?}"
	exit "$status"
}

end_stack() {
	if [ "$failed" -gt 0 ]; then
		show_logs
	fi
	attempt "ending the stack" "$logs/down" down
	if [ "$attempt_status" -ne 0 ]; then
		show_failure "ending the stack" "$logs/down"
		add 0 1 "ending the stack"
	fi
	sanitizer_test
}

test_command() {
	local file units=yes
	need_packages build run test
	need_npm
	make_state_base
	run=$(mktemp -d "$state_base/t-XXXXXX")
	chmod 0711 "$run"
	mkdir -m 0700 "$run/log"
	logs=$run/log
	trap clean_up EXIT
	unset GEMINI_API_KEY

	build_into build
	if [ $# -eq 0 ]; then
		unit_tests "unit tests" build
		valgrind_tests
	else
		units=no
		for file in "$@"; do
			[ -f "$file" ] || die "there is no test $file"
		done
	fi
	build_into build-asan
	if [ "$units" = yes ]; then
		unit_tests "unit tests with sanitizers" build-asan
		build_into build-faults
	fi
	up --state "$run/shared" --built --asan --fast \
		--set FYNQ_BCRYPT_COST=4 --set FYNQ_DRAIN_SECONDS=20 --set FYNQ_IMAGE_SECONDS=60
	if [ "$units" = yes ]; then
		pgtap_tests
		fault_tests
		node_tests "end-to-end tests" 4 tests/e2e/*.test.mjs
		shopt -s nullglob
		set -- tests/e2e/load/*.test.mjs
	fi
	node_tests "end-to-end tests, one at a time" 1 "$@"
	end_stack

	if [ "$failed" -gt 0 ]; then
		say ""
		printf '%s\n' "${failures[@]}" >&2
	fi
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
