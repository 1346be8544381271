#!/bin/bash
# Builds the RPM packages with the rpmbuild that is installed here, into target/rpm/RPMS/.
#
# The dependencies of the spec are names of Fedora's packages, so they are not checked on Debian.
# The crates are those in cargo's cache.
set -euo pipefail
cd "$(dirname "$0")/.."

rpm=$PWD/target/rpm
version=$(sed -n 's/^Version: *//p' contrib/rpm/micromint.spec)
rm -rf "$rpm"
mkdir -p "$rpm/SOURCES"
git ls-files --cached --others --exclude-standard -z | while IFS= read -r -d '' file; do
    [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar --null --files-from=- --transform "s|^|micromint-$version/|" \
    -czf "$rpm/SOURCES/micromint-$version.tar.gz"
NGINX_SOURCE_DIR=${NGINX_SOURCE_DIR:-/usr/share/nginx/src} \
    rpmbuild -ba --nodeps --quiet --define "_topdir $rpm" --define "_prefix /usr" \
    contrib/rpm/micromint.spec
find "$rpm/RPMS" -name '*.rpm' -printf '%f\n' | sort
