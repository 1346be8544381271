#!/bin/bash
# Tests the packages of scripts/build-deb.sh in fresh systems with a running server: the ten commands
# of the guides, upgrade, remove, purge. The server answers before and after each step.
#   scripts/test-deb.sh            nginx, then Apache (root)
#   scripts/test-deb.sh nginx      one of them
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "test-deb: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "run it as root: it makes a chroot"
deb=$PWD/target/deb
[ -d "$deb/packages" ] || fail "no packages: run 'make deb'"

# system SERVER PACKAGES: a Debian with a server and what the packages depend on, since it has no
# network later. Made once, in $deb/with-SERVER.tar.
system() {
    local packages="$2,curl,adduser,init-system-helpers,procps,python3"
    if [ -f "$deb/with-$1.tar" ] && [ "$(cat "$deb/with-$1.list" 2>/dev/null)" = "$packages" ]; then
        return
    fi
    rm -rf "$deb/with-$1.new"
    mmdebstrap --quiet --variant=apt --include="$packages" bookworm "$deb/with-$1.new"
    tar -C "$deb/with-$1.new" -cf "$deb/with-$1.tar.new" .
    rm -rf "$deb/with-$1.new"
    mv "$deb/with-$1.tar.new" "$deb/with-$1.tar"
    echo "$packages" > "$deb/with-$1.list"
}

# newer FOLDER: the packages with a higher version, for the upgrade.
newer() {
    mkdir -p "$1"
    local file made
    for file in "$deb"/packages/*.deb; do
        case $file in *-dbgsym_*) continue ;; esac
        made=$(mktemp -d)
        dpkg-deb -R "$file" "$made"
        sed -i -E 's/^(Version: .*)$/\1+next/; s/\(= ([^)]*)\)/(= \1+next)/g' "$made/DEBIAN/control"
        dpkg-deb --root-owner-group -Zgzip -z1 -b "$made" "$1" >/dev/null
        rm -rf "$made"
    done
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
newer "$work/newer"
for servers in "${@:-nginx apache2}"; do
    # shellcheck disable=SC2086 # a list of words
    for server in $servers; do
        system "$server" "$server"
        root=$work/$server
        mkdir "$root"
        tar -C "$root" -xf "$deb/with-$server.tar"
        mkdir -p "$root/packages/newer"
        cp "$deb"/packages/*.deb "$root/packages/"
        cp "$work"/newer/*.deb "$root/packages/newer/"
        cp scripts/test-deb-inside.sh "$root/"
        # The ten commands of the guide.
        awk '/^```sh packages$/ { inside = 1; next } /^```/ { inside = 0 } inside' \
            "docs/guide/${server%2}.md" > "$root/packages/commands"
        count=$(wc -l < "$root/packages/commands")
        [ "$count" = 10 ] || fail "docs/guide/${server%2}.md: expected ten commands, found $count"
        unshare --net --mount --pid --fork --kill-child sh -c '
            ip link set lo up
            mount -t proc proc "$1/proc"
            exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
                LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive bash /test-deb-inside.sh "$2"' \
            sh "$root" "$server" || fail "$server failed"
        rm -rf "$root"
    done
done
