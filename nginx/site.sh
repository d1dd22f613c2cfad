#!/bin/sh
# The Nginx site of the responders, from their own route tables.
#
#   site.sh http   BIN_DIR RUN_DIR    for the http block: upstreams, and what http.conf says
#   site.sh server BIN_DIR RUN_DIR    for a server block: a location for each path, and server.conf
#
# BIN_DIR holds the responders, RUN_DIR their sockets. See site.example.conf.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

if [ $# -ne 3 ]; then
	sed -n '2,/^set/{/^#/{s/^# \{0,1\}//;p;};}' "$0" >&2
	exit 64
fi
part=$1 bin=$2 run=$3

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

# Rows of an endpoint that share a path share a location: it takes the largest body of them. A stream
# ends its connection, also where another process has taken that over: it is not one to keep.
locations() {
	for responder in "$bin"/*.fcgi; do
		routes=$("$responder" --routes)
		printf '%s\n' "$routes" | awk -F '\t' \
			-v name="$(basename "$responder" .fcgi)" -v here="$here" '
			NF < 5 || $2 !~ /^\/[A-Za-z0-9_.{}\/-]*$/ || $4 !~ /^[1-9][0-9]*$/ {
				printf "%s: not a route: %s\n", name, $0 > "/dev/stderr"
				bad = 1
				exit 1
			}
			!($2 in body) { paths[++n] = $2; body[$2] = 0 }
			$4 + 0 > body[$2] { body[$2] = $4 + 0 }
			$5 == "stream" { stream[$2] = 1 }
			END {
				for (i = 1; i <= n && !bad; i++) {
					path = paths[i]
					matches = "= " path
					if (path ~ /[{]/) {
						gsub(/[.]/, "[.]", path)
						gsub(/[{][^}]*[}]/, "[^/]+", path)
						matches = "~ \"^" path "$\""
					}
					printf "\nlocation %s {\n", matches
					printf "    include %s/fastcgi.conf;\n", here
					if (paths[i] in stream)
						printf "    include %s/stream.conf;\n", here
					printf "    client_max_body_size %d;\n", body[paths[i]]
					printf "    fastcgi_pass fynq_%s%s;\n}\n", name,
						paths[i] in stream ? "_once" : "$fynq_once"
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
	locations
	;;
*)
	echo "site.sh: http or server, not $part" >&2
	exit 64
	;;
esac
