# shellcheck shell=bash
# Sourced by the scripts beside it, with the folder of the programs and one for data: starts a
# server, exports ACCLIMATE_SERVER, sets $metrics (an address), and stops the server when the script
# ends.
"$1/acclimated" serve --data-dir "$2/server" --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0 \
  >"$2/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT

# The server says where it listens once it does.
endpoint=$2/server/endpoint.json
until [ -s "$endpoint" ]; do
  kill -0 "$server" 2>/dev/null || { cat "$2/server.log" >&2; exit 1; }
  sleep 0.05
done
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$endpoint"; }
ACCLIMATE_SERVER=$(field listen)
export ACCLIMATE_SERVER
# shellcheck disable=SC2034 # of the scripts
metrics=http://$(field metrics_listen)/metrics
