#!/usr/bin/env bash
# One broker, a real round trip: records go in, the broker is killed with SIGKILL, and after a restart they come out.
set -euo pipefail
cd "$(dirname "$0")/.."
ottla() { node dist/bin/ottla.js "$@"; }
data=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill "$broker" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$data"' EXIT

start() {
  : >"$data/ready"
  node dist/bin/ottla.js start --data "$data/ottla" --port "${1:-0}" --json >"$data/ready" &
  broker=$!
  until grep -q ready "$data/ready"; do
    kill -0 "$broker" 2>/dev/null || { echo 'the broker did not start' >&2; exit 1; }
    sleep 0.05
  done
  bootstrap=$(sed -n 's/.*"bootstrap":"\([^"]*\)".*/\1/p' "$data/ready")
}

start
echo "broker $broker serves $bootstrap"
ottla topic create greetings --partitions 3 -b "$bootstrap"
printf '%s\n' 'en:hello' 'it:ciao' 'de:hallo' 'fi:moi' 'tr:merhaba' | ottla produce greetings -k : -b "$bootstrap"
kill -9 "$broker"
wait "$broker" 2>/dev/null || true
echo 'killed with SIGKILL, starting again on the same data'
start "${bootstrap##*:}"
read_back=$(ottla consume greetings --from-beginning -e -k : -b "$bootstrap" | sort)
echo "$read_back"
[ "$(wc -l <<<"$read_back")" -eq 5 ] || { echo 'expected 5 records' >&2; exit 1; }
echo 'all 5 records came back'
