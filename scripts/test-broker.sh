#!/bin/bash
# The whole cycle through the broker's service, with the real programs and a real nginx on loopback
# ports: a period is minted, the service starts, an account is funded, the wallet buys and pays, the
# vendor syncs and is credited, a revoked user is refused; a user who spends coins at two vendors is
# found by the watch and refused at both.
#   MICROMINT_BIN      the folder of the programs, default target/debug
#   NGINX_MODULE       the module, default target/nginx/ngx_http_micromint_module.so
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
bin=${MICROMINT_BIN:-$root/target/debug}
module=${NGINX_MODULE:-$root/target/nginx/ngx_http_micromint_module.so}
work=$(mktemp -d)
period=$(date -u +%Y-%m)
broker=
syncs=

fail() { echo "test-broker: $*" >&2; tail -n 20 "$work"/*.log >&2; exit 1; }
step() { echo "== $*"; }

end() {
    # shellcheck disable=SC2086
    [ -z "$broker$syncs" ] || kill $broker $syncs 2>/dev/null || true
    [ ! -s "$work/nginx.pid" ] || kill "$(cat "$work/nginx.pid")" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

[ -f "$module" ] || { echo "test-broker: no $module: run 'make nginx-module' first" >&2; exit 1; }
umask 077
mkdir -p "$work"/{broker,site,vendor/periods,shop/periods,client}
port() {
    python3 -c 'import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1])'
}
web=$(port) service=$(port)
site=http://localhost:$web
shop=http://shop.localhost:$web
url=http://127.0.0.1:$service

step "a period is minted, and the service started"
cd "$work/broker"
"$bin/coinmint" init --profile test --weak --period "$period" --broker "$url/" \
    --coin-value "0.01 USD" -o mint.toml >mint.log
"$bin/coinmint" mint mint.toml >>mint.log
operate() { "$bin/mmbroker" --config "$work/broker/broker.toml" "$@"; }
operate init --url "$url" --listen "127.0.0.1:$service"
operate vendor-key --period "$period" localhost >"$work/vendor/vendor.key"
operate vendor-key --period "$period" shop.localhost >"$work/shop/vendor.key"
operate deposit alice "5 USD" --reference 1 --new
operate key alice >"$work/client/key" 2>/dev/null
# Not by the function, whose process would be another one.
"$bin/mmbrokerd" --config "$work/broker/broker.toml" >"$work/broker.log" 2>&1 &
broker=$!
for _ in $(seq 100); do
    curl -fs -o /dev/null "$url/health" && break
    sleep 0.1
done

step "the wallet buys"
wallet() { "$bin/mmwallet" --wallet "$work/client/wallet.mmw" "$@"; }
wallet login "$url" --user alice --key-file "$work/client/key"
wallet buy --sets 2
curl -fsS -H "Authorization: Bearer $(cat "$work/client/key")" "$url/v1/account" >"$work/account"
grep -q '"received"' "$work/account" || fail "the purchase was not acknowledged"

step "the vendor syncs, and nginx starts"
for vendor in "vendor localhost $site" "shop shop.localhost $shop"; do
    read -r folder id origin <<<"$vendor"
    cat >"$work/$folder/micromint.toml" <<TOML
vendor-id = "$id"
origins = ["$origin"]
periods = "periods"
till = "till"
owners = "required"
TOML
done
echo '<h1>The long read</h1>' >"$work/site/long.html"
cat >"$work/nginx.conf" <<NGINX
load_module $module;
worker_processes 1;
pid $work/nginx.pid;
error_log $work/nginx.log notice;
events { worker_connections 64; }
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
    server {
        listen 127.0.0.1:$web;
        server_name shop.localhost;
        root $work/site;
        micromint on;
        micromint_config $work/shop/micromint.toml;
        location / { micromint_price 2; }
    }
}
NGINX
[ "$(id -u)" != 0 ] || sed -i '1i user root;' "$work/nginx.conf"
sync() {
    "$bin/mmvendor" sync --once --config "$work/vendor/micromint.toml" --broker "$url" "$@"
}
# There is no till yet, and the server does not start without parameters.
sync
"$bin/mmvendor" sync --once --config "$work/shop/micromint.toml" --broker "$url"
[ -s "$work/vendor/periods/$period.params" ] || fail "sync wrote no parameters"
[ -s "$work/vendor/periods/$period.owners" ] || fail "sync wrote no owners"
/usr/sbin/nginx -c "$work/nginx.conf" -e "$work/nginx.log"
for _ in $(seq 50); do
    [ "$(curl -s -o /dev/null -w '%{http_code}' "$site/long.html")" = 402 ] && break
    sleep 0.1
done

step "the wallet pays"
wallet get --autopay 2 "$site/long.html" | grep -q 'The long read' || fail "no page came"

reference=$(wallet history --json | python3 -c 'import json, sys
print([event["reference"] for event in json.load(sys.stdin) if event["event"] == "payment"][-1])')
wallet complain "$reference" "the page was empty" | grep -q "about localhost" ||
    fail "the complaint was not taken"

step "the vendor redeems and is credited"
# A batch holds payments older than ten minutes.
sync --as-of "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)" | tee "$work/sync.out"
grep -q '2 coins' "$work/sync.out" || fail "nothing was redeemed"
operate status
operate check
"$root/tools/mm-audit/mm-audit" "sqlite:$work/broker/broker.db" "$work/broker"
credited=$(python3 - "$work/broker/broker.db" <<'PYTHON'
import sqlite3, sys
select = "SELECT amount FROM balance JOIN account ON id = account WHERE kind = 'vendor'"
print(sqlite3.connect(sys.argv[1]).execute(select).fetchone()[0])
PYTHON
)
[ "$credited" = 2000000 ] || fail "expected a credit of 2000000 units, found $credited"

step "a revoked user is refused after the next sync"
operate revoke alice
sync >/dev/null
grep -qx alice "$work/vendor/periods/$period.revoked" || fail "the list does not name alice"
# The server looks for new lists every five seconds.
sleep 6
if wallet get --autopay 2 "$site/long.html?again" >"$work/refused.log" 2>&1; then
    fail "a revoked user was served"
fi

step "a user who spends coins at two vendors is refused at both"
operate deposit eve "5 USD" --reference 2 --new
operate key eve >"$work/client/eve.key" 2>/dev/null
one() { "$bin/mmwallet" --wallet "$work/client/one.mmw" "$@"; }
two() { "$bin/mmwallet" --wallet "$work/client/two.mmw" "$@"; }
one login "$url" --user eve --key-file "$work/client/eve.key"
one buy --sets 1
cp "$work/client/one.mmw" "$work/client/two.mmw"
# Enough to pay until it is refused.
one buy --sets 12
for folder in vendor shop; do
    "$bin/mmvendor" sync --config "$work/$folder/micromint.toml" --broker "$url" \
        >"$work/$folder-sync.log" 2>&1 &
    syncs="$syncs $!"
done
# Until the coins of the set are spent here and there. The services fetch the new owners.
spend() {
    local wallet=$1 page=$2 paid=0 number
    for number in 1 2 3 4 5 6 7; do
        "$wallet" get --autopay 2 "$page?$number" >"$work/spend.log" 2>&1 || break
        paid=$((paid + 1))
    done
    [ $paid -gt 0 ] || { cat "$work/spend.log" >&2; fail "$wallet paid nothing at $page"; }
}
spend one "$site/long.html"
spend two "$shop/long.html"
start=$SECONDS
for page in "$site" "$shop"; do
    number=100
    until ! one get --autopay 2 "$page/long.html?$number" >"$work/refused.log" 2>&1; do
        number=$((number + 1))
        [ $((SECONDS - start)) -lt 300 ] || fail "a double spender is still served at $page"
        sleep 2
    done
    grep -q revoked "$work/refused.log" || { cat "$work/refused.log" >&2; fail "not revoked"; }
done
echo "refused at both after $((SECONDS - start)) seconds"
"$root/tools/mm-audit/mm-audit" "sqlite:$work/broker/broker.db" "$work/broker"
echo "test-broker: done"
