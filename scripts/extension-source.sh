#!/bin/sh
# Writes the source package for the reviewers of the stores: extension/build/micromint-source.zip.
#   scripts/extension-source.sh           writes it
#   scripts/extension-source.sh --prove   also unpacks it elsewhere, builds there, and compares the
#                                         packages with those in extension/build, byte for byte
#
# It has the sources that the build reads and no others. The same commit gives the same bytes.
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
    "" | --prove) ;;
    *) echo "usage: $0 [--prove]" >&2; exit 2 ;;
esac
out=$PWD/extension/build/micromint-source.zip
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/source" extension/build

# The core inherits from the root manifest; the other members of that workspace are not needed.
git ls-files -z --cached --others --exclude-standard -- \
    Cargo.toml Cargo.lock LICENSE-APACHE LICENSE-MIT micromint \
    extension scripts/build-extension.sh scripts/extension-source.sh scripts/wasm-cargo.sh |
    tar --null --files-from=- --create --file=- | tar --extract --file=- -C "$work/source"
cp extension/store/reviewers.md "$work/source/BUILDING.md"
[ -e extension/build/compiler ] || scripts/build-extension.sh >/dev/null
cp extension/build/compiler "$work/source/compiler"
node extension/store/zip.mjs "$work/source" "$out"
sha256sum "$out"

[ "${1:-}" = --prove ] || exit 0
mkdir "$work/unpacked"
node extension/store/zip.mjs --extract "$out" "$work/unpacked"
(cd "$work/unpacked" && sh scripts/build-extension.sh >/dev/null)
for name in core.wasm micromint-chromium.zip micromint-firefox.zip; do
    cmp "extension/build/$name" "$work/unpacked/extension/build/$name"
done
echo "the source package builds the same bytes"
