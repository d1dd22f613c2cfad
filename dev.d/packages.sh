# shellcheck shell=bash
# What must be installed, in groups. PACKAGE:COMMAND is also satisfied by the command, as Node.js
# often comes from elsewhere.
packages_build="autoconf automake libtool pkg-config make gcc libc6-dev libfcgi-dev
	libcurl4-openssl-dev libjson-c-dev libpq-dev libssl-dev libcrypt-dev libmagic-dev
	libarchive-dev"
packages_run="postgresql-15 nginx spawn-fcgi multiwatch nodejs:node curl openssl
	libvips-tools poppler-utils john-data"
packages_test="libcmocka-dev valgrind postgresql-15-pgtap libtap-parser-sourcehandler-pgtap-perl
	npm:npm imagemagick libheif-examples libimage-exiftool-perl unzip python3-aiosmtpd
	apache2-utils chromium"
packages_bench="libnghttp2-dev libssl-dev nodejs:node"
packages_lint="clang clang-format shellcheck nodejs:node"
packages_fuzz="clang libclang-rt-14-dev"

missing_packages() {
	local item package installed
	installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
		sed -n 's/^installed //p' | tr '\n' ' ')"
	for item in "$@"; do
		package=${item%%:*}
		case $installed in
		*" $package "*) continue ;;
		esac
		if [ "$item" != "$package" ] && command -v "${item#*:}" >/dev/null; then
			continue
		fi
		printf '%s\n' "$package"
	done
}

# A package must not start a server of its own: neither PostgreSQL nor Nginx is wanted at its usual
# place. Debian asks this file before it starts one.
install_packages() {
	local policy=/usr/sbin/policy-rc.d
	export DEBIAN_FRONTEND=noninteractive
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
		# shellcheck disable=SC2064
		trap "rm -f $policy" EXIT
	fi
	apt-get -q -o DPkg::Lock::Timeout=300 update
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "$@"
}

# need_packages GROUP...: install what is missing, or say how to.
need_packages() {
	local group list='' missing
	for group in "$@"; do
		group=packages_$group
		list="$list ${!group}"
	done
	# shellcheck disable=SC2086
	missing=$(missing_packages $list | sort -u | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	if ! is_root; then
		say "Packages are missing. Run:"
		say ""
		say "    sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing% }"
		say ""
		exit 1
	fi
	# shellcheck disable=SC2086
	step "installing ${missing% }" install_packages $missing
}

# The npm packages of package-lock.json; done again only when it changes. Not `npm ci`: that of npm 11
# refuses a lock file that names only this machine's build of an optional package.
need_npm() {
	local stamp=node_modules/.fynq-lock
	if [ ! -f package.json ] || cmp -s package-lock.json "$stamp" 2>/dev/null; then
		return 0
	fi
	step "installing npm packages" \
		npm install --no-save --ignore-scripts --no-audit --no-fund
	cp package-lock.json "$stamp"
}
