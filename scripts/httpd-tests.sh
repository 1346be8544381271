#!/bin/bash
# Runs the test suite of httpd twice, without the module and with the module switched on for the
# whole server, and compares the results: the same tests must fail. The suite (apache/httpd-tests)
# is not part of this project.
#   scripts/httpd-tests.sh /path/to/httpd-tests [TEST...]
# Debian's Apache 2.4 passes the suite as of commit c80f65f. The suite needs these packages:
#   libapache2-mod-perl2 libwww-perl libhttp-dav-perl libdatetime-perl libio-socket-ssl-perl
# This script runs a copy of it, as www-data if the script runs as root.
set -euo pipefail
suite=${1:?usage: scripts/httpd-tests.sh /path/to/httpd-tests [TEST...]}
shift
root=$(cd "$(dirname "$0")/.." && pwd)
module=$root/target/apache/mod_micromint.so
fail() { echo "httpd-tests: $*" >&2; exit 1; }
[ -f "$module" ] || fail "no $module: run 'make apache-module' first"
results=$(mktemp -d)
chmod 755 "$results"
mkdir "$results/suite" "$results/periods"
cp "$module" "$results/"
cp -R "$suite"/. "$results/suite/"

# The modules that Debian enables and those that the suite needs; one MPM.
modules="authn_core authz_core authz_host authz_user authz_groupfile auth_basic auth_digest
    authn_file access_compat alias dir mime env setenvif headers negotiation autoindex include
    filter deflate expires rewrite cgid actions proxy proxy_http proxy_fcgi proxy_balancer
    slotmem_shm lbmethod_byrequests proxy_connect proxy_wstunnel cache cache_disk dav dav_fs info
    status userdir vhost_alias speling unique_id usertrack asis imagemap ssl socache_shmcb session
    session_cookie request allowmethods substitute sed ratelimit buffer remoteip reqtimeout macro
    lua ext_filter http2 brotli data bucketeer case_filter case_filter_in echo mime_magic cern_meta
    auth_form"
folder=${MICROMINT_APACHE_MODULES:-/usr/lib/apache2/modules}
{
    echo "LoadModule mpm_event_module $folder/mod_mpm_event.so"
    for name in $modules; do
        [ ! -f "$folder/mod_$name.so" ] || echo "LoadModule ${name}_module $folder/mod_$name.so"
    done
} >"$results/without.conf"
{
    cat "$results/without.conf"
    echo "LoadModule micromint_module $results/mod_micromint.so"
} >"$results/with.conf"
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
as_user=()
if [ "$(id -u)" = 0 ]; then
    chown -R www-data "$results"
    as_user=(runuser -u www-data --)
fi

suite_with() { # NAME [OPTION...]: writes the results to $results/NAME
    local name=$1
    shift
    (
        cd "$results/suite"
        export HOME=$results
        "${as_user[@]}" perl Makefile.PL -apxs "${APXS:-/usr/bin/apxs}" \
            -httpd "${MICROMINT_APACHE:-/usr/sbin/apache2}" \
            -httpd_conf "$results/$name.conf" >"$results/$name.make" 2>&1
        "${as_user[@]}" t/TEST -clean >>"$results/$name.make" 2>&1 || true
        # shellcheck disable=SC2086 # a list of tests
        "${as_user[@]}" t/TEST -port 8629 -httpd_conf "$results/$name.conf" "$@" $tests \
            >"$results/$name.log" 2>&1 || true
    )
    sed -n '/^Test Summary Report/,$p' "$results/$name.log" | grep -v '^Files=' \
        >"$results/$name" || true
    grep '^Files=' "$results/$name.log" || { tail -20 "$results/$name.log" >&2; exit 1; }
}

tests=$*
echo "without the module:"
suite_with without
echo "with the module switched on:"
suite_with with -postamble "MicroMintConfig $results/vendor.toml" -postamble "MicroMint On"
grep -q 'MicroMint On' "$results/suite/t/conf/httpd.conf" || fail "the module is not switched on"

if diff "$results/without" "$results/with"; then
    echo "the same results"
else
    fail "the results differ; the logs are in $results"
fi
