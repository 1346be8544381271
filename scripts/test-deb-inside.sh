#!/bin/bash
# The part of scripts/test-deb.sh that runs inside a fresh Debian without network: $1 is the server,
# nginx or apache2; the packages are in /packages, those of the upgrade in /packages/newer.
set -euo pipefail
server=$1
# No systemd runs here: Debian's scripts start the servers themselves.
printf '#!/bin/sh\nexit 0\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d

fail() { echo "test-deb: $server: $*" >&2; exit 1; }
step() { echo "test-deb: $server: $*"; }
# status PATH: the status of the answer.
status() {
    curl -sS -o /tmp/answer -w '%{http_code}' -H 'Accept: application/x-micromint' \
        --retry 20 --retry-connrefused --retry-delay 1 "http://localhost$1"
}
answers() { # PATH STATUS WHEN
    local found
    found=$(status "$1") || fail "no answer $3"
    [ "$found" = "$2" ] || fail "$1 $3: expected status $2, found $found"
}
get() { apt-get install -qq -y --no-install-recommends "$@" > /tmp/apt 2>&1 ||
    { cat /tmp/apt >&2; fail "apt-get install $* failed"; }; }

echo '<h1>The long read</h1>' > /var/www/html/long.html
service "$server" start >/dev/null
answers /long.html 200 "before installation"

if [ "$server" = nginx ]; then
    module=libnginx-mod-http-micromint config=/etc/nginx/conf.d/micromint.conf
else
    module=libapache2-mod-micromint config=/etc/apache2/conf-enabled/micromint-site.conf
fi

# The guides use these two; neither is in this system.
printf '#!/bin/sh\nexec "$@"\n' > /usr/local/bin/sudo
printf '#!/bin/sh\nexec service "$2" "$1"\n' > /usr/local/bin/systemctl
chmod 755 /usr/local/bin/*

step "the ten commands of the guide"
cd /packages
SECONDS=0
PATH=/usr/local/bin:$PATH bash -euo pipefail commands > /tmp/said 2>&1 ||
    { cat /tmp/said >&2; fail "a command of the guide failed"; }
step "the first page was paid after $SECONDS seconds"
page=$(ls /var/www/html | grep -m 1 'index.*\.html$')
grep -qi '<title>' /tmp/said || { cat /tmp/said >&2; fail "the paid page was not printed"; }
answers /long.html 200 "which has no price"
answers "/$page" 402 "with a price"
echo 2 > /var/www/html/long.html.mm
answers /long.html 402 "with a price"
! grep -rq micromint /etc/systemd/system /etc/rc?.d || fail "something of micromint is enabled"
[ -f /usr/share/micromint/page/page.en.html ] || fail "the shipped pages are missing"
[ "$(stat -c %U:%a /var/lib/micromint)" = www-data:750 ] || fail "/var/lib/micromint"
[ "$(stat -c %U:%a /var/lib/micromint-broker)" = micromint-broker:750 ] ||
    fail "/var/lib/micromint-broker"
mmvendor status > /tmp/said || { cat /tmp/said >&2; fail "mmvendor status"; }

step upgrade
get /packages/newer/{"$module",micromint-vendor,micromint-broker,micromint-wallet}_*.deb
answers /long.html 402 "after the upgrade"
service "$server" restart >/dev/null
answers /long.html 402 "after the upgrade and a restart"

step "remove while the configuration needs the module"
[ "$server" = nginx ] || echo 'MicroMint On' > $config
if apt-get remove -qq -y "$module" > /tmp/apt 2>&1; then
    fail "the module was removed although the server would not start without it"
fi
grep -q "$config" /tmp/apt || { cat /tmp/apt >&2; fail "the message does not name $config"; }
answers /long.html 402 "after the refused removal"

step remove
rm $config
apt-get remove -qq -y "$module" micromint-vendor micromint-broker micromint-wallet > /tmp/apt 2>&1 ||
    { cat /tmp/apt >&2; fail "apt-get remove failed"; }
service "$server" restart >/dev/null
answers /long.html 200 "after removal"
[ -d /var/lib/micromint/till ] || fail "the till with received coins is gone after removal"

step purge
# Those that left something; apt knows no others any more.
mapfile -t left < <(dpkg -l | awk '/micromint/ {print $2}')
apt-get purge -qq -y "${left[@]}" > /tmp/apt 2>&1 ||
    { cat /tmp/apt >&2; fail "apt-get purge failed"; }
grep -q 'coins that you have received' /tmp/apt || fail "purge does not say what it keeps"
[ -d /var/lib/micromint/till ] || fail "purge deleted a till with coins"
[ ! -e /var/lib/micromint-broker ] || fail "purge left an empty folder"
service "$server" restart >/dev/null
answers /long.html 200 "after the purge"
[ -z "$(dpkg -l | awk '/micromint/ {print $2}')" ] || fail "packages are left"

step "install and purge without use"
rm -rf /var/lib/micromint /etc/micromint
get "/packages/${module}"_*.deb /packages/micromint-vendor_*.deb
apt-get purge -qq -y "$module" micromint-vendor > /tmp/apt 2>&1 || fail "purge of an unused package"
for left in /etc/micromint /var/lib/micromint /etc/nginx/modules-enabled/50-mod-http-micromint.conf \
    /etc/apache2/mods-enabled/micromint.load /etc/apache2/mods-available/micromint.load; do
    [ ! -e $left ] && [ ! -L $left ] || fail "$left is left after the purge"
done
service "$server" stop >/dev/null
step passed
