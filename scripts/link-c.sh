#!/bin/sh
# Links the shared C library from the static one. rustc would add a version script of its own, and
# the linker accepts only one. Ours (micromint-ffi/micromint.map) gives each symbol its version.
#   scripts/link-c.sh target/release    reads libmicromint.a there,
#                                       writes libmicromint.so.VERSION and its links
set -eu
folder=$1
cd "$(dirname "$0")/.."
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The version in the soname. While the major version is 0, each minor version may be incompatible
# with the one before.
number=${version%%.*}
[ "$number" != 0 ] || number=${version%.*}

"${CC:-cc}" -shared -o "$folder/libmicromint.so.$version.new" \
    -Wl,--whole-archive "$folder/libmicromint.a" -Wl,--no-whole-archive \
    -Wl,-soname,"libmicromint.so.$number" -Wl,--version-script=micromint-ffi/micromint.map \
    -Wl,--gc-sections -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -lgcc_s -lpthread -ldl -lm
# Rename a new file over the old one: a running program keeps the file that it has mapped.
mv -f "$folder/libmicromint.so.$version.new" "$folder/libmicromint.so.$version"
ln -sf "libmicromint.so.$version" "$folder/libmicromint.so.$number"
ln -sf "libmicromint.so.$number" "$folder/libmicromint.so"
