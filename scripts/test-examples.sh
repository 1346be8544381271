#!/bin/bash
# Builds and runs every example against an installed library:
#   scripts/test-examples.sh ROOT     where `make install PREFIX=/opt/mm DESTDIR=ROOT` put it
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "test-examples: $*" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
lib=$1/opt/mm/lib
params=testdata/periods/2026-12.params

export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$1
[ "$(pkg-config --modversion micromint)" = "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" ] ||
    fail "pkg-config tells another version"
read -ra flags <<<"$(pkg-config --cflags micromint)"
read -ra libs <<<"$(pkg-config --libs micromint)"
read -ra static_libs <<<"$(pkg-config --libs --static micromint)"

# says EXPECTED COMMAND...
says() {
    local said
    said=$(LD_LIBRARY_PATH=$lib "${@:2}") || fail "${*:2} failed"
    [ "$said" = "$1" ] || fail "${*:2} said \"$said\", expected \"$1\""
}

compile=(cc -std=c99 -Wall -Wextra -Wstrict-prototypes -pedantic -Werror "${flags[@]}")
"${compile[@]}" examples/one-coin.c -o "$folder/shared" "${libs[@]}"
"${compile[@]}" examples/one-coin.c -o "$folder/static" "${static_libs[@]/-lmicromint/$lib/libmicromint.a}"
says good "$folder/shared" $params
says good "$folder/static" $params
readelf --version-info "$folder/shared" | grep -q "Name: MICROMINT_" || fail "symbols come without a version"
