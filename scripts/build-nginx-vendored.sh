#!/bin/bash
# Builds the nginx whose source is in the crate nginx-src, and the module for it, into
# target/nginx-vendored/: nginx, ngx_http_micromint_module.so, test/ngx_http_micromint_module.so
# Takes minutes. With --test it runs the server tests with them.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
out=$root/target/nginx-vendored
mkdir -p "$out/test"
unset NGINX_SOURCE_DIR NGINX_BUILD_DIR
export NGX_CONFIGURE_ARGS="${NGX_CONFIGURE_ARGS:---with-http_auth_request_module}"
build() { # FEATURES FOLDER
    cargo build --release --quiet --target-dir "$out/build" \
        --package ngx_micromint --features "$1"
    cp "$out/build/release/libngx_micromint.so" "$2/.new.so"
    mv -f "$2/.new.so" "$2/ngx_http_micromint_module.so"
}
build vendored,test-panic "$out/test"
build vendored "$out"
nginx=$(find "$out/build/release/build" -path '*/nginx-sys-*/out/objs/nginx' -type f | head -n 1)
[ -n "$nginx" ] || { echo "build-nginx-vendored: no nginx was built" >&2; exit 1; }
cp "$nginx" "$out/nginx"
"$out/nginx" -v
if [ "${1:-}" = --test ]; then
    export MICROMINT_NGINX=$out/nginx MICROMINT_NGINX_MODULE=$out/ngx_http_micromint_module.so
    export MICROMINT_NGINX_TEST_MODULE=$out/test/ngx_http_micromint_module.so
    cargo test -p micromint-servers --test nginx
fi
