#!/bin/sh
# The Nginx site of the responders, from their own route tables.
#
#   site.sh http   BIN_DIR RUN_DIR
#       for the http block: upstreams, and what http.conf says
#   site.sh server BIN_DIR RUN_DIR [FILES_DIR]
#       for a server block: a location for each path, and what server.conf says
#
# BIN_DIR holds the responders, RUN_DIR their sockets. FILES_DIR is FYNQ_FILES_DIR, for Nginx to send
# files from by itself; without it the responders send them. See site.example.conf.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

if [ $# -ne 3 ] && [ $# -ne 4 ]; then
	sed -n '2,/^set/{/^#/{s/^# \{0,1\}//;p;};}' "$0" >&2
	exit 64
fi
part=$1 bin=$2 run=$3 files=${4:-}

case $files in
'' | /*[!/]) ;;
*)
	echo "site.sh: FILES_DIR must be a path from the root, without a / at its end: $files" >&2
	exit 64
	;;
esac
case $files in
*[!A-Za-z0-9/._+@-]*)
	echo "site.sh: FILES_DIR must be of letters, digits and / . _ + @ -: $files" >&2
	exit 64
	;;
esac

upstreams() {
	for responder in "$bin"/*.fcgi; do
		name=$(basename "$responder" .fcgi)
		cat <<-EOF

			upstream fynq_$name {
			    server unix:$run/$name.sock;
			    keepalive 16;
			}
			upstream fynq_${name}_once {
			    server unix:$run/$name.sock;
			}
		EOF
	done
}

# Where the responders send Nginx to for an object, if they may.
objects() {
	if [ -z "$files" ]; then
		cat <<-EOF

			set \$fynq_accel "";
		EOF
		return
	fi
	cat <<-EOF

		set \$fynq_accel /fynq_files/;
		location ^~ /fynq_files/part/ {
		    alias $files/objects/;
		    include $here/files.conf;
		    max_ranges 1;
		}
		location ^~ /fynq_files/whole/ {
		    alias $files/objects/;
		    include $here/files.conf;
		    max_ranges 0;
		}
	EOF
}

# Rows of an endpoint that share a path share a location: it takes the largest body of them. A stream
# ends its connection, also where another process has taken that over: it is not one to keep. Uploads
# have a second location, for the large ones, and a third, for those that do not say how large they are
# and may not be of the large ones. Where a query has a secret, what Nginx has to say about
# a request, which quotes it, goes nowhere; the access log has its status.
locations() {
	for responder in "$bin"/*.fcgi; do
		routes=$("$responder" --routes)
		printf '%s\n' "$routes" | awk -F '\t' \
			-v kept=99999999 -v name="$(basename "$responder" .fcgi)" -v here="$here" '
			NF < 6 || $2 !~ /^\/[A-Za-z0-9_.{}\/-]*$/ || $4 !~ /^[1-9][0-9]*$/ {
				printf "%s: not a route: %s\n", name, $0 > "/dev/stderr"
				bad = 1
				exit 1
			}
			!($2 in body) { paths[++n] = $2; body[$2] = 0 }
			$4 + 0 > body[$2] { body[$2] = $4 + 0 }
			$5 != "-" { kind[$2] = $5 }
			$6 == "secret" { secret[$2] = 1 }
			function location(path, prefix, large,    pattern, most) {
				pattern = path
				if (path ~ /[{]/) {
					gsub(/[.]/, "[.]", pattern)
					gsub(/[{][^}]*[}]/, "[^/]+", pattern)
					printf "\nlocation ~ \"^%s%s$\" {\n", prefix, pattern
				} else {
					printf "\nlocation = %s%s {\n", prefix, path
				}
				printf "    include %s/fastcgi.conf;\n", here
				if (kind[path] != "-" && kind[path] != "")
					printf "    include %s/%s.conf;\n", here, kind[path]
				if (large)
					printf "    include %s/large.conf;\n", here
				if (path in secret)
					printf "    error_log /dev/null crit;\n"
				if (prefix == "/fynq_unsaid")
					printf "    internal;\n"
				most = body[path]
				if (prefix == "/fynq_unsaid" && most > kept)
					most = kept
				printf "    client_max_body_size %.0f;\n", most
				if (kind[path] == "upload" && prefix == "") {
					printf "    if ($fynq_large) {\n        rewrite ^ /fynq_large$uri last;\n    }\n"
					printf "    if ($fynq_unsaid) {\n        rewrite ^ /fynq_unsaid$uri last;\n    }\n"
				}
				printf "    fastcgi_pass fynq_%s%s;\n}\n", name,
					kind[path] == "stream" ? "_once" : "$fynq_once"
			}
			END {
				for (i = 1; i <= n && !bad; i++) {
					location(paths[i], "", 0)
					if (kind[paths[i]] == "upload") {
						location(paths[i], "/fynq_large", 1)
						location(paths[i], "/fynq_unsaid", 0)
					}
				}
			}'
	done
}

case $part in
http)
	cat "$here/http.conf"
	upstreams
	;;
server)
	cat "$here/server.conf"
	objects
	locations
	;;
*)
	echo "site.sh: http or server, not $part" >&2
	exit 64
	;;
esac
