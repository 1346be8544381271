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
# give the same bytes: the tools are pinned in extension/package-lock.json, the core's libraries in
# extension/core/Cargo.lock, and no path of this machine is in the output. The order of functions in
# core.wasm depends on the folder in which it is built, so it is built in the same one everywhere,
# $place, from nothing each time. Only the compiler from Debian is kept there. The packages are built
# with that compiler; where there is no apt-get, with rustup's, and core.wasm is larger.
set -eu
cd "$(dirname "$0")/.."
root=$PWD place=/var/tmp/micromint-extension
profile=release folder=release granted=
case ${1:-} in
    "") ;;
    --for-tests) profile=dev folder=debug granted=--granted ;;
    *) echo "usage: $0 [--for-tests]" >&2; exit 2 ;;
esac

[ -e extension/node_modules/.package-lock.json ] ||
    npm --prefix extension ci --ignore-scripts --no-audit --no-fund --loglevel=error
# esbuild's program comes as an optional package for this machine, without a script of its own.

# Copies what the core is built from to $place, which this user must own.
copy_sources() {
    mkdir -p -m 700 $place
    [ -O $place ] && [ ! -L $place ] || {
        echo "$0: expected $place to be a folder of this user: remove it, or build as its owner" >&2
        exit 1
    }
    exec 9>$place/lock
    flock 9
    # The compiler of an earlier build, from there or from here.
    rm -rf $place/compiler
    for kept in $place/source/target/wasm-toolchain target/wasm-toolchain; do
        [ ! -e $kept/unpacked ] || [ -e $place/compiler ] ||
            cp -al $kept $place/compiler 2>/dev/null || cp -a $kept $place/compiler
    done
    rm -rf $place/source
    mkdir -p $place/source/target $place/source/extension/core $place/source/scripts
    [ ! -e $place/compiler ] || mv $place/compiler $place/source/target/wasm-toolchain
    cp -R Cargo.toml Cargo.lock micromint $place/source
    cp -R extension/core/Cargo.toml extension/core/Cargo.lock extension/core/src \
        $place/source/extension/core
    cp scripts/wasm-cargo.sh $place/source/scripts
}

sources=$root
if [ $profile = release ]; then
    copy_sources
    sources=$place/source
    export WASM_SMALL=1
    ! command -v apt-get >/dev/null || export WASM_FROM_DEBIAN=1
fi
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--remap-path-prefix=$sources=/micromint \
--remap-path-prefix=$cargo_home=/cargo"
out=extension/build
[ -z "$granted" ] || out=$out/tests
mkdir -p $out
compiler=$(cd "$sources/extension/core" &&
    "$sources/scripts/wasm-cargo.sh" --locked --lib --profile $profile)
echo "$compiler" | tee $out/compiler
# The source package for the stores has this file.
[ ! -e compiler ] || [ "$(cat compiler)" = "$compiler" ] ||
    echo "core.wasm was built $(cat compiler) for the stores, so it has other bytes there" >&2
core=$sources/extension/core/target/wasm32-unknown-unknown/$folder/micromint_extension.wasm
cp "$core" $out/core.wasm
[ $profile = dev ] ||
    echo "core.wasm: $(wc -c <"$core") bytes, $(gzip -9 -c "$core" | wc -c) compressed"
node extension/build.mjs $granted
[ -z "$granted" ] || exit 0
(cd $out && sha256sum core.wasm micromint-chromium.zip micromint-firefox.zip)
