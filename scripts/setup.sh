#!/bin/sh
# Installs what a fresh Debian 12 machine with Rust lacks. Quick and silent when nothing is missing.
#   scripts/setup.sh         what the demo and the tests need
set -eu

missing=""
need() {
    dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $1"
}

for package in nginx nginx-dev apache2 apache2-dev libfaketime libclang-dev gcc g++ valgrind make pkg-config curl openssl \
    python3 man-db zsh fish python3-venv python3-setuptools python3-wheel php-cli php-fpm iproute2 golang-go systemd; do
    need "$package"
done

command -v cargo >/dev/null || { echo "setup: Rust is missing: install it with rustup first" >&2; exit 1; }
[ -z "$missing" ] && exit 0

echo "setup: installing$missing"
as_root=""
[ "$(id -u)" = 0 ] || as_root="sudo"
# Debian starts a server as soon as it is installed; ours are started by the tests, on their own ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
    trap '$as_root rm -f $policy' EXIT
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
