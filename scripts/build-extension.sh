#!/bin/sh
# Builds the browser extension from nothing: extension/build/{chromium,firefox} and the packages
# micromint-{chromium,firefox}.zip beside them.
#   scripts/build-extension.sh             for the stores
#   scripts/build-extension.sh --for-tests in extension/build/tests: the core without optimization,
#                                          which builds fast, and access to all sites granted when
#                                          it is installed
# scripts/extension-source.sh --prove compares it with a build elsewhere.
#
# It needs Rust, node and npm (scripts/setup.sh extension). The same source and the same compiler
# give the same bytes, but for the order of functions in core.wasm, which depends on the folder: the
# tools are pinned in extension/package-lock.json, the core's libraries in extension/core/Cargo.lock,
# and no path of this machine is in the output.
set -eu
cd "$(dirname "$0")/.."
root=$PWD
profile=release folder=release granted=
case ${1:-} in
    "") ;;
    --for-tests) profile=dev folder=debug granted=--granted ;;
    *) echo "usage: $0 [--for-tests]" >&2; exit 2 ;;
esac

[ -e extension/node_modules/.package-lock.json ] ||
    npm --prefix extension ci --ignore-scripts --no-audit --no-fund --loglevel=error
# esbuild's program comes as an optional package for this machine, without a script of its own.

cargo_home=${CARGO_HOME:-$HOME/.cargo}
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--remap-path-prefix=$root=/micromint \
--remap-path-prefix=$cargo_home=/cargo"
(cd extension/core && "$root/scripts/wasm-cargo.sh" --locked --lib --profile $profile)
core=extension/core/target/wasm32-unknown-unknown/$folder/micromint_extension.wasm
out=extension/build
[ -z "$granted" ] || out=$out/tests
mkdir -p $out
cp "$core" $out/core.wasm
[ $profile = dev ] ||
    echo "core.wasm: $(wc -c <"$core") bytes, $(gzip -9 -c "$core" | wc -c) compressed"
node extension/build.mjs $granted
[ -z "$granted" ] || exit 0
(cd $out && sha256sum core.wasm micromint-chromium.zip micromint-firefox.zip)
