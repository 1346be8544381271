#!/bin/sh
# Builds the C library as it is shipped and installs it: header, shared and static library, pkg-config file.
#   PREFIX=/usr/local LIBDIR=$PREFIX/lib DESTDIR= scripts/install-c.sh
set -eu
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
root=${DESTDIR:-}
built=${CARGO_TARGET_DIR:-target}/release
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

"${CARGO:-cargo}" build --quiet --release --package micromint-ffi
# What programs ask the loader for; micromint-ffi/build.rs decides it.
soname=$(objdump -p "$built/libmicromint.so" | sed -n 's/^ *SONAME *//p')

install -D -m 644 include/micromint.h "$root$prefix/include/micromint.h"
install -D -m 644 "$built/libmicromint.a" "$root$libdir/libmicromint.a"
install -D -m 755 "$built/libmicromint.so" "$root$libdir/libmicromint.so.$version"
ln -sf "libmicromint.so.$version" "$root$libdir/$soname"
ln -sf "$soname" "$root$libdir/libmicromint.so"
mkdir -p "$root$libdir/pkgconfig"
sed -e "s|@PREFIX@|$prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@VERSION@|$version|" micromint-ffi/micromint.pc.in \
    > "$root$libdir/pkgconfig/micromint.pc"
