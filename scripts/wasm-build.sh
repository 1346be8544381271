#!/bin/sh
# Builds the core for wasm32-unknown-unknown with the roles of a browser's wallet (wallet, mint) and
# an example wallet, and runs the wallet if node is installed.
#   scripts/wasm-build.sh           without optimization, which builds fast
#   scripts/wasm-build.sh --small   as small as a web page needs it, and prints the size
#
# scripts/wasm-cargo.sh says which compiler it uses.
set -eu
cd "$(dirname "$0")/.."
profile=dev
library=${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/debug/examples/wasm_check.wasm
case ${1:-} in
    "") ;;
    --small)
        profile=release
        library=${CARGO_TARGET_DIR:-target}/wasm32-unknown-unknown/release/examples/wasm_check.wasm ;;
    *) echo "usage: $0 [--small]" >&2; exit 2 ;;
esac

export CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false CARGO_PROFILE_DEV_PANIC=abort
export CARGO_PROFILE_RELEASE_OPT_LEVEL=s CARGO_PROFILE_RELEASE_LTO=fat
export CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_STRIP=symbols
# The example needs simulated-host too. That feature only adds modules, so this also proves that the
# library builds without it; check-features.sh lints the two roles alone.
scripts/wasm-cargo.sh --profile $profile -p micromint --example wasm-check --no-default-features \
    --features wallet,mint,simulated-host
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
