#!/bin/bash
# Builds the Apache module for the Apache 2.4 that is installed here, into target/apache/.
#
#   scripts/build-apache-module.sh              target/apache/mod_micromint.so
#   scripts/build-apache-module.sh --for-tests  target/apache/test/..., which panics on request
#   scripts/build-apache-module.sh --lint       runs clippy on the module and builds nothing; clippy
#                                               on the workspace, without headers, skips it
#
# The headers are those of Debian's package apache2-dev, found by apxs and apr-1-config. To use
# others:
#   APACHE_INCLUDE_DIR=/opt/httpd/include APR_INCLUDE_DIR=/opt/apr/include/apr-1 \
#       scripts/build-apache-module.sh
# A module works with every Apache 2.4 of the headers' version or later. Quick if nothing has
# changed.
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
if [ -n "$lint" ]; then
    exec cargo clippy --quiet --package mod_micromint --features "$features" -- -D warnings
fi
cargo build --release --quiet --package mod_micromint --features "$features"
cmp -s target/release/libmod_micromint.so "$place/mod_micromint.so" || {
    # Rename a new file over the old one: a running Apache keeps the file that it has mapped.
    cp target/release/libmod_micromint.so "$place/.new.so"
    mv -f "$place/.new.so" "$place/mod_micromint.so"
}
echo "$place/mod_micromint.so"
