#!/bin/sh
# Checks that the core builds without warnings with each of its features alone, with none, and as each
# crate of the workspace asks for it by itself. A build of the whole workspace shows none of that, since
# cargo then turns on the features that any crate wants.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}

# Clippy, so that `make lint` can share what it builds. The library alone: its tests want all roles.
check() { "$CARGO" clippy --quiet "$@" -- -D warnings; }

for features in "" mint broker wallet vendor wallet,mint; do
    echo "micromint with ${features:-no feature}"
    check -p micromint --lib --no-default-features --features "$features"
done

for crate in coinmint mmwallet mmbroker mmvendorredeem micromint-console; do
    echo "$crate by itself"
    check -p "$crate"
done
