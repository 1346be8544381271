#!/bin/sh
# Builds the Python package with the C library inside: target/wheel/micromint-*.whl
#   PROFILE=dev scripts/build-wheel.sh    with the development profile, which builds faster
#   scripts/build-wheel.sh LIBRARY        with this library
set -eu
cd "$(dirname "$0")/.."
profile=${PROFILE:-release}
library=${1:-}
if [ -z "$library" ]; then
    "${CARGO:-cargo}" build --quiet --package micromint-ffi --profile "$profile"
    [ "$profile" != dev ] || profile=debug
    rm -rf target/wheel/library && mkdir -p target/wheel/library
    cp "target/$profile/libmicromint.a" target/wheel/library/
    scripts/link-c.sh target/wheel/library
    library=target/wheel/library/libmicromint.so
fi
rm -rf target/wheel/package && mkdir -p target/wheel
cp -r bindings/python target/wheel/package
rm -f target/wheel/micromint-*.whl
MICROMINT_WHEEL_LIBRARY=$(realpath "$library") python3 -m pip wheel --quiet --no-deps \
    --disable-pip-version-check --wheel-dir target/wheel target/wheel/package
rm -rf target/wheel/package
ls target/wheel/micromint-*.whl
