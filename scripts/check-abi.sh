#!/bin/sh
# Compares the binary interface that the header describes with the committed one,
# micromint-ffi/micromint.abi: functions with the versions of their symbols, the types of their
# parameters, the numbers of the enums.
#   scripts/check-abi.sh            fails if anything differs, and says what
#   scripts/check-abi.sh --write    writes micromint-ffi/micromint.abi, if the change is intended
#
# abidw reads debug information. That of the library itself differs with every compiler: it lists the
# parts of Rust's standard library by their hashes, and Rust's names of types. So abidw reads a C
# library without content, made from the header. That the header is the one of the source, and that
# the library exports exactly its functions, is tested in micromint-ffi/tests/.
set -eu
cd "$(dirname "$0")/.."

committed=micromint-ffi/micromint.abi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
number=${version%%.*}
[ "$number" != 0 ] || number=${version%.*}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# Each declaration of a function becomes a definition.
{
    printf '#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n'
    awk 'BEGIN { RS = ";"; }
        /^[[:space:]]*$/ { next }
        /typedef|enum [a-z_]* *{|enum *{/ { print $0 ";"; next }
        /^[[:space:]]*void micromint_/ { print $0 " {}"; next }
        { print $0 " { return 0; }" }' include/micromint.ffi.h
} > "$made/micromint.c"
(cd "$made" && ${CC:-cc} -std=c99 -g -O0 -fPIC -shared -nostdlib -o libmicromint.so micromint.c \
    -Wl,-soname,"libmicromint.so.$number" -Wl,--version-script="$OLDPWD/micromint-ffi/micromint.map")
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-architecture \
    "$made/libmicromint.so" > "$made/micromint.abi"

if [ "${1:-}" = --write ]; then
    cp "$made/micromint.abi" "$committed"
    exit 0
fi
if ! abidiff "$committed" "$made/micromint.abi" > "$made/difference"; then
    cat "$made/difference" >&2
    echo "check-abi: $committed is another interface than include/micromint.h. If the change is" \
        "intended, run scripts/check-abi.sh --write" >&2
    exit 1
fi
