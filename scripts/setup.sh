#!/bin/sh
# Installs the Debian packages that a purpose needs. Quick and silent if nothing is missing.
#   scripts/setup.sh PURPOSE...
#   scripts/setup.sh --list PURPOSE...    prints the packages and installs nothing
#
#   build    the library and the tools
#   nginx    the module for the installed nginx (not nginx-dev if NGINX_SOURCE_DIR is set)
#   apache   the module for the installed Apache (not apache2-dev if APACHE_INCLUDE_DIR is set)
#   demo     scripts/demo.sh
#   lint     everything that make lint reads
#   core     make test-core
#   musl     make check-platforms
#   page     make check-page
#   extension  make extension
#   browser  make test-browser, with servers
#   vectors  make test-vectors
#   c        make test-c, with the Python package
#   bindings make test-bindings
#   agents   make test-agents, with servers
#   servers  make test-servers
#   test     everything that make test needs
#   broker   make test-broker
#   slurm    make test-slurm
#   deb      make deb test-deb
#   rpm      make rpm
#
# A server that this script installs is neither started nor enabled: the tests start their own, on
# other ports. A server that was installed before stays as it is.
set -eu

fail() { echo "setup: $*" >&2; exit 1; }

# libc6-dev is only recommended by gcc, but nothing links without it.
build="gcc libc6-dev"
bindgen="libclang-dev"
nginx_module="$build $bindgen"
[ -n "${NGINX_SOURCE_DIR:-}" ] || nginx_module="$nginx_module nginx-dev"
apache_module="$build $bindgen"
[ -n "${APACHE_INCLUDE_DIR:-}" ] || apache_module="$apache_module apache2-dev"
core="$build binutils g++ curl"
# Application servers that fork, for the tests of the C library.
forking="uwsgi-core uwsgi-plugin-python3 gunicorn"
lint="$nginx_module $apache_module git python3 abigail-tools"
c="$core valgrind pkg-config curl python3 python3-venv python3-setuptools python3-wheel
    man-db zsh fish"
# Node.js brings npm where a package of its own name does not.
npm=
command -v npm >/dev/null || npm=npm
bindings="$build binutils pkg-config openssl python3 python3-venv python3-dev uwsgi-core
    uwsgi-plugin-python3 php-cli php-nyholm-psr7 php8.2-psr golang-go nodejs $npm ruby ruby-rack puma"
servers="$nginx_module $apache_module nginx apache2 php-fpm libfaketime openssl curl python3
    iproute2 systemd"

# Other builds of node bring npm along.
extension=$build
command -v npm >/dev/null || extension="$extension nodejs npm"

# packages PURPOSE: prints what it needs.
packages() {
    case $1 in
        build) echo "$build" ;;
        nginx) echo "$nginx_module" ;;
        apache) echo "$apache_module" ;;
        demo) echo "$nginx_module nginx curl python3" ;;
        lint) echo "$lint" ;;
        core) echo "$core $forking" ;;
        musl) echo "$build musl-tools" ;;
        page) echo "$core chromium fonts-dejavu-core" ;;
        extension) echo "$extension" ;;
        browser) echo "$extension chromium firefox-esr fonts-dejavu-core" ;;
        vectors) echo "python3" ;;
        c) echo "$c" ;;
        bindings) echo "$bindings" ;;
        agents) echo "$extension python3 python3-venv openssl" ;;
        servers) echo "$servers" ;;
        test) echo "make $lint $c $servers $forking" ;;
        broker) echo "$core postgresql" ;;
        months) echo "faketime" ;;
        slurm) echo "$build slurm-wlm python3" ;;
        deb) echo "make git mmdebstrap libdpkg-perl curl" ;;
        rpm) echo "$nginx_module $apache_module git rpm" ;;
        *) fail "unknown purpose $1, expected one of those listed in $0" ;;
    esac
}

is_list=
[ "${1:-}" != --list ] || { is_list=yes; shift; }
[ $# -gt 0 ] || fail "usage: $0 [--list] PURPOSE..."
needed=
for purpose in "$@"; do needed="$needed $(packages "$purpose")"; done
# shellcheck disable=SC2086 # a list of words
needed=$(printf '%s\n' $needed | sort -u)
if [ -n "$is_list" ]; then
    echo "$needed"
    exit 0
fi

command -v cargo >/dev/null || fail "cargo is missing: install Rust first, for example with rustup"
if ! command -v apt-get >/dev/null; then
    # Not Debian: the names of the packages are unknown, and the compiler reports what is missing.
    exit 0
fi

is_installed() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
missing=
for package in $needed; do is_installed "$package" || missing="$missing $package"; done
[ -n "$missing" ] || exit 0

root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "these packages are missing, and only root can install them:
    apt-get install --no-install-recommends$missing"
    root=sudo
fi
echo "setup: installing$missing"

# The installed packages that bring a service.
services() {
    dpkg-query -W -f='${db:Status-Status} ${Package}\n' nginx apache2 postgresql 'php*-fpm' munge slurmctld \
        slurmd 2>/dev/null | sed -n 's/^installed //p'
}
before=$(services)

# Debian starts a service as soon as it is installed, unless the script policy-rc.d says no. It also
# enables it, so that it starts with the machine. update-rc.d knows the links of systemd and of
# /etc/init.d, whether systemd runs here or not.
policy=/usr/sbin/policy-rc.d
is_policy_ours=
clean_up() {
    for service in $(services); do
        if echo "$before" | grep -qxF "$service" || [ ! -e "/etc/init.d/$service" ]; then continue; fi
        $root update-rc.d "$service" disable
        # It is running if another policy-rc.d allowed it.
        [ ! -d /run/systemd/system ] || $root systemctl --quiet stop "$service"
        echo "setup: $service is installed, and neither started nor enabled"
    done
    [ -z "$is_policy_ours" ] || $root rm -f $policy
}
# Clean up even if apt-get fails or is interrupted.
trap clean_up EXIT
trap 'exit 130' HUP INT TERM
if [ ! -e $policy ]; then
    is_policy_ours=yes
    printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
    $root chmod 755 $policy
fi
$root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
