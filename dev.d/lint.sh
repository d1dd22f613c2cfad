# shellcheck shell=bash
# What a machine can say about the sources. Each check goes on after another failed.

lint_failed=0

check() {
	local title=$1 log
	shift
	log=$(mktemp "$state_base/log/lint-XXXXXX")
	attempt "$title" "$log" "$@"
	if [ "$attempt_status" -ne 0 ]; then
		tail -n 60 "$log" >&2
		say "    failed"
		lint_failed=1
	fi
	rm -f "$log"
}

# The files that developers write, NUL-terminated, whose names end as given.
sources() {
	local ends=() end
	for end in "$@"; do
		ends+=(-o -name "*$end")
	done
	find . \( -name '.?*' -o -name 'build*' -o -name node_modules \) -prune -o \
		-type f \( "${ends[@]:1}" \) -print0
}

formatted() {
	sources .c .h | xargs -0 clang-format --dry-run -Werror
}

scripts_sound() {
	shellcheck -x dev .ci/run nginx/site.sh
	# Each of these uses variables of the others.
	shellcheck -e SC2034,SC2154 dev.d/*.sh
}

javascript_parses() {
	sources .mjs .js | xargs -0 -n1 node --check
}

# Every source is built, and so distributed: Makefile.am names it, or the program that it is.
all_listed() {
	local file name bad=0
	while IFS= read -r -d '' file; do
		name=${file#./}
		name=${name%.c}
		if ! grep -qE "(^|[[:space:]])${name//./[.]}([.]c)?([[:space:]]|$)" Makefile.am; then
			echo "Makefile.am does not name ${file#./}"
			bad=1
		fi
	done < <(sources .c .h .def .sql | grep -zvE '^./(sql/tests|tests/fakes)/')
	return "$bad"
}

generated_fresh() {
	# shellcheck disable=SC2016
	node --input-type=module -e '
		import { readFileSync } from "node:fs";
		import { documents } from "./dev.d/documents.mjs";
		for (const [file, text] of await documents(process.argv[1])) {
			let committed = "";
			try { committed = readFileSync(file, "utf8"); } catch {}
			if (committed === text) continue;
			console.log(`${file} is stale: run ./dev generate`);
			process.exitCode = 1;
		}' "$top/build/root"
}

# What Nginx answers by itself has the words of the library's table.
problems_agree() {
	local code title bad=0
	while IFS=$'\t' read -r code title; do
		if grep -qE "^ +[0-9]+ +$code;" nginx/http.conf &&
			! grep -qE "^ +(default|[0-9]+) +\"$title\";" nginx/http.conf; then
			echo "nginx/http.conf: the title of $code is not \"$title\""
			bad=1
		fi
	done < <(sed -n 's/^FYNQ_ERROR(\w*, "\(\w*\)", [0-9]*, "\(.*\)")$/\1\t\2/p' lib/base/errors.def)
	return "$bad"
}

build_of() {
	in_build "$1" make -j"$(nproc)" --no-print-directory
}

lint_command() {
	need_packages build lint
	make_state_base
	check "format" formatted
	check "shell scripts" scripts_sound
	check "JavaScript" javascript_parses
	check "file lists" all_listed
	check "words of problems" problems_agree
	check "gcc, no warnings" in_build build make_install
	check "clang, no warnings" build_of build-clang
	check "generated files" generated_fresh
	[ "$lint_failed" -eq 0 ] || die "lint: failed"
	say "lint: nothing to say"
}
