#!/bin/bash
# Runs the test suite of nginx twice, without the module and with the module switched on for the
# whole server, and compares the results: the same tests must fail. The suite (nginx/nginx-tests) is
# not part of this project.
#   scripts/nginx-tests.sh /path/to/nginx-tests [JOBS]
# For Debian's nginx 1.22.1 use the suite as of commit fd399c8 (August 2022). It needs these
# packages:
#   libio-socket-ssl-perl libnet-ssleay-perl libcryptx-perl libfcgi-perl libscgi-perl libgd-perl
#   libcache-memcached-perl libprotocol-websocket-perl libnginx-mod-{mail,stream,stream-geoip}
#   libnginx-mod-http-{geoip,image-filter,perl,xslt-filter}
set -euo pipefail
suite=${1:?usage: scripts/nginx-tests.sh /path/to/nginx-tests [JOBS]}
jobs=${2:-2}
root=$(cd "$(dirname "$0")/.." && pwd)
module=$root/target/nginx/ngx_http_micromint_module.so
results=$(mktemp -d)
fail() { echo "nginx-tests: $*" >&2; exit 1; }
[ -f "$module" ] || fail "no $module: run 'make nginx-module' first"

cd "$suite"
# Tests of streams, mail, QUIC, gRPC and njs never reach an http module.
tests=$(find . -maxdepth 1 -name '*.t' | sort |
    grep -v '^\./\(stream\|mail\|h3\|quic\|grpc\|js_\)')
user=""
[ "$(id -u)" != 0 ] || user="user root;"
export TEST_NGINX_BINARY=${TEST_NGINX_BINARY:-/usr/sbin/nginx}
export TEST_NGINX_MODULES=${TEST_NGINX_MODULES:-/usr/lib/nginx/modules}

suite_with() { # NAME: writes the results to $results/NAME
    # shellcheck disable=SC2086 # a list of files
    prove -j"$jobs" -I lib $tests >"$results/$1.log" 2>&1 || true
    sed -n '/^Test Summary Report/,$p' "$results/$1.log" | grep -v '^Files=' >"$results/$1"
    grep '^Files=' "$results/$1.log"
}

export TEST_NGINX_GLOBALS="$user"
echo "without the module:"
suite_with without
mkdir -p "$results/periods"
chmod 755 "$results"
cat >"$results/vendor.toml" <<END
vendor-id = "localhost"
origins = ["http://localhost"]
periods = "periods"
till = "till"
END
cat >"$results/periods/now.params" <<END
period = "now"
hashfn = "des"
iv = "0123456789abcdef"
input-size = 14
output-size = 12
num-fixed-bits = 2
fixed-bits = "2"
subbin-size = 4
coin-size = 4
start = "$(date -u -d yesterday +%FT%TZ)"
expiration = "$(date -u -d '+30 days' +%FT%TZ)"
redeem-until = "$(date -u -d '+37 days' +%FT%TZ)"
broker = "https://broker.example/"
coin-value = "0.01 USD"
END
export TEST_NGINX_GLOBALS="$user load_module $module;"
export TEST_NGINX_GLOBALS_HTTP="micromint_config $results/vendor.toml; micromint on;"
echo "with the module switched on:"
suite_with with

if diff "$results/without" "$results/with"; then
    echo "the same results"
else
    fail "the results differ; the logs are in $results"
fi
