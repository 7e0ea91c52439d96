#!/bin/sh
# Starts a server and tells it whenever its certificates were made anew:
#
#     renewing.sh SECONDS RELOAD SERVER [ARGUMENT...]
#
# RELOAD is a command of the shell; $server in it is the server's process. It is repeated until it
# succeeds. The watcher is nobody's child, for PostgreSQL takes any child that dies for one of its
# own, and it ends with the server.
set -eu
seconds=$1 reload=$2 server=$$
shift 2
sum() { cat /certs/* 2>/dev/null | cksum; }
seen=$(sum)
(
	while sleep "$seconds" && kill -0 "$server" 2>/dev/null; do
		now=$(sum)
		if [ "$now" != "$seen" ] && eval "$reload" >/dev/null; then seen=$now; fi
	done &
)
exec "$@"
