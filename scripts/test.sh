#!/bin/sh
# Runs every test that a change must pass (make test), in two lanes side by side, since much of the
# time is one thread that compiles. What is checked but not run has a target folder of its own:
# cargo locks a folder while it builds. Its output, in target/checks.log, is printed at the end.
set -eu
cd "$(dirname "$0")/.."
MAKE=${MAKE:-make}

mkdir -p target
log=target/checks.log
CARGO_TARGET_DIR=$PWD/target/checks "$MAKE" lint wasm fuzz-build > "$log" 2>&1 &
checks=$!
trap 'kill "$checks" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM

status=0
"$MAKE" test-core test-c test-servers test-vectors || status=$?
echo "---- make lint wasm fuzz-build"
wait "$checks" || status=$?
cat "$log"
[ "$status" = 0 ] || echo "make test failed" >&2
exit "$status"
