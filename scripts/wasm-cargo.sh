#!/bin/sh
# Runs `cargo build` for wasm32-unknown-unknown, with the arguments given.
#   scripts/wasm-cargo.sh -p micromint --release
#
# Uses rustup's target if it is installed (`rustup target add wasm32-unknown-unknown`). Otherwise
# the compiler and the source of the standard library come from Debian (rustc-web, rust-web-src).
# They are unpacked under target/ and not installed, so this needs no root and does not disturb
# rustup. WASM_FROM_DEBIAN=1 uses Debian's in any case.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
CARGO=${CARGO:-cargo}
triple=wasm32-unknown-unknown
toolchain=$root/target/wasm-toolchain

has_rustup_target() {
    [ -z "${WASM_FROM_DEBIAN:-}" ] && [ -d "$(rustc --print target-libdir --target $triple 2>/dev/null)" ]
}

unpack_debian_toolchain() {
    [ ! -e "$toolchain/complete" ] || return 0
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
        "libstd-rust-web-dev=$version" "libstd-rust-web-$release=$version" "$llvm" libz3-4)
    for package in "$toolchain"/debs/*.deb; do
        dpkg-deb --extract "$package" "$toolchain"
    done
    rm -r "$toolchain/debs"
    touch "$toolchain/complete"
}

# The linker comes with rustup's Rust, or from Debian's lld.
wasm_linker() {
    found=$(find "$(rustc --print sysroot)" -name rust-lld -type f | head -n 1)
    [ -n "$found" ] || found=$(command -v wasm-ld wasm-ld-14 wasm-ld-19 | head -n 1)
    [ -n "$found" ] || { echo "expected rust-lld or wasm-ld (Debian: lld)" >&2; exit 1; }
    echo "$found"
}

if has_rustup_target; then
    echo "with the target of $(rustc --version)"
    exec "$CARGO" build --quiet --target $triple "$@"
fi
unpack_debian_toolchain
LD_LIBRARY_PATH=$(dirname "$(find "$toolchain/usr/lib" -name 'libLLVM*.so*' | head -n 1)")
RUSTC=$toolchain/usr/bin/rustc
CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(wasm_linker)
export LD_LIBRARY_PATH RUSTC CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
# -Zbuild-std is not stable.
export RUSTC_BOOTSTRAP=1
echo "with $("$RUSTC" --version) from Debian"
exec "$CARGO" build --quiet --target $triple -Zbuild-std=std,panic_abort "$@"
