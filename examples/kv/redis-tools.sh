#!/usr/bin/env bash
# redis-tools.sh KV: Redis's own client and benchmark against the kv server at KV (the program).
set -euo pipefail
kv=$1
log=$(mktemp)
"$kv" serve 127.0.0.1:0 >"$log" &
server=$!
trap 'kill $server 2>/dev/null; rm -f "$log"' EXIT

# The server prints its address once it listens; port 0 picked a free one.
for _ in $(seq 100); do
    port=$(sed -nE 's/.*127\.0\.0\.1:([0-9]+).*/\1/p' "$log")
    [ -n "$port" ] && break
    sleep 0.05
done
[ -n "$port" ] || { echo "the server did not start"; exit 1; }

expect() {
    local wanted=$1; shift
    local got; got=$(redis-cli -p "$port" "$@")
    [ "$got" = "$wanted" ] || { echo "redis-cli $*: expected '$wanted', got '$got'"; exit 1; }
}
expect PONG PING
expect OK SET greeting "hello world" EX 100
expect "hello world" GET greeting
expect 100 TTL greeting
expect 7 INCRBY counter 7
expect 10 APPLY client-1 1 counter 3
expect 10 APPLY client-1 1 counter 3
expect 10 GET counter
expect "ERR value is not an integer or out of range" INCR greeting

redis-benchmark -p "$port" -t set,get,incr -n 100000 -c 50 -q
redis-benchmark -p "$port" -t set,get,incr -n 100000 -c 50 -P 16 -q
