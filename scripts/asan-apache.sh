#!/bin/bash
# Runs the tests of the Apache module, on all three MPMs, with a module that AddressSanitizer watches, and fails if it
# reports anything. First it is proved that a read of freed memory would be reported.
#   scripts/asan-apache.sh [TEST...]
# Needs what `make test-servers` needs, Rust's nightly toolchain (rustup toolchain install nightly: the sanitizer is
# not in the stable one), and a shared runtime of AddressSanitizer: gcc's (Debian: libasan8) or that of MICROMINT_ASAN.
# What Apache keeps in its pools is one block to the sanitizer: overruns between two things of a pool are not seen.
# Leaks are scripts/valgrind-apache.sh's to find.
set -euo pipefail
cd "$(dirname "$0")/.."

runtime=${MICROMINT_ASAN:-$(gcc -print-file-name=libasan.so)}
[ -f "$runtime" ] || { echo "no runtime of AddressSanitizer: set MICROMINT_ASAN" >&2; exit 1; }
runtime=$(readlink -f "$runtime")
out=$PWD/target/asan
build() { # FEATURES PLACE
    # A target is named so that build scripts are not sanitized.
    RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" cargo +nightly build --release --quiet \
        --target-dir "$out" --target x86_64-unknown-linux-gnu --package mod_micromint --features "$1"
    mkdir -p "$out/$2"
    cp "$out/x86_64-unknown-linux-gnu/release/libmod_micromint.so" "$out/$2/mod_micromint.so"
}
build test-panic test
build module shipped

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
chmod 777 "$reports"
# The tests set the clock by libfaketime. It must come before the sanitizer: after it, every process hangs at its start.
cat >"$out/apache2" <<END
#!/bin/sh
export LD_PRELOAD="\${LD_PRELOAD:+\$LD_PRELOAD }$runtime"
export ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0:detect_stack_use_after_return=1:log_path=$reports/report
exec ${MICROMINT_APACHE:-/usr/sbin/apache2} "\$@"
END
chmod 755 "$out/apache2"
export MICROMINT_ASAN_LOGS=$reports
export MICROMINT_APACHE=$out/apache2
export MICROMINT_APACHE_MODULE=$out/shipped/mod_micromint.so
export MICROMINT_APACHE_TEST_MODULE=$out/test/mod_micromint.so

cargo test -q -p micromint-servers --test apache sanitizer -- --ignored
rm -f "$reports"/*
# The guide is carried out with the Apache of the system, and memory that a restart leaves is more with a sanitizer.
cargo test -q -p micromint-servers --test apache -- --skip guide --skip leak_nothing "$@"
if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/* >&2
    exit 1
fi
echo "AddressSanitizer has reported nothing"
