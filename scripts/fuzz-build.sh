#!/bin/sh
# Builds every fuzz target with libFuzzer's instrumentation, as `cargo fuzz build` does, on the stable
# compiler. With a number of seconds, runs each of them that long over its seeds:
#   scripts/fuzz-build.sh          build only (CI)
#   scripts/fuzz-build.sh 60       and fuzz each for a minute
set -eu
cd "$(dirname "$0")/../fuzz"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions"
# With --target, build scripts and macros stay free of the flags above.
cargo build --release --bins --target "$host"
[ $# -eq 0 ] && exit 0
for target in fuzz_targets/*.rs; do
    name=$(basename "$target" .rs)
    mkdir -p "corpus/$name"
    "target/$host/release/$name" -max_total_time="$1" -max_len=70000 "corpus/$name" "seeds/$name"
done
