#!/bin/bash
# Installs into an empty folder, checks every file there, builds and runs the examples in C and the
# Python package with them, and uninstalls.
#   scripts/test-install.sh                the release profile
#   PROFILE=dev scripts/test-install.sh    the development profile, which builds faster
#   scripts/test-install.sh --modules      the modules and the units, where a Debian package would
#                                          install them: nginx, Apache and systemd read them there
#                                          (after make nginx-module apache-module)
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "test-install: $*" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tools="coinmint mmvendor mmwallet printwallet"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
root=$folder/root
here=$root/opt/mm

# installs PREFIX: installs and checks that the list names exactly the files that are there.
installs() {
    export PREFIX=$1 DESTDIR=$root
    local list=$1/share/micromint/installed path
    scripts/install.sh > "$folder/said"
    while read -r path; do [ -e "$root$path" ] || fail "$path is missing"; done < "$root$list"
    cmp <(sort "$root$list") \
        <(cd "$root" && find . ! -type d ! -path ".$list" | sed 's/^\.//' | sort) ||
        fail "$list does not list exactly the installed files"
}
# No file is left, and no folder of ours.
uninstalls() {
    scripts/install.sh --uninstall
    local left
    left=$(find "$root" ! -type d; find "$root" -type d -name micromint)
    [ -z "$left" ] || fail "left after uninstalling: $left"
}
# names_documents FILE: every installed document that FILE names exists.
names_documents() {
    local named
    named=$(grep -o '/[a-z/]*/share/doc/micromint/[a-z/-]*\.md' "$1") || fail "$1 names no document"
    [ -f "$root$named" ] || fail "$1 names $named, which was not installed"
}

if [ "${1:-}" = --modules ]; then
    for module in nginx/ngx_http_micromint_module.so apache/mod_micromint.so; do
        [ -f "target/$module" ] || fail "no target/$module: run 'make nginx-module apache-module'"
    done
    LIBDIR=/usr/lib/$(cc -print-multiarch)
    export LIBDIR
    installs /usr

    # nginx as Debian configures it: nginx's folder `modules` is a link that another package
    # installs.
    available=usr/share/nginx/modules-available/mod-http-micromint.conf
    for path in "$available" usr/lib/nginx/modules/ngx_http_micromint_module.so; do
        [ -f "$root/$path" ] || fail "/$path was not installed"
    done
    mkdir -p "$folder/nginx"
    ln -s "$root/usr/lib/nginx/modules" "$folder/nginx/modules"
    printf '%s\n' "include $root/$available;" "pid $folder/nginx/pid;" "events { }" \
        "http { access_log off; server { listen unix:$folder/nginx/socket;" \
        "location / { micromint off; } } }" > "$folder/nginx/nginx.conf"
    nginx -t -q -e stderr -p "$folder/nginx" -c nginx.conf || fail "nginx does not load the module"

    # Apache with the files that a2enmod would link, and the module in DESTDIR.
    mods=$root/etc/apache2/mods-available
    module=$(awk '$1 == "LoadModule" { print $3 }' "$mods/micromint.load")
    expected=/usr/lib/apache2/modules/mod_micromint.so
    [ "$module" = $expected ] || fail "micromint.load: expected $expected, found $module"
    [ -f "$root$module" ] || fail "$module was not installed"
    sed "s| /usr/lib| $root/usr/lib|" "$mods/micromint.load" > "$folder/micromint.load"
    cat > "$folder/apache.conf" <<END
