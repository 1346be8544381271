#!/bin/sh
# Runs `cargo build` for wasm32-unknown-unknown, with the arguments given.
#   scripts/wasm-cargo.sh -p micromint --release
#
# Uses rustup's target if it is installed (`rustup target add wasm32-unknown-unknown`). Otherwise
# the compiler and the source of the standard library come from Debian (rustc-web, rust-web-src).
# They are unpacked under target/ and not installed, so this needs no root and does not disturb
# rustup. WASM_FROM_DEBIAN=1 uses Debian's in any case. With WASM_SMALL=1, the standard library from
# Debian's source is built for size too, and a panic stops at once, without putting together a
# message that nothing would show.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
CARGO=${CARGO:-cargo}
triple=wasm32-unknown-unknown
toolchain=$root/target/wasm-toolchain

has_rustup_target() {
    [ -z "${WASM_FROM_DEBIAN:-}" ] && [ -d "$(rustc --print target-libdir --target $triple 2>/dev/null)" ]
}

unpack_debian_toolchain() {
    [ ! -e "$toolchain/unpacked" ] || return 0
    command -v apt-get >/dev/null || {
        echo "expected rustup's target $triple or apt-get: run rustup target add $triple" >&2
        exit 1
    }
    mkdir -p "$toolchain/debs"
    # The versions must match: this compiler builds the standard library from its own source.
    version=$(apt-cache policy rust-web-src | sed -n 's/^ *Candidate: //p')
    release=$(echo "$version" | cut -d. -f1-2)
    llvm=$(apt-cache depends "libstd-rust-web-$release" | sed -n 's/.*Depends: \(libllvm[0-9]*\)$/\1/p')
    (cd "$toolchain/debs" && apt-get -qq download "rustc-web=$version" "rust-web-src=$version" \
        "libstd-rust-web-dev=$version" "libstd-rust-web-$release=$version" "$llvm" \
        "lld-${llvm#libllvm}" libz3-4)
    for package in "$toolchain"/debs/*.deb; do
        dpkg-deb --extract "$package" "$toolchain"
    done
    rm -r "$toolchain/debs"
    touch "$toolchain/unpacked"
}

if has_rustup_target; then
    echo "with the target of $(rustc --version)"
    exec "$CARGO" build --quiet --target $triple "$@"
fi
unpack_debian_toolchain
LD_LIBRARY_PATH=$(dirname "$(find "$toolchain/usr/lib" -name 'libLLVM*.so*' | head -n 1)")
RUSTC=$toolchain/usr/bin/rustc
# The linker of the same release: another one writes other bytes.
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(find "$toolchain/usr/lib" -name wasm-ld | head -n 1)
export LD_LIBRARY_PATH RUSTC CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
# -Zbuild-std is not stable.
export RUSTC_BOOTSTRAP=1
echo "with $("$RUSTC" --version) from Debian"
set -- -Zbuild-std=std,panic_abort "$@"
if [ -n "${WASM_SMALL:-}" ]; then
    set -- -Zbuild-std-features=optimize_for_size "$@"
    flags=${CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS:-}
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="$flags -Zunstable-options -Cpanic=immediate-abort"
fi
exec "$CARGO" build --quiet --target $triple "$@"
