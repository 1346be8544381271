#!/bin/bash
# Installs into an empty folder and looks at everything that lies there, then builds and runs the examples in
# C, Python, PHP and Go against it, and uninstalls.
#   scripts/test-install.sh                the library as it is shipped
#   PROFILE=dev scripts/test-install.sh    what `cargo build` makes: quicker
#   scripts/test-install.sh --modules      the modules and the units, where a Debian package would put them: nginx,
#                                          Apache and systemd read them there (make nginx-module apache-module)
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "test-install: $*" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tools="coinmint mmbroker mmredeem mmvendorredeem mmwallet printwallet"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
root=$folder/root
here=$root/opt/mm

# installs PREFIX: every file that the list names is there, and no other.
installs() {
    export PREFIX=$1 DESTDIR=$root
    local list=$1/share/micromint/installed path
    scripts/install.sh > "$folder/said"
    while read -r path; do [ -e "$root$path" ] || fail "$path is missing"; done < "$root$list"
    cmp <(sort "$root$list") <(cd "$root" && find . ! -type d ! -path ".$list" | sed 's/^\.//' | sort) ||
        fail "the list of what was installed is not what lies there"
}
# Nothing is left of it.
uninstalls() {
    scripts/install.sh --uninstall
    local left
    left=$(find "$root" ! -type d)
    [ -z "$left" ] || fail "left after uninstalling: $left"
}
# The documents that a file names as file:///… or after "The manual is" lie there.
names_documents() {
    local named
    named=$(grep -o '/[a-z/]*/share/doc/micromint/[a-z/-]*\.md' "$1") || fail "$1 names no document"
    [ -f "$root$named" ] || fail "$1 names $named, which was not installed"
}

if [ "${1:-}" = --modules ]; then
    for module in nginx/ngx_http_micromint_module.so apache/mod_micromint.so; do
        [ -f "target/$module" ] || fail "target/$module is not there: make nginx-module apache-module"
    done
    LIBDIR=/usr/lib/$(cc -print-multiarch) && export LIBDIR
    installs /usr

    # nginx, as Debian sets it up: its folder of modules is a link that belongs to another package.
    available=usr/share/nginx/modules-available/mod-http-micromint.conf
    [ -f "$root/$available" ] && [ -f "$root/usr/lib/nginx/modules/ngx_http_micromint_module.so" ] || fail "no nginx module"
    mkdir -p "$folder/nginx"
    ln -s "$root/usr/lib/nginx/modules" "$folder/nginx/modules"
    printf '%s\n' "include $root/$available;" "pid $folder/nginx/pid;" "events { }" \
        "http { access_log off; server { listen unix:$folder/nginx/socket; location / { micromint off; } } }" \
        > "$folder/nginx/nginx.conf"
    nginx -t -q -e stderr -p "$folder/nginx" -c nginx.conf || fail "nginx does not load the module"

    # Apache: what a2enmod would link, its module where DESTDIR puts it.
    mods=$root/etc/apache2/mods-available
    module=$(awk '$1 == "LoadModule" { print $3 }' "$mods/micromint.load")
    [ "$module" = /usr/lib/apache2/modules/mod_micromint.so ] && [ -f "$root$module" ] || fail "no Apache module"
    sed "s| /usr/lib| $root/usr/lib|" "$mods/micromint.load" > "$folder/micromint.load"
    printf '%s\n' "ServerName localhost" "PidFile $folder/apache.pid" "ErrorLog $folder/apache.log" \
        "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so" \
        "Include $folder/micromint.load" "Include $mods/micromint.conf" "MicroMint Off" > "$folder/apache.conf"
    apache2 -t -f "$folder/apache.conf" 2>"$folder/apache" || fail "Apache does not load the module: $(cat "$folder/apache")"

    # systemd looks for a package's units here.
    for unit in micromint-redeem.service micromint-redeem.timer; do
        said=$(systemd-analyze verify "$root/usr/lib/systemd/system/$unit" 2>&1) && [ -z "$said" ] || fail "$unit: $said"
    done
    names_documents "$root/usr/lib/systemd/system/micromint-redeem.service"
    names_documents "$mods/micromint.conf"
    [ -f "$root/usr/share/zsh/vendor-completions/_mmwallet" ] || fail "completions are not where Debian's zsh looks"
    [ -f "$root$LIBDIR/libmicromint.so.0.1" ] || fail "the library is not in $LIBDIR"
    uninstalls
    echo "nginx, Apache and systemd read what was installed where Debian would put it"
    exit 0
fi

export MODULES=no
installs /opt/mm
for file in include/micromint.h lib/libmicromint.{a,so,so.0.1,so.$version} lib/pkgconfig/micromint.pc \
    share/doc/micromint/reference/c-conventions.md lib/systemd/system/micromint-redeem.{service,timer}; do
    [ -f "$here/$file" ] || fail "$file was not installed"
done
nm -D "$here/lib/libmicromint.so" | grep -q micromint_test && fail "the library holds functions of the tests"

# Tools: they run, their pages are pages, their completions are code of their shells.
for tool in $tools; do
    [ "$("$here/bin/$tool" --version)" = "$tool $version" ] || fail "$tool --version says something else"
    bash -n "$here/share/bash-completion/completions/$tool"
    zsh -n "$here/share/zsh/site-functions/_$tool"
    fish --no-execute "$here/share/fish/vendor_completions.d/$tool.fish"
done
for page in "$here"/share/man/man1/*.1; do
    lexgrog "$page" >/dev/null || fail "$page does not say what it is about"
    said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    [ -z "$said" ] || fail "$page: $said"
done
for page in coinmint coinmint-mint mmbroker mmbroker-withdraw mmredeem mmvendorredeem mmwallet mmwallet-get printwallet; do
    [ -f "$here/share/man/man1/$page.1" ] || fail "$page.1 was not installed"
done
# What a shell would offer.
offered=$(bash -c '. "$1"; COMP_WORDS=(coinmint pl) COMP_CWORD=1; _coinmint coinmint pl coinmint; echo "${COMPREPLY[*]}"' \
    - "$here/share/bash-completion/completions/coinmint")
[ "$offered" = plan ] || fail "coinmint pl<Tab> offers \"$offered\" in bash"

names_documents "$here/lib/systemd/system/micromint-redeem.service"

scripts/test-examples.sh "$root"

uninstalls
echo "the library, the tools and the examples are good where they were installed"
