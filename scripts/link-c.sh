#!/bin/sh
# Links the shared C library from the static one. rustc would add a version script of its own, and
# the linker accepts only one. Ours (micromint-ffi/micromint.map) gives each symbol its version.
# Then hides everything but the exported functions in the static library, so that a program can link
# it together with another Rust library.
#   scripts/link-c.sh target/release    reads libmicromint.a there, writes libmicromint.so.VERSION
#                                       with its links and its debug information
#                                       (libmicromint.so.VERSION.debug), and replaces libmicromint.a
set -eu
folder=$1
cd "$(dirname "$0")/.."
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
# The version in the soname. While the major version is 0, each minor version may be incompatible
# with the one before.
number=${version%%.*}
[ "$number" != 0 ] || number=${version%.*}

cc=${CC:-cc}
objcopy=${OBJCOPY:-objcopy}
shared=libmicromint.so.$version

"$cc" -shared -o "$folder/$shared.new" \
    -Wl,--whole-archive "$folder/libmicromint.a" -Wl,--no-whole-archive \
    -Wl,-soname,"libmicromint.so.$number" -Wl,--version-script=micromint-ffi/micromint.map \
    -Wl,--gc-sections -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -lgcc_s -lpthread -ldl -lm
"$objcopy" --only-keep-debug "$folder/$shared.new" "$folder/$shared.debug"
"$objcopy" --strip-unneeded --add-gnu-debuglink="$folder/$shared.debug" "$folder/$shared.new"
# Rename a new file over the old one: a running program keeps the file that it has mapped.
mv -f "$folder/$shared.new" "$folder/$shared"
ln -sf "$shared" "$folder/libmicromint.so.$number"
ln -sf "libmicromint.so.$number" "$folder/libmicromint.so"

# One object, whose own references are resolved before their names are hidden. Without section groups:
# of two libraries with the same group the linker would keep one, whose names are hidden here.
"$cc" -r -nostdlib -Wl,--force-group-allocation -o "$folder/libmicromint.o" \
    -Wl,--whole-archive "$folder/libmicromint.a" -Wl,--no-whole-archive
# Joined pieces of bitcode are not bitcode, and `ar` would fail on them.
"$objcopy" --wildcard --keep-global-symbol='micromint_*' \
    --remove-section=.llvmbc --remove-section=.llvmcmd "$folder/libmicromint.o"
rm -f "$folder/libmicromint.a.new"
"${AR:-ar}" rcs "$folder/libmicromint.a.new" "$folder/libmicromint.o"
mv -f "$folder/libmicromint.a.new" "$folder/libmicromint.a"
rm "$folder/libmicromint.o"
