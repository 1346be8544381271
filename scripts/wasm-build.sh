#!/bin/sh
# Builds the core for wasm32-unknown-unknown with the roles of a browser's wallet (wallet, mint) and
# an example wallet, and runs the wallet if node is installed.
#   scripts/wasm-build.sh           without optimization, which builds fast
#   scripts/wasm-build.sh --small   as small as a web page needs it, and prints the size
#
# Uses rustup's target if it is installed (`rustup target add wasm32-unknown-unknown`). Otherwise
# the compiler and the source of the standard library come from Debian (rustc-web, rust-web-src).
# They are unpacked under target/ and not installed, so this needs no root and does not disturb
# rustup.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
triple=wasm32-unknown-unknown
toolchain=$PWD/target/wasm-toolchain
profile=dev
library=target/$triple/debug/examples/wasm_check.wasm
case ${1:-} in
    "") ;;
    --small) profile=release library=target/$triple/release/examples/wasm_check.wasm ;;
    *) echo "usage: $0 [--small]" >&2; exit 2 ;;
esac

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
    build() { "$CARGO" build --quiet --profile $profile --target $triple "$@"; }
else
    unpack_debian_toolchain
    LD_LIBRARY_PATH=$(dirname "$(find "$toolchain/usr/lib" -name 'libLLVM*.so*' | head -n 1)")
    RUSTC=$toolchain/usr/bin/rustc
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$(wasm_linker)
    export LD_LIBRARY_PATH RUSTC CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
    # -Zbuild-std is not stable.
    export RUSTC_BOOTSTRAP=1
    echo "with $("$RUSTC" --version) from Debian"
    build() {
        "$CARGO" build --quiet --profile $profile --target $triple -Zbuild-std=std,panic_abort "$@"
    }
fi

export CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_DEV_PANIC=abort
export CARGO_PROFILE_RELEASE_OPT_LEVEL=s CARGO_PROFILE_RELEASE_LTO=fat
export CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_STRIP=symbols
# The example needs simulated-host too. That feature only adds modules, so this also proves that the
# library builds without it; check-features.sh lints the two roles alone.
build -p micromint --example wasm-check --no-default-features --features wallet,mint,simulated-host
[ $profile = dev ] ||
    echo "$library: $(wc -c <"$library") bytes, $(gzip -9 -c "$library" | wc -c) compressed"

if command -v node >/dev/null; then
    node -e '
        const bytes = require("fs").readFileSync(process.argv[1]);
        WebAssembly.instantiate(bytes).then(({ instance }) => {
            const step = instance.exports.wasm_check();
            if (step !== 0) throw new Error("the wallet failed in step " + step);
            console.log("the wallet received coins and paid");
        }).catch((error) => { console.error(error.message); process.exit(1); });
    ' "$library"
else
    echo "not run: there is no node"
fi
