#!/usr/bin/env bash
# Runs a command beside a `cropstream serve` of its own, whose address is in CROPSTREAM_TARGET:
#
#   with-service.sh SPEC [flags of serve] -- COMMAND [arguments]
#
# Ends the service when the command ends, and with the command's exit code. CROPSTREAM is the command line to serve with:
# `cropstream` by default, which `pip install "./packages/client-python[server]"` brings; `npx cropstream` in a clone with Node.
set -euo pipefail

spec=${1:?"usage: with-service.sh SPEC [flags] -- COMMAND"}
shift
flags=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  flags+=("$1")
  shift
done
shift || { echo "with-service.sh: no command after --" >&2; exit 2; }

folder=$(mktemp -d)
trap 'kill "$service" 2>/dev/null || true; wait "$service" 2>/dev/null || true; rm -rf "$folder"' EXIT
trap 'exit 143' TERM INT

# Ports 0: any free ones. The one line on stdout comes once trainers may attach.
read -ra command <<<"${CROPSTREAM:-cropstream}"
"${command[@]}" serve --spec "$spec" ${flags[@]+"${flags[@]}"} --port 0 --http-port 0 --json >"$folder/ready" &
service=$!
while [ ! -s "$folder/ready" ]; do
  kill -0 "$service" 2>/dev/null || { echo "with-service.sh: the service ended before it was ready" >&2; exit 1; }
  sleep 0.2
done
CROPSTREAM_TARGET=$(sed -n 's/.*"target":"\([^"]*\)".*/\1/p' "$folder/ready")
# An error instead: the service has said it on stderr.
[ -n "$CROPSTREAM_TARGET" ] || exit 1
export CROPSTREAM_TARGET

"$@" &
training=$!
# A signal ends the wait, not the training: hand it on.
trap 'kill -TERM "$training" 2>/dev/null; wait "$training"; exit 143' TERM INT
wait "$training"
