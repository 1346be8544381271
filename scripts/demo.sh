#!/bin/bash
# The whole life of coins with the real programs and a real nginx on loopback ports: a broker with
# its pages, a reader who registers, pays in with a voucher, buys and pays for pages, a vendor who
# is credited and paid out, and what the operator sees.
# All files are in .demo/, which is emptied first and kept at the end for inspection.
#   MICROMINT_BIN           the folder of the programs, default target/release
#   MICROMINT_DEMO_PROFILE  the size of the period, default demo
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
demo=$root/.demo
bin=${MICROMINT_BIN:-$root/target/release}
module=${NGINX_MODULE:-$root/target/nginx/ngx_http_micromint_module.so}
profile=${MICROMINT_DEMO_PROFILE:-demo}
service=

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
told() { printf '\033[2m%s\033[0m\n' "$*"; }
run() { told "\$ $*"; "$@"; }
fail() { echo "demo: $*" >&2; exit 1; }
# Waits until a command succeeds; WHAT, then the command.
until_so() {
    local what=$1
    shift
    for _ in $(seq 600); do
        if "$@"; then return; fi
        sleep 0.1
    done
    fail "waited a minute until $what"
}

end() {
    [ ! -s "$demo/nginx.pid" ] || kill "$(cat "$demo/nginx.pid")" 2>/dev/null || true
    [ -z "$service" ] || { kill "$service" 2>/dev/null && wait "$service"; } || true
}
trap end EXIT

[ -f "$module" ] || fail "no $module: run 'make nginx-module' first"
for program in coinmint mmbroker mmbrokerd mmvendor mmwallet; do
    [ -x "$bin/$program" ] || fail "no $bin/$program: run 'make demo', which builds it"
done
umask 077
rm -rf "$demo"
mkdir -p "$demo"/{site/free,site/paid,site/archive,vendor/periods,client}

# --- A person with a browser: the pages need no JavaScript, so curl with cookies is one.

page() { curl -fsS -b "$demo/$1.cookies" -c "$demo/$1.cookies" "$broker$2"; }
# The value of a field in the HTML on standard input; the first code; names and values.
field() { sed -n "s/.*name=\"$1\" value=\"\([^\"]*\)\".*/\1/p" | sed -n 1p; }
code() { sed -n 's|.*<code>\([^<]*\).*|\1|p' | sed -n 1p; }
facts() {
    sed -n 's|.*<dt>\(.*\)</dt><dd>\(.*\)</dd>.*|\1\t\2|p' |
        awk -F '\t' '{printf "  %-24s %s\n", $1, $2}'
}
# Sends a form: PERSON PATH FIELD=VALUE...
submit() {
    local who=$1 path=$2 each data=()
    shift 2
    for each in "$@"; do data+=(--data-urlencode "$each"); done
    told "($who sends the form $path)" >&2
    curl -fsSL -b "$demo/$who.cookies" -c "$demo/$who.cookies" "${data[@]}" "$broker$path"
}
# The same with the token of the person's session.
send() {
    local who=$1 token
    token=$(page "$who" /account | field token)
    submit "$@" "token=$token"
}
log_in() { submit "$1" /login "user=$1" "password=$2" >"$demo/page.html"; }
password() { sed -n "s/^  log in as $1 *with //p" "$demo/broker.log"; }

step "1. A broker: a period is minted, and the service begins (mmbrokerd demo)"
told "\$ mmbrokerd demo --folder .demo/broker"
"$bin/mmbrokerd" demo --folder "$demo/broker" --listen 127.0.0.1:0 --profile "$profile" \
    >"$demo/broker.log" &
service=$!
until grep -q '^mmbrokerd: listening' "$demo/broker.log"; do
    kill -0 "$service" 2>/dev/null || fail "mmbrokerd ended"
    sleep 0.1
done
cat "$demo/broker.log"
broker=$(sed -n 's/^the pages are at \(.*\)\/$/\1/p' "$demo/broker.log")

step "2. The operator makes vouchers, to be sold at a kiosk"
log_in operator "$(password operator)"
send operator /operator/vouchers name=kiosk amount="5 XTS" count=10 months=12 >"$demo/vouchers.html"
voucher=$(code <"$demo/vouchers.html")
echo "ten codes of 5 XTS, such as $voucher (.demo/vouchers.html)"

