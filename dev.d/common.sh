# shellcheck shell=bash
# Words to the developer, and the private folder of this checkout.

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "dev: $*"
	exit 1
}

case $top in
*[!A-Za-z0-9/._+-]*) die "the path of this checkout, $top, must be of letters, digits and / . _ + -" ;;
esac

# /var/tmp, as a socket's path may have 107 bytes and PostgreSQL's own user must reach its part.
state_base=/var/tmp/fynq-$(id -u)-$(printf %s "$top" | cksum | cut -d' ' -f1)

# The folder for everybody's eyes, its parts for ours: nobody else may have made it before us.
make_state_base() {
	mkdir -m 0711 "$state_base" 2>/dev/null || true
	if [ -L "$state_base" ] || [ ! -O "$state_base" ] || [ ! -d "$state_base" ]; then
		die "$state_base belongs to someone else: remove it"
	fi
	chmod 0711 "$state_base"
	mkdir -p "$state_base/log"
	chmod 0700 "$state_base/log"
}

# Copy lines of a command's output to a file; show one every few seconds that pass.
show_progress() {
	local log=$1 line='' shown='' next=$((SECONDS + 5)) began=$SECONDS status
	while true; do
		status=0
		IFS= read -r -t 5 line || status=$?
		if [ "$status" -eq 0 ]; then
			printf '%s\n' "$line" >>"$log"
			shown=${line:-$shown}
		elif [ "$status" -le 128 ]; then
			break
		fi
		if [ "$SECONDS" -ge "$next" ]; then
			say "    ... $((SECONDS - began)) s: ${shown:0:100}"
			next=$((SECONDS + 5))
		fi
	done
}

# attempt TITLE LOG COMMAND...: run it in a subshell with its output in LOG, and say how long it took;
# its status is in $attempt_status. It must leave no process that holds its output open. Not to be
# called as a condition: bash would then go on after a failure inside the command.
attempt() {
	local title=$1 log=$2 began=${EPOCHREALTIME/./}
	shift 2
	printf '%s\n' "==> $title" >&2
	: >"$log"
	# In the background, in a process group of its own: only so does a signal end it at once.
	set -m
	(
		set +e
		(
			set -e
			"$@"
		) 2>&1 </dev/null | show_progress "$log"
		exit "${PIPESTATUS[0]}"
	) &
	attempt_pid=$!
	set +m
	attempt_status=0
	wait "$attempt_pid" || attempt_status=$?
	attempt_pid=
	took "$began"
}

attempt_pid=
interrupted() {
	if [ -n "$attempt_pid" ]; then
		kill -TERM -- "-$attempt_pid"
	fi
	exit 130
}
trap interrupted INT TERM HUP

# step TITLE COMMAND...: the same, but where it fails, show the end of its output and give up.
step() {
	local title=$1 log
	shift
	make_state_base
	log=$(mktemp "$state_base/log/step-XXXXXX")
	attempt "$title" "$log" "$@"
	if [ "$attempt_status" -ne 0 ]; then
		tail -n 60 "$log" >&2
		rm -f "$log"
		die "$title: failed"
	fi
	rm -f "$log"
}

# took BEGAN: the time since then, where it is worth a word.
took() {
	local ms=$(((${EPOCHREALTIME/./} - $1) / 1000))
	if [ "$ms" -ge 1000 ]; then
		printf '    %d.%d s\n' $((ms / 1000)) $((ms % 1000 / 100)) >&2
	fi
}

# wait_for TITLE SECONDS COMMAND...: run the command until it succeeds.
wait_for() {
	local title=$1 deadline=$((SECONDS + $2))
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || die "$title: not in time"
		sleep 0.05
	done
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

# runs PID WORD: does that process live, with WORD in its command line?
runs() {
	[ -n "$1" ] && tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"
}

secret() {
	openssl rand -hex 24
}

# write_secret FILE VALUE
write_secret() {
	(umask 077 && printf '%s\n' "$2" >"$1")
}
