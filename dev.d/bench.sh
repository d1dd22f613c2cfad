# shellcheck shell=bash
# The workloads of bench/.

make_bench() {
	make_install
	make --no-print-directory bench/load bench/mock bench/transfer
}

bench_command() {
	if [ $# -gt 0 ]; then
		need_packages build run bench
		# Configured before those packages were there?
		if [ -f build/config.status ] && ! grep -q nghttp2 build/config.status; then
			rm build/config.status
		fi
		step "building in build/" in_build build make_bench
	fi
	exec node bench/run.mjs "$@"
}
