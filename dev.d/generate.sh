# shellcheck shell=bash
# The documents that are made from the programs; tests/e2e/generated.test.mjs finds stale ones.

generate_command() {
	need_packages build run
	build_into build
	node dev.d/documents.mjs "$top/build/root"
}
