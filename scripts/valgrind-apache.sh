#!/bin/bash
# Runs Apache as one process under valgrind's memcheck, sends requests of every kind, and fails if
# memcheck reports an error with the module in its stack.
#   scripts/valgrind-apache.sh
# Needs apache2, valgrind, curl and `make apache-module`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test -q -p micromint-servers --test apache valgrind -- --ignored --nocapture
