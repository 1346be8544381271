#!/bin/bash
# Tests the bindings: their own tests, the cases of testdata/cases over HTTP, attacks, the guides.
#   scripts/test-bindings.sh
#   MICROMINT_BINDINGS="go ruby" scripts/test-bindings.sh    some languages
# Builds what they need into target/bindings. Python packages and those of Node.js come from their
# registries.
set -euo pipefail
cd "$(dirname "$0")/.."

built=$PWD/target/bindings
all="python php go node ruby"
export MICROMINT_BINDINGS=${MICROMINT_BINDINGS:-$all}
is_selected() { [[ " $MICROMINT_BINDINGS " == *" $1 "* ]]; }
say() { echo "test-bindings: $*"; }

bindings/generate.py --check
mkdir -p "$built/lib" "$built/pkgconfig"
"${CARGO:-cargo}" build --quiet --package micromint-ffi
cp target/debug/libmicromint.a "$built/lib/"
scripts/link-c.sh "$built/lib"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
sed -e "s|@PREFIX@|$PWD|" -e "s|@LIBDIR@|$built/lib|" -e "s|@VERSION@|$version|" \
    micromint-ffi/micromint.pc.in > "$built/pkgconfig/micromint.pc"
export MICROMINT_LIBRARY=$built/lib/libmicromint.so
export PKG_CONFIG_PATH=$built/pkgconfig CGO_LDFLAGS="-Wl,-rpath,$built/lib"
export GOFLAGS=-mod=mod GOPROXY=off NODE_PATH=$built/node/node_modules

if is_selected python; then
    say python
    python=$(command -v /usr/bin/python3 || command -v python3)
    [ -e "$built/venv/bin/uvicorn" ] || {
        "$python" -m venv "$built/venv"
        "$built/venv/bin/pip" install --quiet --disable-pip-version-check \
            --requirement bindings/python/conformance/requirements.txt setuptools wheel
    }
    # The wheel with the library inside, in an environment that has nothing else.
    PATH=$built/venv/bin:$PATH scripts/build-wheel.sh "$MICROMINT_LIBRARY" > "$built/wheel"
    rm -rf "$built/fresh"
    "$python" -m venv "$built/fresh"
    for pip in "$built/fresh/bin/pip" "$built/venv/bin/pip"; do
        "$pip" install --quiet --disable-pip-version-check --no-deps --no-index --force-reinstall \
            "$(cat "$built/wheel")"
    done
    env -u MICROMINT_LIBRARY PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=error \
        "$built/fresh/bin/python" -m unittest discover --quiet -s bindings/python/tests
    PYTHONDONTWRITEBYTECODE=1 "$built/venv/bin/python" -m unittest discover --quiet \
        -s bindings/python/tests -p test_django.py
    (cd bindings/python && "$built/venv/bin/mypy" --cache-dir "$built/mypy" src)
fi
if is_selected php; then
    say php
    php -d ffi.enable=true bindings/php/tests/run.php
fi
if is_selected go; then
    say go
    [ -z "$(gofmt -l bindings/go)" ] || { say "run gofmt on bindings/go"; exit 1; }
    (cd bindings/go && go vet ./... && go test ./... && go build -o "$built/go-conformance" ./conformance)
fi
if is_selected node; then
    say node
    mkdir -p "$built/node"
    [ -d "$built/node/node_modules/fastify" ] || {
        cp bindings/node/package.json "$built/node/"
        npm install --prefix "$built/node" --silent --no-audit --no-fund --no-package-lock
        ln -sfn "$PWD/bindings/node" "$built/node/node_modules/micromint"
    }
    node --test bindings/node/test/
    "$built/node/node_modules/.bin/tsc" --noEmit --strict --skipLibCheck --lib es2022 \
        bindings/node/lib/index.d.ts
fi
if is_selected ruby; then
    say ruby
    ruby -w -Ibindings/ruby/lib bindings/ruby/test/test_micromint.rb
fi
# One application after the other: each test starts several.
"${CARGO:-cargo}" test --quiet --package micromint-servers --test bindings
