#!/bin/bash
# Builds the nginx module for the nginx that is installed here, into target/nginx/.
#
#   scripts/build-nginx-module.sh              target/nginx/ngx_http_micromint_module.so
#   scripts/build-nginx-module.sh --for-tests  target/nginx/test/..., which panics on request
#   scripts/build-nginx-module.sh --lint       runs clippy on the module and builds nothing: without
#                                              the headers, clippy on the workspace skips it
#
# The headers are those of Debian's package nginx-dev, or of any nginx source tree:
#   NGINX_SOURCE_DIR=/src/nginx-1.26.2 NGINX_CONFIGURE="--with-compat --with-threads ..." \
#       scripts/build-nginx-module.sh
# A module works with one version of nginx and one set of configure flags (those of `nginx -V`).
# Quick if nothing has changed.
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
[ -f "$source/src/core/nginx.h" ] ||
    fail "no nginx headers in $source: install nginx-dev, or set NGINX_SOURCE_DIR"

# nginx's own configure writes the headers that name its features.
flags=()
if [ -n "${NGINX_CONFIGURE:-}" ]; then
    read -ra flags <<<"$NGINX_CONFIGURE"
elif [ -f "$source/conf_flags" ]; then
    NGX_CONF_FLAGS=()
    # shellcheck disable=SC1091
    . "$source/conf_flags"
    flags=("${NGX_CONF_FLAGS[@]}")
else
    fail "set NGINX_CONFIGURE to the flags that 'nginx -V' prints"
fi
mkdir -p "$out" "$place"
# Two of these may run at the same time.
exec 9>"$out/objs.lock"
flock 9
stamp="$source $(grep -m1 'define nginx_version' "$source/src/core/nginx.h") ${flags[*]}"
if [ ! -f "$out/objs/Makefile" ] || [ "$(cat "$out/objs.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$out/objs"
    log=$out/configure.log
    (cd "$source" && bash ./configure "${flags[@]}" --builddir="$out/objs") >"$log" 2>&1 ||
        fail "nginx's configure failed, see $log"
    printf '%s' "$stamp" >"$out/objs.stamp"
fi
exec 9>&-

# nginx-sys reads the headers from here.
export NGINX_SOURCE_DIR=$source NGINX_BUILD_DIR=$out/objs
if [ -n "$lint" ]; then
    exec cargo clippy --quiet --package ngx_micromint --features "$features" -- -D warnings
fi
cargo build --release --quiet --package ngx_micromint --features "$features"
cmp -s target/release/libngx_micromint.so "$place/ngx_http_micromint_module.so" || {
    # Rename a new file over the old one: a running nginx keeps the file that it has mapped.
    cp target/release/libngx_micromint.so "$place/.new.so"
    mv -f "$place/.new.so" "$place/ngx_http_micromint_module.so"
}
echo "$place/ngx_http_micromint_module.so"
