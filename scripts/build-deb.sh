#!/bin/bash
# Builds the Debian packages in a clean Debian 12 without network, into target/deb/packages/.
#   scripts/build-deb.sh     as root, for mmdebstrap and chroot
#
# Before that it copies the tree to target/deb/build/, without what git ignores, and the crates of
# Cargo.lock to third-party/ (git ignores it). A second run reuses the crates, the system and what was built.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "build-deb: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "run it as root: it builds in a chroot"
deb=$PWD/target/deb
mkdir -p "$deb"
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)

# The crates.
if ! cmp -s Cargo.lock "$deb/vendored.lock"; then
    cargo vendor --quiet --locked --versioned-dirs third-party > /dev/null
    cp Cargo.lock "$deb/vendored.lock"
fi

# The source.
source=$deb/build/micromint-$version
rm -rf "$source" "$deb"/build/*.{deb,changes,buildinfo}
mkdir -p "$source/.cargo" "$deb/build/target"
git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar --null --files-from=- -cf - | tar -xf - -C "$source"
cp -al third-party "$source/third-party"
cat > "$source/.cargo/config.toml" <<'TOML'
[source.crates-io]
replace-with = "third-party"
[source.third-party]
directory = "third-party"
TOML
ln -s /build/target "$source/target"

# A Debian with what Build-Depends names.
packages=$(perl -MDpkg::Control::Info -MDpkg::Deps -e '
    my $source = Dpkg::Control::Info->new("debian/control")->get_source();
    my $depends = deps_parse($source->{"Build-Depends"}, reduce_arch => 1);
    my @names = map { ref $_ eq "Dpkg::Deps::OR" ? ($_->get_deps())[0]{package} : $_->{package} }
        $depends->get_deps();
    # Packages that only provide a name are installed by those that do.
    print join ",", grep { !/^(debhelper-compat|dh-sequence-)/ } @names;')
system=$deb/build-system
if [ ! -f "$system.done" ] || [ "$(cat "$system.done")" != "$packages" ]; then
    rm -rf "$system"
    mmdebstrap --quiet --variant=buildd --include="$packages,debhelper,lintian" bookworm "$system"
    echo "$packages" > "$system.done"
fi

# Build there. /build is this machine's folder, so that nothing is copied twice.
mkdir -p "$system/build"
run() {
    unshare --net --mount --pid --fork sh -c '
        system=$1 build=$2
        shift 2
        mount --bind "$build" "$system/build"
        mount -t proc proc "$system/proc"
        exec chroot "$system" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
            "$@"' sh "$system" "$deb/build" "$@"
}
log=$deb/build.log
run sh -c "cd /build/micromint-$version && dpkg-buildpackage --build=binary -us -uc" \
    > "$log" 2>&1 || { tail -n 40 "$log" >&2; fail "the build failed, see $log"; }
# Problems of the packages, and none is overlooked.
run sh -c "cd /build && lintian --allow-root --fail-on error,warning *.changes" ||
    fail "lintian complains"
rm -rf "$deb/packages"
mkdir "$deb/packages"
cp "$deb"/build/*.deb "$deb/packages/"
ls "$deb/packages"
