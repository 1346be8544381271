#!/bin/bash
# Installs into an empty folder and looks at everything that lies there, then builds and runs the examples in
# C, Python, PHP and Go against it, and uninstalls.
#   scripts/test-install.sh           the library as it is shipped
#   PROFILE=dev scripts/test-install.sh    what `cargo build` makes: quicker
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "test-install: $*" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tools="coinmint mmbroker mmredeem mmvendorredeem mmwallet printwallet"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
root=$folder/root
here=$root/opt/mm

export PREFIX=/opt/mm DESTDIR=$root
scripts/install.sh > "$folder/said"

# Every file that the list names is there, and no other.
while read -r path; do [ -e "$root$path" ] || fail "$path is missing"; done < "$here/share/micromint/installed"
cmp <(sort "$here/share/micromint/installed") \
    <(cd "$root" && find . ! -type d ! -path ./opt/mm/share/micromint/installed | sed 's/^\.//' | sort) ||
    fail "the list of what was installed is not what lies there"
for file in include/micromint.h lib/libmicromint.{a,so,so.0.1,so.$version} lib/pkgconfig/micromint.pc \
    share/doc/micromint/c-conventions.md; do
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

# Modules, if they were built.
for pair in nginx/ngx_http_micromint_module.so:usr/share/nginx/modules-available/mod-http-micromint.conf \
    apache/mod_micromint.so:etc/apache2/mods-available/micromint.load; do
    module=target/${pair%%:*} load=$root/${pair#*:}
    [ -f "$module" ] || continue
    grep -q "$(basename "$module")" "$load" || fail "$load does not load the module"
done

scripts/test-examples.sh "$root"

scripts/install.sh --uninstall
left=$(find "$root" ! -type d)
[ -z "$left" ] || fail "left after uninstalling: $left"
echo "the library, the tools and the examples are good where they were installed"
