#!/bin/sh
# Checks that the core builds without warnings with no features, with each feature alone, and with
# the features that each crate of the workspace requests. A build of the whole workspace does not
# check this, because cargo then enables the features of all crates together. A tool by itself also
# checks the core with its one role: mint, wallet or vendor.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}

# Runs clippy, so that `make lint` can reuse the build. Checks only the library: its tests need all
# roles.
check() { "$CARGO" clippy --quiet "$@" -- -D warnings; }

for features in "" broker vendor wallet,mint vendor,simulated-host; do
    echo "micromint with ${features:-no feature}"
    check -p micromint --lib --no-default-features --features "$features"
done

for crate in coinmint mmwallet mmvendor micromint-console; do
    echo "$crate by itself, and the core with its features"
    check -p "$crate"
done
