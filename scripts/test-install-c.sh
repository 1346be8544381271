#!/bin/sh
# Installs the C library into an empty folder and builds and runs the example against what lies there.
set -eu
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
period=testdata/periods/2026-12.params

# The libraries that the C tests built are used again; only the library itself is made anew.
CARGO_TARGET_DIR=target/tmp/c PREFIX=/opt/mm DESTDIR="$folder" scripts/install-c.sh
libdir=$folder/opt/mm/lib
if nm -D "$libdir/libmicromint.so" | grep -q micromint_test; then
    echo "test-install-c: the installed library holds functions of the tests" >&2
    exit 1
fi

export PKG_CONFIG_PATH="$libdir/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$folder"
test "$(pkg-config --modversion micromint)" = "$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
# shellcheck disable=SC2046 # a list of words
cc -std=c99 -Wall -Wextra -Werror examples/one-coin.c -o "$folder/shared" $(pkg-config --cflags --libs micromint)
# shellcheck disable=SC2046
cc -std=c99 -Wall -Wextra -Werror examples/one-coin.c -o "$folder/static" $(pkg-config --cflags micromint) \
    "$libdir/libmicromint.a" -lpthread -ldl -lm
for said in "$(LD_LIBRARY_PATH=$libdir "$folder/shared" $period)" "$("$folder/static" $period)"; do
    if [ "$said" != good ]; then
        echo "test-install-c: the example said \"$said\", expected \"good\"" >&2
        exit 1
    fi
done
echo "the installed library checks a coin: shared and static"