step "3. A reader registers, uses a voucher, and buys coins with a wallet"
page alice /register >"$demo/page.html"
alice=$(field user <"$demo/page.html")
submit alice /register user="$alice" password="alice has a long password" \
    at="$(field at <"$demo/page.html")" seal="$(field seal <"$demo/page.html")" >"$demo/home.html"
echo "the broker calls her $alice"
send alice /voucher code="$voucher" | facts
send alice /account/key id="$(page alice /account | field id)" | code >"$demo/client/key"
wallet() {
    told "\$ mmwallet $*"
    "$bin/mmwallet" --wallet "$demo/client/alice.wallet" "$@"
}
wallet login "$broker" --user "$alice" --key-file "$demo/client/key"
wallet buy --sets 2
wallet balance

step "4. A vendor takes its key from the broker's page, and switches the paywall on in nginx"
log_in vendor "$(password vendor)"
send vendor /vendor/localhost/key password="$(password vendor)" | code >"$demo/vendor/vendor.key"
port=$(python3 -c 'import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1])')
site=http://localhost:$port
echo '<h1>Front page</h1> free to read' >"$demo/site/index.html"
echo '<h1>About us</h1> free to read too' >"$demo/site/free/about.html"
echo '<h1>The long read</h1> costs twenty coins, by long.html.mm' >"$demo/site/paid/long.html"
echo 20 >"$demo/site/paid/long.html.mm"
echo '<h1>From the archive</h1> every page here costs one coin' >"$demo/site/archive/1998.html"
cat >"$demo/vendor/micromint.toml" <<TOML
vendor-id = "localhost"
origins = ["$site"]
periods = "periods"
owners = "required"
till = "till"
TOML
vendor() { "$bin/mmvendor" "$@" --config "$demo/vendor/micromint.toml"; }
told "\$ mmvendor sync --once --broker $broker"
vendor sync --once --broker "$broker"
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
until_so "nginx answers" curl -fs -o /dev/null "$site/"

step "5. Free pages are free, a paid page answers 402"
run curl -fsS "$site/"
run curl -fsS "$site/free/about.html"
run curl -sS -i -H 'Accept: application/x-micromint' "$site/paid/long.html"
status=$(curl -s -o /dev/null -w '%{http_code}' "$site/archive/1998.html")
[ "$status" = 402 ] || fail "expected status 402, found $status"

step "6. The reader pays"
cp "$demo/client/alice.wallet" "$demo/client/copy.wallet"
wallet price "$site/paid/long.html"
wallet get --autopay 20 "$site/paid/long.html" | tee "$demo/long.out"
grep -q 'The long read' "$demo/long.out" || fail "the paid page was not returned"
wallet get --autopay 1 "$site/archive/1998.html"

step "7. An old copy of the wallet tries to spend the same coins again: refused"
if "$bin/mmwallet" --wallet "$demo/client/copy.wallet" get --autopay 1 "$site/archive/1998.html"
then fail "a coin was spent twice"; fi

step "8. The vendor redeems, and is credited"
# A batch holds payments older than ten minutes: until then a payment may still be reversed.
# The demo does not wait: it redeems as of an hour later.
later=$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)
told "\$ mmvendor sync --once --broker $broker --as-of $later"
vendor sync --once --broker "$broker" --as-of "$later"
page vendor /vendor/localhost | facts | grep Balance

step "9. The vendor names a bank account, and the operator pays out"
send vendor /bank vendor=localhost iban=DE89370400440532013000 name="Local News" \
    password="$(password vendor)" | facts | grep "Bank account"
token=$(page operator /operator/payouts | field run)
send operator /operator/payouts currency=XTS run="$token" | facts
echo "the file for the bank (.demo/payout-1.csv):"
page operator /operator/payouts/1/csv | tee "$demo/payout-1.csv"
send operator /operator/payouts/1/paid | facts

step "10. What the operator sees"
page operator /operator | tee "$demo/dashboard.html" | facts
operate() {
    told "\$ mmbroker $*"
    "$bin/mmbroker" --config "$demo/broker/broker.toml" "$@"
}
operate status
operate sums
operate check

end
service=
printf '\n\033[1mDone.\033[0m All files are in .demo/. To look at the pages yourself, start the same\n'
printf 'broker again; it prints new passwords:\n\n    %s demo --folder .demo/broker\n' \
    "${bin#"$root/"}/mmbrokerd"
