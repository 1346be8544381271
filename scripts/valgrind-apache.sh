#!/bin/bash
# Runs Apache as one process under valgrind's memcheck, through requests of every kind, and fails if memcheck finds
# anything in which the module takes part.
#   scripts/valgrind-apache.sh
# Needs apache2, valgrind, curl and `make apache-module`.
set -euo pipefail
cd "$(dirname "$0")/.."
module=$PWD/target/apache/mod_micromint.so
[ -f "$module" ] || { echo "no $module: run 'make apache-module' first" >&2; exit 1; }
MICROMINT_VALGRIND=1 cargo test -q -p micromint-servers --test apache valgrind -- --ignored --nocapture
