#!/bin/bash
# Builds and runs every example with an installed library:
#   scripts/test-examples.sh ROOT    after make install PREFIX=/opt/mm DESTDIR=ROOT
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "test-examples: $*" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
lib=$1/opt/mm/lib
params=testdata/periods/2026-12.params

export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$1
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
[ "$(pkg-config --modversion micromint)" = "$version" ] ||
    fail "pkg-config has version $(pkg-config --modversion micromint), expected $version"
read -ra flags <<<"$(pkg-config --cflags micromint)"
read -ra libs <<<"$(pkg-config --libs micromint)"
read -ra static_libs <<<"$(pkg-config --libs --static micromint)"

# says EXPECTED COMMAND...: the command succeeds and prints this.
says() {
    local said
    said=$(LD_LIBRARY_PATH=$lib "${@:2}") || fail "${*:2} failed"
    [ "$said" = "$1" ] || fail "${*:2}: expected \"$1\", found \"$said\""
}

compile=(cc -std=c99 -Wall -Wextra -Wstrict-prototypes -pedantic -Werror "${flags[@]}")
"${compile[@]}" examples/one-coin.c -o "$folder/shared" "${libs[@]}"
static_libs=("${static_libs[@]/-lmicromint/$lib/libmicromint.a}")
"${compile[@]}" examples/one-coin.c -o "$folder/static" "${static_libs[@]}"
says good "$folder/shared" $params
says good "$folder/static" $params
readelf --version-info "$folder/shared" | grep -q "Name: MICROMINT_" ||
    fail "the symbols of the library have no version"

# The whole payment cycle in C, with the installed broker.
mkdir "$folder/cycle"
"${compile[@]}" examples/cycle.c -o "$folder/whole" "${libs[@]}"
says "minted a test period
alice has coins
without a payment: 402
with a payment: paid
redeemed: 1 of 1" env PATH="$1/opt/mm/bin:$PATH" "$folder/whole" "$folder/cycle"

# A vendor and a broker with a period that is valid today, for the other languages.
world=$folder/world bin=$1/opt/mm/bin
mkdir -p "$world/periods"
day() { date -u -d "$1 days" +%Y-%m-%dT00:00:00Z; }
"$bin/coinmint" init --profile test --weak --period today --start "$(day -1)" \
    --expiration "$(day +2)" --broker https://broker.example/ -o "$world/mint.toml" >/dev/null
"$bin/coinmint" mint "$world/mint.toml" >/dev/null 2>&1
"$bin/coinmint" params "$world/mint.toml" -o "$world/periods/today.params" >/dev/null
for user in python python-2 php go; do
    "$bin/mmbroker" withdraw --coinfile "$world/today.coins" --user $user --sets 1 \
        -o "$world/$user.sale" 2>/dev/null
done
cat > "$world/vendor.toml" <<'TOML'
vendor-id = "news.example"
origins = ["https://news.example", "http://news.example"]
periods = "periods"
till = "till"
receipt-time = 3600
TOML

# Python: the package as pip installs it, in a virtual environment.
python=$(command -v /usr/bin/python3 || command -v python3)
"$python" -m venv --system-site-packages "$folder/venv"
cp -r examples/python "$folder/python"
"$folder/venv/bin/pip" install --quiet --no-index --no-build-isolation \
    --disable-pip-version-check "$folder/python"
MICROMINT_LIBRARY=$lib/libmicromint.so WORLD=$world PYTHONPATH=examples/python \
    PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=error \
    "$folder/venv/bin/python" -m unittest --quiet test_micromint

# PHP and Go: a coin, and a server whose page a wallet requests twice, first with a payment, then
# with its receipt.
export MICROMINT_LIBRARY=$lib/libmicromint.so
export MICROMINT_HEADER=$1/opt/mm/include/micromint.h
says "good
bad
881e58b86050a8bc
5: line 1, column 10: period: invalid type: integer \`7\`, expected a string" php examples/php/coin.php $params

read -r php_port go_port <<<"$("$python" -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in "12"]
print(*(it.getsockname()[1] for it in held))')"
origins="\"http://localhost:$php_port\", \"http://localhost:$go_port\""
sed -e 's/news.example"$/localhost"/' -e "s|^origins.*|origins = [$origins]|" \
    "$world/vendor.toml" > "$world/shop.toml"

# buys NAME PORT COMMAND...: starts a server, buys its page, stops the server.
buys() {
    local wallet=(--wallet "$world/$1.mmw") url=http://localhost:$2/story server said gone
    LD_LIBRARY_PATH=$lib "${@:3}" >"$folder/$1.log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        ! curl -s -o /dev/null "$url" || break
        kill -0 $server 2>/dev/null || fail "$1: $(cat "$folder/$1.log")"
        sleep 0.1
    done
    "$bin/mmwallet" "${wallet[@]}" receive "$world/$1.sale" >/dev/null
    for said in paid receipt; do
        said=$("$bin/mmwallet" "${wallet[@]}" get -s --proxy '' --autopay 1 -i "$url") ||
            fail "$1: $(cat "$folder/$1.log")"
        grep -q "^the story" <<<"$said" || fail "$1: expected the story, found: $said"
    done
    # A payment for a page that does not exist is reversed.
    gone=$("$bin/mmwallet" "${wallet[@]}" get --proxy '' --autopay 1 "${url%/story}/gone" \
        2>&1 >/dev/null) && fail "$1: a page that does not exist was served"
    kill $server
    wait $server 2>/dev/null || true
    grep -q "not charged (reversed)" <<<"$gone" || fail "$1: the payment was not reversed: $gone"
    grep -qi "^micromint-status: receipt" <<<"$said" || fail "$1: the receipt was not used: $said"
    grep -qi "^cache-control: private" <<<"$said" || fail "$1: caches may keep a paid page: $said"
    said=$("$bin/mmwallet" "${wallet[@]}" balance)
    grep -q "1 paid" <<<"$said" || fail "$1: expected 1 coin paid, found: $said"
}

VENDOR_CONFIG=$world/shop.toml buys php "$php_port" \
    php -d ffi.enable=true -S "localhost:$php_port" examples/php/story.php

(cd examples/go && GOFLAGS=-mod=mod GOPROXY=off go build -o "$folder/paidpages" . && go vet .)
[ -z "$(gofmt -l examples/go)" ] || fail "run gofmt on examples/go"
buys go "$go_port" "$folder/paidpages" "$world/shop.toml" "localhost:$go_port"
echo "test-examples: C, Python, PHP and Go work"