ServerName localhost
PidFile $folder/apache.pid
ErrorLog $folder/apache.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
Include $folder/micromint.load
Include $mods/micromint.conf
MicroMint Off
END
    apache2 -t -f "$folder/apache.conf" 2>"$folder/apache" ||
        fail "Apache does not load the module: $(cat "$folder/apache")"

    # The folder of the units that packages install.
    for unit in micromint-vendor.service micromint-broker.service; do
        # The programs are below DESTDIR.
        file=$folder/$unit
        sed "s|^ExecStart=/usr|ExecStart=$root/usr|" \
            "$root/usr/lib/systemd/system/$unit" > "$file"
        [ -x "$root/usr/bin/mmbrokerd" ] || sed -i "s|^ExecStart=[^ ]*/mmbrokerd|ExecStart=/bin/true|" "$file"
        said=$(systemd-analyze verify "$file" 2>&1) || fail "$unit: $said"
        [ -z "$said" ] || fail "$unit: $said"
        names_documents "$root/usr/lib/systemd/system/$unit"
    done
    names_documents "$mods/micromint.conf"
    [ -f "$root/usr/share/zsh/vendor-completions/_mmwallet" ] ||
        fail "no completions in the folder of Debian's zsh"
    [ -f "$root$LIBDIR/libmicromint.so.0.1" ] || fail "the library is not in $LIBDIR"
    uninstalls
    echo "test-install: nginx, Apache and systemd read the files installed as Debian would"
    exit 0
fi

export MODULES=no
installs /opt/mm
for file in include/micromint.h lib/libmicromint.{a,so,so.0.1,so.$version} \
    lib/pkgconfig/micromint.pc lib/systemd/system/micromint-{broker,vendor}.service \
    share/doc/micromint/reference/c-conventions.md; do
    [ -f "$here/$file" ] || fail "$file was not installed"
done
nm -D "$here/lib/libmicromint.so" | grep -q micromint_test &&
    fail "the library exports functions of the tests"

# The documents, in the folders that the links of README.md lead to.
docs=$here/share/doc/micromint
while read -r page; do
    [ -f "$docs/$page" ] || fail "README.md links to $page, which was not installed"
done < <(sed 's/](/\n](/g' "$docs/README.md" |
    sed -n 's/^](\(\(guide\|reference\|internals\)\/[^)#]*\).*/\1/p')

# The broker's programs are installed where they were built.
if [ -x "$here/bin/mmbrokerd" ]; then
    tools="$tools mmbroker mmbrokerd mmredeem"
    [ -f "$here/share/man/man1/mmbroker-withdraw.1" ] || fail "mmbroker-withdraw.1 is missing"
fi

# Tools: they run, and their shells and man accept completions and pages.
for tool in $tools; do
    said=$("$here/bin/$tool" --version)
    [ "$said" = "$tool $version" ] || fail "$tool --version: expected $version, found $said"
    bash -n "$here/share/bash-completion/completions/$tool"
    zsh -n "$here/share/zsh/site-functions/_$tool"
    fish --no-execute "$here/share/fish/vendor_completions.d/$tool.fish"
done
for page in "$here"/share/man/man1/*.1 micromint-ffi/man/*.3; do
    lexgrog "$page" >/dev/null || fail "$page has no line for whatis"
    said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 \
        man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    [ -z "$said" ] || fail "$page: $said"
done
for page in coinmint coinmint-mint mmvendor mmvendor-check mmwallet mmwallet-get printwallet; do
    [ -f "$here/share/man/man1/$page.1" ] || fail "$page.1 was not installed"
done
# Every function of the library has a page, which shows its declaration.
for function in $(nm -D --defined-only "$here/lib/libmicromint.so" |
    sed -n 's/.* T \(micromint_[a-z_]*\).*/\1/p'); do
    [ -f "$here/share/man/man3/$function.3" ] || fail "$function.3 was not installed"
done
said=$(LC_ALL=C.UTF-8 MANWIDTH=80 man -M "$here/share/man" 3 micromint_paywall_look 2>&1)
grep -q 'micromint_status micromint_paywall_look(' <<<"$said" ||
    fail "man micromint_paywall_look: $said"

# shellcheck disable=SC2016 # the variables of the inner shell
offered=$(bash -c '. "$1"; COMP_WORDS=(coinmint pl) COMP_CWORD=1
    _coinmint coinmint pl coinmint; echo "${COMPREPLY[*]}"' \
    - "$here/share/bash-completion/completions/coinmint")
[ "$offered" = plan ] || fail "coinmint pl<Tab> in bash: expected plan, found \"$offered\""

names_documents "$here/lib/systemd/system/micromint-vendor.service"

scripts/test-examples.sh "$root"

uninstalls
echo "test-install: the installed library, tools and examples work"
