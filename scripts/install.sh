#!/bin/sh
# Builds and installs the C library and the tools, with their manual pages and completions, the
# documents, and the server modules that were built (make nginx-module, make apache-module).
#   PREFIX=/usr/local LIBDIR=$PREFIX/lib DESTDIR= scripts/install.sh
#   PREFIX=/usr/local DESTDIR= scripts/install.sh --uninstall    removes what was installed there
# The modules go where Debian's nginx and Apache look, whatever PREFIX is; MODULES=no leaves them
# out. BROKER=yes builds and installs the broker's programs too (Rust 1.94, minutes); they are also
# installed where they were built before. PROFILE=dev installs the development profile, which builds
# faster, for the tests.
set -eu
cd "$(dirname "$0")/.."

prefix=${PREFIX:-/usr/local}
libdir=${LIBDIR:-$prefix/lib}
root=${DESTDIR:-}
profile=${PROFILE:-release}
cargo=${CARGO:-cargo}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
tools="coinmint mmvendor mmwallet printwallet"
built=${CARGO_TARGET_DIR:-target}/$profile
[ "$profile" != dev ] || built=${CARGO_TARGET_DIR:-target}/debug
# The list of the installed files, one path per line.
list=$prefix/share/micromint/installed

if [ "${1:-}" = --uninstall ]; then
    if [ ! -f "$root$list" ]; then
        echo "uninstall: $root$list does not exist: nothing was installed with this PREFIX" >&2
        exit 1
    fi
    while read -r path; do rm -f "$root$path"; done < "$root$list"
    rm -f "$root$list"
    docs=$prefix/share/doc/micromint
    for folder in "$docs/guide/images" "$docs/guide" "$docs/reference" "$docs/internals" "$docs" \
        "$prefix/share/micromint/page" "$prefix/share/micromint"; do
        rmdir "$root$folder" 2>/dev/null || true
    done
    # What the administrator wrote stays, and a server does not start with directives whose module
    # is gone.
    left=$({
        grep -rnEi '^[[:space:]]*(micromint|load_module .*micromint|LoadModule micromint)' \
            "$root/etc/nginx" "$root/etc/apache2" || true
        find "$root/etc/nginx" "$root/etc/apache2" -xtype l -name '*micromint*' || true
    } 2>/dev/null)
    [ -z "$left" ] || printf 'uninstall: %s\n%s\n' \
        "the web servers do not start until these are deleted:" "$left"
    exit 0
fi

# put MODE FILE PATH
put() {
    install -D -m "$1" "$2" "$root$3"
    echo "$3" >> "$written"
}
# put_text FILE PATH: a file of contrib/. These name the documents as of the default PREFIX.
put_text() {
    sed "s|/usr/local/share/doc|$prefix/share/doc|" "$1" > "$made/text"
    put 644 "$made/text" "$2"
}
# link TARGET PATH
link() {
    ln -sf "$1" "$root$2"
    echo "$2" >> "$written"
}

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
written=$made/installed

# The broker's programs are not part of `make build`: they take minutes. They are then built together
# with the others: cargo builds the libraries with the features of all packages that are named, and
# again for other packages.
broker=
if [ "${BROKER:-no}" = yes ] || [ -x "$built/mmbrokerd" ]; then
    broker="--package mmbrokerd"
fi
# shellcheck disable=SC2086
"$cargo" build --quiet --profile "$profile" \
    --package micromint-ffi --package coinmint --package mmvendor --package mmwallet $broker
if [ -n "$broker" ]; then
    tools="$tools mmbroker mmbrokerd mmredeem"
    put 755 tools/mm-audit/mm-audit "$prefix/bin/mm-audit"
    put 644 tools/mm-audit/mm-audit.1 "$prefix/share/man/man1/mm-audit.1"
fi
scripts/link-c.sh "$built"

# The C library.
soname=$(readlink "$built/libmicromint.so")
for file in micromint.h micromint.ffi.h micromint-api.json; do
    put 644 "include/$file" "$prefix/include/$file"
