#!/bin/sh
# Checks that the C library compiles on every supported platform: x86_64 with glibc, which all other
# tests build and run, x86_64 with musl, and aarch64 with glibc.
#   scripts/check-platforms.sh            type-checks the library for musl and for aarch64
#   scripts/check-platforms.sh --build    also builds the static library for musl, links a C program
#                                         with it, and runs that (musl-gcc of Debian's musl-tools)
# Without a target's standard library (rustup target add TARGET) it says so, and checks the others.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
musl=x86_64-unknown-linux-musl
arm=aarch64-unknown-linux-gnu

is_build=
case ${1:-} in
    "") ;;
    --build) is_build=yes ;;
    *) echo "usage: $0 [--build]" >&2; exit 2 ;;
esac

# has TARGET: its standard library is installed, or rustup can install it.
has() {
    [ -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)" ] ||
        rustup target add "$1" >/dev/null 2>&1
}

for target in $musl $arm; do
    if has "$target"; then
        "$CARGO" check --quiet --package micromint-ffi --target "$target"
        echo "check-platforms: the library compiles for $target"
    else
        echo "check-platforms: skipped $target: its standard library is not installed" \
            "(rustup target add $target)"
    fi
done
[ -n "$is_build" ] || exit 0

has $musl || { echo "check-platforms: expected the target $musl" >&2; exit 1; }
"$CARGO" build --quiet --package micromint-ffi --target $musl
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
# Debian's gcc has an unwinder for glibc only; Rust's target brings one for musl.
unwind=$(rustc --print target-libdir --target $musl)/self-contained/libunwind.a
musl-gcc -std=c99 -static -nodefaultlibs -Iinclude examples/one-coin.c -o "$made/one-coin" \
    "${CARGO_TARGET_DIR:-target}/$musl/debug/libmicromint.a" "$unwind" -lc -lgcc
said=$("$made/one-coin" testdata/periods/2026-12.params)
[ "$said" = good ] || { echo "check-platforms: expected \"good\", found \"$said\"" >&2; exit 1; }
echo "check-platforms: a program with the static library for musl runs"
