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
    lines='micromint_config /etc/micromint/vendor.toml; micromint on;' test='nginx -t -q'
else
    module=libapache2-mod-micromint config=/etc/apache2/conf-enabled/micromint-site.conf
    lines='<Location "/">
    MicroMint On
</Location>' test='apache2ctl -t'
fi

step install
get /packages/{"$module",micromint-vendor,micromint-broker,micromint-wallet}_*.deb
answers /long.html 200 "after installation"
! grep -rq micromint /etc/systemd/system /etc/rc?.d || fail "something of micromint is enabled"
[ "$(stat -c %U:%a /var/lib/micromint)" = www-data:750 ] || fail "/var/lib/micromint"
[ "$(stat -c %U:%a /var/lib/micromint-broker)" = micromint-broker:750 ] ||
    fail "/var/lib/micromint-broker"

step "the first paid page"
mkdir -p ~/broker
cd ~/broker
period=$(date -u +%Y-%m)
coinmint init --profile test --weak --period "$period" --broker https://broker.example/ \
    --coin-value "0.01 USD" -o mint.toml 2>/dev/null
coinmint mint mint.toml >/dev/null 2>&1
coinmint params mint.toml -o "$period.params"
mmbroker vendor-key --coinfile "$period.coins" localhost > vendor.key
mmbroker withdraw --coinfile "$period.coins" --user alice --sets 4 -o alice.mm
mmbroker owners --coinfile "$period.coins" --vendor localhost -o "$period.owners"
cp "$period.params" "$period.owners" /etc/micromint/periods/
chmod 644 /etc/micromint/periods/*
cat > /etc/micromint/vendor.toml <<'TOML'
vendor-id = "localhost"
origins = ["http://localhost"]
periods = "periods"
owners = "required"
till = "/var/lib/micromint/till"
TOML
echo 2 > /var/www/html/long.html.mm
echo "$lines" > $config
$test 2>/tmp/said || { cat /tmp/said >&2; fail "the configuration is refused"; }
service "$server" restart >/dev/null
answers /long.html 402 "with a price"
mmwallet --wallet alice.wallet receive alice.mm >/dev/null
mmwallet --wallet alice.wallet get --autopay 2 http://localhost/long.html 2>/tmp/said |
    grep -q 'The long read' || { cat /tmp/said >&2; fail "the page could not be paid"; }

step upgrade
get /packages/newer/{"$module",micromint-vendor,micromint-broker,micromint-wallet}_*.deb
answers /long.html 402 "after the upgrade"
service "$server" restart >/dev/null
answers /long.html 402 "after the upgrade and a restart"

step "remove while the configuration needs the module"
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
apt-get purge -qq -y "$module" micromint-vendor micromint-broker micromint-wallet > /tmp/apt 2>&1 ||
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
