#!/bin/bash
# Builds and runs every example in C, and the Python package, with an installed library:
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

# The whole payment cycle in C, with the installed broker. Its programs are installed where they were
# built (BROKER=yes).
mkdir "$folder/cycle"
"${compile[@]}" examples/cycle.c -o "$folder/whole" "${libs[@]}"
[ ! -x "$1/opt/mm/bin/mmbroker" ] || says "minted a test period
alice has coins
without a payment: 402
with a payment: paid
redeemed: 1 of 1" env PATH="$1/opt/mm/bin:$PATH" "$folder/whole" "$folder/cycle"

# A vendor and a broker with a period that is valid today, for Python.
world=$folder/world bin=$1/opt/mm/bin
mkdir -p "$world/periods"
day() { date -u -d "$1 days" +%Y-%m-%dT00:00:00Z; }
"$bin/coinmint" init --profile test --weak --period today --start "$(day -1)" \
    --expiration "$(day +2)" --broker https://broker.example/ -o "$world/mint.toml" >/dev/null
"$bin/coinmint" mint "$world/mint.toml" >/dev/null 2>&1
"$bin/coinmint" params "$world/mint.toml" -o "$world/periods/today.params" >/dev/null
"${CARGO:-cargo}" run --quiet --package micromint --example sell -- "$world/today.coins" python python-2
cat > "$world/vendor.toml" <<'TOML'
vendor-id = "news.example"
origins = ["https://news.example", "http://news.example"]
periods = "periods"
till = "till"
receipt-time = 3600
TOML

# Python: the package as pip installs it, in a virtual environment. The other bindings are tested by
# scripts/test-bindings.sh.
python=$(command -v /usr/bin/python3 || command -v python3)
"$python" -m venv --system-site-packages "$folder/venv"
cp -r bindings/python "$folder/python"
"$folder/venv/bin/pip" install --quiet --no-index --no-build-isolation \
    --disable-pip-version-check "$folder/python"
MICROMINT_LIBRARY=$lib/libmicromint.so WORLD=$world PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=error \
    "$folder/venv/bin/python" -m unittest discover --quiet -s bindings/python/tests
echo "test-examples: C and Python work"
