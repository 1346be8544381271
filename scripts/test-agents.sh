#!/bin/bash
# Programs of others pay on real servers: mppx (library, command line, MCP client), pympp, the crate
# mpp, @x402/fetch, and a crawler that signs its requests with web-bot-auth.
#   scripts/test-agents.sh [FILTER...]    arguments for the test program
# Builds what they need into target/agents and plugins. The versions are those of
# plugins/package-lock.json, plugins/test/requirements.txt and plugins/mpp/Cargo.lock; the packages
# come from their registries. The server modules must be built.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
built=$PWD/target/agents
venv=$built/venv
say() { echo "test-agents: $*"; }

mkdir -p "$built"
say "packages for Node.js"
wanted=$(sha256sum plugins/package-lock.json | cut -d' ' -f1)
if [ "$(cat "$built/node" 2>/dev/null)" != "$wanted" ]; then
    (cd plugins && npm ci --quiet --no-audit --no-fund)
    echo "$wanted" > "$built/node"
fi
(cd plugins && node_modules/.bin/tsc --noEmit --strict --module nodenext --target es2022 \
    --skipLibCheck test/types.ts && node --test test/client.test.mjs)

say "packages for Python"
python=$(command -v /usr/bin/python3 || command -v python3)
wanted=$(cat plugins/test/requirements.txt plugins/pympp/pyproject.toml \
    plugins/pympp/src/micromint_pympp/*.py | sha256sum | cut -d' ' -f1)
if [ "$(cat "$built/python" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check \
        --requirement plugins/test/requirements.txt setuptools wheel
    # Built in a copy, because setuptools writes into the folder.
    rm -rf "$built/pympp"
    cp -r plugins/pympp "$built/pympp"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
        --force-reinstall "$built/pympp"
    echo "$wanted" > "$built/python"
fi

PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=error "$venv/bin/python" plugins/test/test_pympp.py

say "the crate for mpp"
cd plugins/mpp
"$cargo" test --quiet --locked --lib
"$cargo" build --quiet --locked --example pay
cd ../..
"$cargo" build --quiet --package mmwallet

exec "$cargo" test --quiet --package micromint-servers --test agents -- "$@"
