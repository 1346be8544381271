#!/bin/sh
# Links the shared C library from the static one. rustc would write a version script of its own, and the linker
# takes only one: ours (micromint-ffi/micromint.map) gives each symbol its version.
#   scripts/link-c.sh target/release    reads libmicromint.a there and writes libmicromint.so.VERSION and its links
set -eu
folder=$1
cd "$(dirname "$0")/.."
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# What programs ask the loader for. While the major version is 0, each minor version may break with the one before.
number=${version%%.*}
[ "$number" != 0 ] || number=${version%.*}

"${CC:-cc}" -shared -o "$folder/libmicromint.so.$version.new" \
    -Wl,--whole-archive "$folder/libmicromint.a" -Wl,--no-whole-archive \
    -Wl,-soname,"libmicromint.so.$number" -Wl,--version-script=micromint-ffi/micromint.map \
    -Wl,--gc-sections -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -lgcc_s -lpthread -ldl -lm
# A new file in place of the old one: a program that runs keeps the one that it has mapped.
mv -f "$folder/libmicromint.so.$version.new" "$folder/libmicromint.so.$version"
ln -sf "libmicromint.so.$version" "$folder/libmicromint.so.$number"
ln -sf "libmicromint.so.$number" "$folder/libmicromint.so"
