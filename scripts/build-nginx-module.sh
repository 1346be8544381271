#!/bin/bash
# Builds the nginx module for the nginx that is installed here, into target/nginx/.
#
#   scripts/build-nginx-module.sh              target/nginx/ngx_http_micromint_module.so
#   scripts/build-nginx-module.sh --for-tests  target/nginx/test/..., which panics on request, for the tests
#   scripts/build-nginx-module.sh --lint       nothing; warns of what a lint of the workspace, without headers, does not see
#
# The headers are those of Debian's package nginx-dev, or of any nginx source tree:
#   NGINX_SOURCE_DIR=/src/nginx-1.26.2 NGINX_CONFIGURE="--with-compat --with-threads ..." scripts/build-nginx-module.sh
# A module fits one version of nginx and one set of configure flags (those that `nginx -V` tells).
# Quick when nothing has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
out=$root/target/nginx
source=${NGINX_SOURCE_DIR:-/usr/share/nginx/src}
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

fail() { echo "build-nginx-module: $*" >&2; exit 1; }
[ -f "$source/src/core/nginx.h" ] || fail "no nginx headers in $source: install nginx-dev, or set NGINX_SOURCE_DIR"

# nginx's own configure writes the headers that say what its features are.
flags=()
if [ -n "${NGINX_CONFIGURE:-}" ]; then
    read -ra flags <<<"$NGINX_CONFIGURE"
elif [ -f "$source/conf_flags" ]; then
    NGX_CONF_FLAGS=()
    # shellcheck disable=SC1091
    . "$source/conf_flags"
    flags=("${NGX_CONF_FLAGS[@]}")
else
    fail "set NGINX_CONFIGURE to the flags that 'nginx -V' tells"
fi
mkdir -p "$out" "$place"
stamp="$source $(grep -m1 'define nginx_version' "$source/src/core/nginx.h") ${flags[*]}"
if [ ! -f "$out/objs/Makefile" ] || [ "$(cat "$out/objs.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$out/objs"
    (cd "$source" && bash ./configure "${flags[@]}" --builddir="$out/objs") >"$out/configure.log" 2>&1 ||
        fail "nginx's configure failed, see $out/configure.log"
    printf '%s' "$stamp" >"$out/objs.stamp"
fi

# One build folder for nginx's headers, whatever else is built in target/ meanwhile.
export NGINX_SOURCE_DIR=$source NGINX_BUILD_DIR=$out/objs
[ -z "$lint" ] || exec cargo clippy --quiet --package ngx_micromint --features "$features" -- -D warnings
cargo build --release --quiet --package ngx_micromint --features "$features"
cmp -s target/release/libngx_micromint.so "$place/ngx_http_micromint_module.so" || {
    # A new file in place of the old one: a running nginx keeps the one that it has mapped.
    cp target/release/libngx_micromint.so "$place/.new.so"
    mv -f "$place/.new.so" "$place/ngx_http_micromint_module.so"
}
echo "$place/ngx_http_micromint_module.so"
