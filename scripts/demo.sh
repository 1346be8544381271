#!/bin/bash
# The whole payment cycle with the real programs and a real nginx on a loopback port: a broker mints
# and sells coins, a reader pays for pages, the vendor redeems the coins.
# All files are in .demo/, which is emptied first and kept at the end for inspection.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
demo=$root/.demo
bin=${MICROMINT_BIN:-$root/target/release}
module=$root/target/nginx/ngx_http_micromint_module.so
period=$(date -u +%Y-%m)
profile=${MICROMINT_DEMO_PROFILE:-demo}
port=

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }
fail() { echo "demo: $*" >&2; exit 1; }

stop_nginx() {
    if [ -s "$demo/nginx.pid" ]; then
        kill "$(cat "$demo/nginx.pid")" 2>/dev/null || true
        # nginx removes the file when it exits.
        for _ in $(seq 50); do
            [ -e "$demo/nginx.pid" ] || break
            sleep 0.1
        done
    fi
}
trap stop_nginx EXIT

[ -f "$module" ] || fail "no $module: run 'make nginx-module' first"
rm -rf "$demo"
mkdir -p "$demo"/{broker,site/free,site/paid,vendor/periods,client}

step "1. The broker mints the coins for $period (profile $profile)"
cd "$demo/broker"
run "$bin/coinmint" init --profile "$profile" --period "$period" --broker https://broker.example/ \
    --coin-value "0.01 USD" -o mint.toml
run "$bin/coinmint" plan mint.toml
run "$bin/coinmint" mint mint.toml
run "$bin/coinmint" info mint.toml
run "$bin/coinmint" params mint.toml -o "$period.params"

step "2. The vendor registers, the reader buys two sets"
"$bin/mmbroker" vendor-key --coinfile "$period.coins" localhost >"$demo/vendor/vendor.key"
chmod 600 "$demo/vendor/vendor.key"
echo "\$ mmbroker vendor-key localhost  > vendor.key"
run "$bin/mmbroker" withdraw --coinfile "$period.coins" --user alice --sets 2 \
    -o "$demo/client/alice.mm"
cd "$demo/client"
wallet() { "$bin/mmwallet" --wallet "$demo/client/alice.wallet" "$@"; }
echo "\$ mmwallet receive alice.mm"
wallet receive alice.mm
wallet balance

step "3. The vendor switches the paywall on in nginx"
cp "$demo/broker/$period.params" "$demo/vendor/periods/"
port=$(python3 -c 'import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1])')
site=http://localhost:$port
echo '<h1>Front page</h1> free to read' >"$demo/site/index.html"
echo '<h1>About us</h1> free to read too' >"$demo/site/free/about.html"
echo '<h1>The long read</h1> costs two coins, by long.html.mm' >"$demo/site/paid/long.html"
echo 2 >"$demo/site/paid/long.html.mm"
mkdir "$demo/site/archive"
echo '<h1>From the archive</h1> every page here costs one coin' >"$demo/site/archive/1998.html"
cat >"$demo/vendor/micromint.toml" <<TOML
vendor-id = "localhost"
origins = ["$site"]
periods = "periods"
till = "till"
TOML
cat >"$demo/nginx.conf" <<NGINX
load_module $module;
daemon on;
worker_processes 2;
pid $demo/nginx.pid;
error_log $demo/error.log notice;
events { worker_connections 256; }
http {
    access_log off;
    default_type text/html;
    client_body_temp_path $demo/tmp_body;
    proxy_temp_path $demo/tmp_proxy;
    fastcgi_temp_path $demo/tmp_fastcgi;
    uwsgi_temp_path $demo/tmp_uwsgi;
    scgi_temp_path $demo/tmp_scgi;

    micromint_config $demo/vendor/micromint.toml;

    server {
        listen 127.0.0.1:$port;
        server_name localhost;
        root $demo/site;
        micromint on;                              # prices from NAME.mm files
        location /archive/ { micromint_price 1; }  # a price from the configuration
    }
}
NGINX
# The user of the workers must be able to write the till.
[ "$(id -u)" != 0 ] || sed -i '1i user root;' "$demo/nginx.conf"
run /usr/sbin/nginx -q -t -c "$demo/nginx.conf" -e "$demo/error.log"
run /usr/sbin/nginx -c "$demo/nginx.conf" -e "$demo/error.log"
for _ in $(seq 50); do
    curl -fs -o /dev/null "$site/" && break
    sleep 0.1
done

step "4. Free pages are free, a paid page answers 402"
run curl -fsS "$site/"
run curl -fsS "$site/free/about.html"
run curl -sS -i -H 'Accept: application/x-micromint' "$site/paid/long.html"
status=$(curl -s -o /dev/null -w '%{http_code}' "$site/archive/1998.html")
[ "$status" = 402 ] || fail "expected status 402, found $status"

step "5. The reader pays"
cp "$demo/client/alice.wallet" "$demo/client/copy.wallet"
wallet price "$site/paid/long.html"
echo "\$ mmwallet get --autopay 2 $site/paid/long.html"
wallet get --autopay 2 "$site/paid/long.html" | tee "$demo/long.out"
grep -q 'The long read' "$demo/long.out" || fail "the paid page was not returned"
echo "\$ mmwallet get --autopay 1 $site/archive/1998.html"
wallet get --autopay 1 "$site/archive/1998.html"

step "6. An old copy of the wallet tries to spend the same coins again: refused"
copy=$demo/client/copy.wallet
if "$bin/mmwallet" --wallet "$copy" get --autopay 1 "$site/archive/1998.html"; then
    fail "a coin was spent twice"
fi

step "7. The vendor redeems at the broker"
# A batch holds payments older than ten minutes: until then a payment may still be reversed.
# The demo does not wait: it redeems as of tomorrow.
later=$(date -u -d '+1 day' +%Y-%m-%dT%H:%M:%SZ)
cd "$demo/vendor"
vendor() {
    "$bin/mmvendor" "$@" --config "$demo/vendor/micromint.toml" --as-of "$later"
}
vendor redeem --out batch.mm
run "$bin/mmredeem" --coinfile "$demo/broker/$period.coins" --out result.mm batch.mm
vendor result result.mm

step "8. The accounts"
run "$bin/mmbroker" account --coinfile "$demo/broker/$period.coins" localhost
run "$bin/printwallet" --wallet "$demo/client/alice.wallet"

stop_nginx
printf '\n\033[1mDone.\033[0m All files are in .demo/\n'
