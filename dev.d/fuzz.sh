# shellcheck shell=bash
# Each fuzzer for a while, going on from what it found before.

run_fuzzer() {
	local name=$1 seconds=$2 corpus=$top/build-fuzz/corpus/$1 seeds=()
	mkdir -p "$corpus"
	if [ -d "tests/fuzz/corpus/${name#fuzz-}" ]; then
		seeds=("tests/fuzz/corpus/${name#fuzz-}")
	fi
	"build-fuzz/tests/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix="build-fuzz/$name-" -print_final_stats=1 "$corpus" "${seeds[@]}"
}

fuzz_command() {
	local seconds=${1:-30} fuzzer
	case $seconds in
	'' | *[!0-9]*) die "usage: ./dev fuzz [SECONDS]" ;;
	esac
	need_packages build fuzz
	step "building in build-fuzz/" in_build build-fuzz make -j"$(nproc)" --no-print-directory
	for fuzzer in tests/fuzz/fuzz-*.c; do
		[ -e "$fuzzer" ] || die "there is no fuzzer in tests/fuzz yet"
		fuzzer=$(basename "$fuzzer" .c)
		step "$fuzzer, $seconds s" run_fuzzer "$fuzzer" "$seconds"
	done
	say "fuzz: nothing found"
}
