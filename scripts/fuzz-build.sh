#!/bin/sh
# Builds every fuzz target with libFuzzer's instrumentation, as `cargo fuzz build` does, but with
# the stable compiler. With a number of seconds, optimizes them and then runs each target for that
# long, from its seeds.
#   scripts/fuzz-build.sh              build only, without optimization
#   scripts/fuzz-build.sh 60           and run every target for a minute
#   scripts/fuzz-build.sh 60 wallet    and run the named targets only
set -eu
cd "$(dirname "$0")/../fuzz"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions"
# With --target, the flags above do not apply to build scripts and macros.
if [ $# = 0 ]; then
    exec cargo build --bins --target "$host"
fi
RUSTFLAGS="$RUSTFLAGS -Ccodegen-units=1" cargo build --release --bins --target "$host"
seconds=$1
shift
# shellcheck disable=SC2046 # names without spaces
[ $# -gt 0 ] || set -- $(basename -s .rs fuzz_targets/*.rs)
for name in "$@"; do
    mkdir -p "corpus/$name"
    "${CARGO_TARGET_DIR:-target}/$host/release/$name" -max_total_time="$seconds" -max_len=70000 \
        "corpus/$name" "seeds/$name"
done
