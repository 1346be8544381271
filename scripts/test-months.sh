#!/bin/bash
# Two month ends that need nobody: broker, vendor and nginx are started once, and the clock of all
# programs is moved over two month ends (libfaketime). Each month a wallet buys and pays, the vendor
# is credited, and the broker sells the next period, carries the vendors over, and settles the old
# one.
#   MICROMINT_BIN      the folder of the programs, default target/debug
#   NGINX_MODULE       the module, default target/nginx/ngx_http_micromint_module.so
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
bin=${MICROMINT_BIN:-$root/target/debug}
module=${NGINX_MODULE:-$root/target/nginx/ngx_http_micromint_module.so}
work=$(mktemp -d)
pids=

fail() { echo "test-months: $*" >&2; tail -n 20 "$work"/*.log >&2; exit 1; }
step() { echo "== $*"; }
end() {
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    [ ! -s "$work/nginx.pid" ] || kill "$(cat "$work/nginx.pid")" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT
# Waits until a command succeeds.
until_so() {
    local what=$1 start=$SECONDS
    shift
    until "$@"; do
        [ $((SECONDS - start)) -lt 600 ] || fail "waited ten minutes until $what"
        sleep 1
    done
}

[ -f "$module" ] || { echo "test-months: no $module: run 'make nginx-module' first" >&2; exit 1; }
library=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1)
[ -n "$library" ] || { echo "test-months: no libfaketime: install the package faketime" >&2; exit 1; }
umask 077
mkdir -p "$work"/{broker,site,vendor/periods,client}
port() {
    python3 -c 'import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1])'
}
web=$(port) service=$(port)
site=http://localhost:$web
url=http://127.0.0.1:$service

# The clock of all programs: an offset in a file that they read again and again.
clock() { echo "+$(($(date -u -d "$1" +%s) - $(date +%s)))" >"$work/clock"; }
faked() {
    env LD_PRELOAD="$library" FAKETIME_TIMESTAMP_FILE="$work/clock" FAKETIME_NO_CACHE=1 \
        DONT_FAKE_MONOTONIC=1 TZ=UTC "$@"
}
# Far enough ahead for the offset to be positive.
year=$(($(date -u +%Y) + 1))
clock "$year-01-20 12:00:00"

step "three periods are minted, and everything is started, once"
cd "$work/broker"
for month in 01 02 03; do
    "$bin/coinmint" init --profile test --weak --period "$year-$month" --broker "$url/" \
        --coin-value "0.01 USD" -o "$month.toml" >>mint.log
    "$bin/coinmint" mint "$month.toml" >>mint.log
done
operate() { faked "$bin/mmbroker" --config "$work/broker/broker.toml" "$@"; }
operate init --url "$url" --listen "127.0.0.1:$service"
operate vendor-key --period "$year-01" localhost >"$work/vendor/vendor.key"
operate deposit alice "20 USD" --reference 1 --new
operate key alice >"$work/client/key" 2>/dev/null
# Not by a function, whose process would be another one.
LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$work/clock FAKETIME_NO_CACHE=1 \
    DONT_FAKE_MONOTONIC=1 "$bin/mmbrokerd" --config "$work/broker/broker.toml" \
    >"$work/broker.log" 2>&1 &
pids="$pids $!"
until_so "the broker answers" curl -fs -o /dev/null "$url/health"
cat >"$work/vendor/micromint.toml" <<TOML
vendor-id = "localhost"
origins = ["$site"]
periods = "periods"
till = "till"
owners = "required"
TOML
echo '<h1>The long read</h1>' >"$work/site/long.html"
cat >"$work/nginx.conf" <<NGINX
load_module $module;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.log notice;
events { worker_connections 64; }
env LD_PRELOAD; env FAKETIME_TIMESTAMP_FILE; env FAKETIME_NO_CACHE; env DONT_FAKE_MONOTONIC;
http {
    access_log off;
    default_type text/html;
    client_body_temp_path $work/tmp1; proxy_temp_path $work/tmp2; fastcgi_temp_path $work/tmp3;
    uwsgi_temp_path $work/tmp4; scgi_temp_path $work/tmp5;
    micromint_config $work/vendor/micromint.toml;
    server {
        listen 127.0.0.1:$web;
        server_name localhost;
        root $work/site;
        micromint on;
        location / { micromint_price 2; }
    }
}
NGINX
[ "$(id -u)" != 0 ] || sed -i '1i user root;' "$work/nginx.conf"
LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$work/clock FAKETIME_NO_CACHE=1 \
    DONT_FAKE_MONOTONIC=1 "$bin/mmvendor" sync --config "$work/vendor/micromint.toml" \
    --broker "$url" >"$work/sync.log" 2>&1 &
pids="$pids $!"
until_so "there are parameters and owners" test -s "$work/vendor/periods/$year-01.owners"
faked /usr/sbin/nginx -c "$work/nginx.conf" -e "$work/nginx.log"
wallet() { faked "$bin/mmwallet" --wallet "$work/client/wallet.mmw" "$@"; }
wallet login "$url" --user alice --key-file "$work/client/key"

number() {
    python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1], timeout=60).execute(sys.argv[2]).fetchone()[0])' \
        "$work/broker/broker.db" "$1"
}
credited() {
    [ "$(number "SELECT COALESCE(SUM(amount), 0) FROM balance JOIN account ON id = account
        WHERE kind = 'vendor'")" = "$(($1 * 1000000))" ]
}
settled() { [ "$(number "SELECT settled_at IS NOT NULL FROM period WHERE name = '$1'")" = 1 ]; }
sold() { [ "$(number "SELECT COUNT(*) FROM sale WHERE period = '$1'")" != 0 ]; }
page=0
pay() {
    page=$((page + 1))
    wallet get --autopay 2 "$site/long.html?$page" >"$work/paid" 2>"$work/pay.log" &&
        grep -q 'The long read' "$work/paid"
}

coins=0
for month in 01 02; do
    next=0$((10#$month + 1))
    step "$year-$month: the wallet buys and pays, and the vendor is credited"
    clock "$year-$month-20 12:00:00"
    wallet buy --sets 1
    sold "$year-$month" || fail "the sale was not of $year-$month"
    until_so "a page is paid" pay
    coins=$((coins + 2))
    clock "$year-$month-20 14:00:00"
    until_so "the vendor is credited" credited $coins
    # Paid shortly before the end of the month, and redeemed after it.
    clock "$year-$month-28 23:30:00"
    until_so "another page is paid" pay
    coins=$((coins + 2))

    step "$year-$next begins"
    clock "$year-$next-01 00:10:00"
    until_so "the vendor has the parameters" test -s "$work/vendor/periods/$year-$next.params"
    wallet buy --sets 1
    sold "$year-$next" || fail "the sale was not of $year-$next"
    until_so "a page is paid with new coins" pay
    clock "$year-$next-01 03:00:00"
    coins=$((coins + 2))
    until_so "all are credited" credited $coins

    step "$year-$month is settled"
    clock "$year-$next-09 00:10:00"
    until_so "it is settled" settled "$year-$month"
    operate check
    "$root/tools/mm-audit/mm-audit" "sqlite:$work/broker/broker.db" "$work/broker"
done
echo "test-months: done"
