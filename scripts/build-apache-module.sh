#!/bin/bash
# Builds the Apache module for the Apache 2.4 that is installed here, into target/apache/.
#
#   scripts/build-apache-module.sh              target/apache/mod_micromint.so
#   scripts/build-apache-module.sh --for-tests  target/apache/test/..., which panics on request, for the tests
#   scripts/build-apache-module.sh --lint       nothing; warns of what a lint of the workspace, without headers, does not see
#
# The headers are those of Debian's package apache2-dev, found by apxs and apr-1-config. Others:
#   APACHE_INCLUDE_DIR=/opt/httpd/include APR_INCLUDE_DIR=/opt/apr/include/apr-1 scripts/build-apache-module.sh
# One module serves every Apache 2.4 with these headers' version or a later one. Quick when nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$PWD/target/apache
features=module
lint=
place=$out
for argument in "$@"; do
    case $argument in
        --for-tests) features=test-panic place=$out/test ;;
        --lint) lint=1 features=test-panic ;;
        *) echo "usage: $0 [--for-tests | --lint]" >&2; exit 2 ;;
    esac
done
mkdir -p "$place"
[ -z "$lint" ] || exec cargo clippy --quiet --package mod_micromint --features "$features" -- -D warnings
cargo build --release --quiet --package mod_micromint --features "$features"
cmp -s target/release/libmod_micromint.so "$place/mod_micromint.so" || {
    # A new file in place of the old one: a running Apache keeps the one that it has mapped.
    cp target/release/libmod_micromint.so "$place/.new.so"
    mv -f "$place/.new.so" "$place/mod_micromint.so"
}
echo "$place/mod_micromint.so"
