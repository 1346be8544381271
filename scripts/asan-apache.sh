#!/bin/bash
# Runs the tests of the Apache module on all three MPMs with a module built with AddressSanitizer,
# and fails if it reports anything. First a test proves that a read of freed memory would be
# reported.
#   scripts/asan-apache.sh [TEST...]
# Needs what `make test-servers` needs, Rust's nightly toolchain (rustup toolchain install nightly:
# the stable one has no sanitizer), and a shared runtime of AddressSanitizer: gcc's (Debian:
# libasan8) or the one that MICROMINT_ASAN names. An Apache pool is one block to the sanitizer: it
# does not see overruns inside a pool. scripts/valgrind-apache.sh finds leaks.
set -euo pipefail
cd "$(dirname "$0")/.."

runtime=${MICROMINT_ASAN:-$(gcc -print-file-name=libasan.so)}
if [ ! -f "$runtime" ]; then
    echo "asan-apache: no AddressSanitizer runtime: set MICROMINT_ASAN" >&2
    exit 1
fi
runtime=$(readlink -f "$runtime")
out=$PWD/target/asan
target=x86_64-unknown-linux-gnu
build() { # FEATURES FOLDER
    # With --target, build scripts are built without the sanitizer.
    RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes" \
        cargo +nightly build --release --quiet --target-dir "$out" --target $target \
        --package mod_micromint --features "$1"
    mkdir -p "$out/$2"
    cp "$out/$target/release/libmod_micromint.so" "$out/$2/mod_micromint.so"
}
build test-panic test
build module shipped

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
chmod 777 "$reports"
# The tests set the clock with libfaketime. It must be loaded before the sanitizer; after it, every
# process hangs when it starts.
cat >"$out/apache2" <<END
#!/bin/sh
export LD_PRELOAD="\${LD_PRELOAD:+\$LD_PRELOAD }$runtime"
ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0:detect_stack_use_after_return=1
export ASAN_OPTIONS=\$ASAN_OPTIONS:log_path=$reports/report
exec ${MICROMINT_APACHE:-/usr/sbin/apache2} "\$@"
END
chmod 755 "$out/apache2"
export MICROMINT_ASAN_LOGS=$reports
export MICROMINT_APACHE=$out/apache2
export MICROMINT_APACHE_MODULE=$out/shipped/mod_micromint.so
export MICROMINT_APACHE_TEST_MODULE=$out/test/mod_micromint.so

cargo test -q -p micromint-servers --test apache sanitizer -- --ignored
rm -f "$reports"/*
# The guide runs the system's Apache, and a restart leaves more memory with a sanitizer.
cargo test -q -p micromint-servers --test apache -- --skip guide --skip leak_nothing "$@"
if [ -n "$(ls "$reports")" ]; then
    cat "$reports"/* >&2
    exit 1
fi
echo "asan-apache: AddressSanitizer reported nothing"