done
# A page for each type, and a page that leads to it for each of its functions.
man=$prefix/share/man/man3
for page in micromint-ffi/man/*.3; do
    name=$(basename "$page")
    put 644 "$page" "$man/$name"
    echo ".so man3/$name" > "$made/link"
    sed -n 's/^\.SS \(micromint_[a-z_]*\)()$/\1/p' "$page" > "$made/functions"
    while read -r function; do
        [ "$function.3" = "$name" ] || put 644 "$made/link" "$man/$function.3"
    done < "$made/functions"
done
put 644 "$built/libmicromint.a" "$libdir/libmicromint.a"
put 644 "$built/libmicromint.so.$version" "$libdir/libmicromint.so.$version"
link "libmicromint.so.$version" "$libdir/$soname"
link "$soname" "$libdir/libmicromint.so"
sed -e "s|@PREFIX@|$prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@VERSION@|$version|" \
    micromint-ffi/micromint.pc.in > "$made/micromint.pc"
put 644 "$made/micromint.pc" "$libdir/pkgconfig/micromint.pc"

# The tools. Debian's zsh looks for the completions of packages in another folder.
zsh=$prefix/share/zsh/site-functions
[ "$prefix" != /usr ] || zsh=$prefix/share/zsh/vendor-completions
for tool in $tools; do
    put 755 "$built/$tool" "$prefix/bin/$tool"
    mkdir "$made/$tool"
    "$built/$tool" --write-pages "$made/$tool"
    for page in "$made/$tool"/*.1; do
        put 644 "$page" "$prefix/share/man/man1/$(basename "$page")"
    done
    put 644 "$made/$tool/$tool.bash" "$prefix/share/bash-completion/completions/$tool"
    put 644 "$made/$tool/_$tool" "$zsh/_$tool"
    put 644 "$made/$tool/$tool.fish" "$prefix/share/fish/vendor_completions.d/$tool.fish"
done

# The documents, and the units of broker and vendor. The links of README.md to docs/ are
# changed, because the installed files are in its own folder.
docs=$prefix/share/doc/micromint
sed 's|](docs/|](|g' README.md > "$made/README.md"
put 644 "$made/README.md" "$docs/README.md"
for document in CHANGELOG.md LICENSE-APACHE LICENSE-MIT docs/*.md docs/*/*.md; do
    case $document in docs/README.md | docs/SUMMARY.md) continue ;; esac # parts of the book
    put 644 "$document" "$docs/${document#docs/}"
done
for image in docs/guide/images/*.png; do
    put 644 "$image" "$docs/${image#docs/}"
done
# The shipped 402 pages, to begin a page of one's own with.
for page in micromint/src/vendor/page/page.*.html; do
    put 644 "$page" "$prefix/share/micromint/page/$(basename "$page")"
done
for unit in contrib/systemd/*.*; do
    put_text "$unit" "$prefix/lib/systemd/system/$(basename "$unit")"
done

# The modules, where Debian's packages install theirs. The administrator loads them.
nginx_module=target/nginx/ngx_http_micromint_module.so
apache_module=target/apache/mod_micromint.so
[ "${MODULES:-yes}" != no ] || { nginx_module=; apache_module=; }
if [ -n "$nginx_module" ] && [ -f "$nginx_module" ]; then
    put 644 "$nginx_module" /usr/lib/nginx/modules/ngx_http_micromint_module.so
    available=/usr/share/nginx/modules-available/mod-http-micromint.conf
    put_text contrib/nginx/mod-http-micromint.conf "$available"
    echo "nginx: to load the module: ln -s $available" \
        "/etc/nginx/modules-enabled/50-mod-http-micromint.conf"
fi
if [ -n "$apache_module" ] && [ -f "$apache_module" ]; then
    put 644 "$apache_module" /usr/lib/apache2/modules/mod_micromint.so
    put_text contrib/apache/micromint.load /etc/apache2/mods-available/micromint.load
    put_text contrib/apache/micromint.conf /etc/apache2/mods-available/micromint.conf
    echo "Apache: to load the module: a2enmod micromint"
fi

install -D -m 644 "$written" "$root$list"
# The loader has a cache of the libraries; those in a DESTDIR are not for this system.
if [ -z "$root" ] && [ "$(id -u)" = 0 ]; then ldconfig 2>/dev/null || true; fi
