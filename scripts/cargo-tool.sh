#!/bin/sh
# Prints the path of a program from crates.io. Builds it first if this version is not there yet:
#   scripts/cargo-tool.sh cargo-deny 0.20.2 [OPTIONS of cargo install]
# Building takes minutes. The programs are stored outside of this folder, in
# $XDG_CACHE_HOME/micromint.
set -eu
name=$1 version=$2
shift 2
root=${XDG_CACHE_HOME:-$HOME/.cache}/micromint/$name-$version
if [ ! -x "$root/bin/$name" ]; then
    echo "cargo-tool: building $name $version in $root" >&2
    "${CARGO:-cargo}" install --quiet --locked --root "$root" --version "$version" "$@" "$name" >&2
fi
echo "$root/bin/$name"
