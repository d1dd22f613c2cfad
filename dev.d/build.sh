# shellcheck shell=bash
# Builds, each in a folder of its own and installed into its root/, as the pools must not run the
# wrappers that libtool makes.

make_configure() {
	if [ ! -f configure ] || [ configure.ac -nt configure ] || [ Makefile.am -nt Makefile.in ]; then
		autoreconf --install --force
	fi
}

# configure_in FOLDER OPTION...: with the compiler and flags that the options name.
configure_in() {
	local folder=$1
	shift
	mkdir -p "$folder"
	cd "$folder" || return
	../configure --quiet --enable-silent-rules --prefix="$top/$folder/root" "$@"
}

# Was the folder configured before cmocka was installed?
misses_cmocka() {
	grep -q "HAVE_CMOCKA_FALSE.*=\"\"" "$1/config.status" && pkg-config --exists cmocka
}

# in_build FOLDER COMMAND...: one at a time, also where two commands of this script build at once.
in_build() {
	local folder=$1
	shift
	(
		flock 9
		make_configure
		if [ ! -f "$folder/config.status" ] || [ configure -nt "$folder/config.status" ] ||
			misses_cmocka "$folder"; then
			"configure_$folder"
		fi
		cd "$folder" || return
		"$@"
	) 9>"$state_base/build.lock"
}

configure_build() { (configure_in build --enable-werror); }
configure_build-asan() { (configure_in build-asan --enable-werror --enable-asan CFLAGS='-O1 -g'); }
configure_build-faults() {
	(configure_in build-faults --enable-werror --enable-asan --enable-faults CFLAGS='-O1 -g')
}
configure_build-clang() { (configure_in build-clang --enable-werror CC=clang); }
configure_build-fuzz() {
	(configure_in build-fuzz --enable-werror --enable-fuzzing --disable-shared --enable-static \
		CC=clang CFLAGS='-O1 -g')
}

make_install() {
	make -j"$(nproc)" --no-print-directory
	make --no-print-directory install >/dev/null
}

# build_into FOLDER
build_into() {
	step "building in $1/" in_build "$1" make_install
}
