#!/bin/bash
# Runs Apache as one process under valgrind's memcheck, through requests of every kind, and fails if memcheck finds
# anything in which the module takes part.
#   scripts/valgrind-apache.sh
# Needs apache2, valgrind, curl and `make apache-module`.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test -q -p micromint-servers --test apache valgrind -- --ignored --nocapture
