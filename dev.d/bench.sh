# shellcheck shell=bash
# The workloads of bench/.

bench_command() {
	if [ ! -x bench/run ]; then
		say "There is no workload in bench/ yet."
		return
	fi
	bench/run "$@"
}
