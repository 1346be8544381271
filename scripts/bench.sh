#!/bin/sh
# Prints one table of this machine's rates: our kernels, placing and checking coins, then the DES of
# other programs if they are installed: OpenSSL (headers and a C compiler), John the Ripper,
# hashcat. Takes two to three minutes.
#   scripts/bench.sh [OPTIONS of micromint/benches/kernels.rs]
set -eu
cd "$(dirname "$0")/.."
${CARGO:-cargo} bench --quiet -p micromint --bench kernels -- "$@"

row() { printf '%-34s%12.2f\n' "$1" "$(awk "BEGIN { print ($2) / 1e6 }")"; }
printf '\n%-34s%12s\n' "Others, DES: million keys a second" "1 thread"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if cc -O3 -o "$work/openssl_des" micromint/benches/openssl_des.c -lcrypto 2> "$work/errors"; then
    version=$(openssl version 2>/dev/null | cut -d' ' -f2)
    row "  OpenSSL $version" "$("$work/openssl_des" 1)"
else
    echo "  OpenSSL: no headers or no compiler (apt-get install gcc libssl-dev)"
fi

# John counts candidates: one DES each with LM, 25 with descrypt. Its "virtual" rate is per second
# of processor time.
john=$(command -v john || command -v /usr/sbin/john || true)
rate() {
    OMP_NUM_THREADS=1 HOME=$work "$john" --test=1 --format="$1" 2>/dev/null |
        sed -n "s|^$2:.*real, \([0-9]*\)\(K*\).*virtual.*|\1 \2|p" |
        sed 's/ K/000/; s/ //' | head -1
}
if [ -n "$john" ]; then
    build=$("$john" --test=0 --format=lm 2>/dev/null | sed -n 's/.*\[\(.*\)\].*/\1/p' || true)
    lm=$(rate lm Raw) descrypt=$(rate descrypt 'Many salts')
    [ -z "$lm" ] || row "  john, LM ($build)" "$lm"
    [ -z "$descrypt" ] || row "  john, descrypt x 25" "$descrypt * 25"
else
    echo "  john: not installed"
fi

if command -v hashcat > /dev/null; then
    hashcat -b -m 14000 --machine-readable 2>/dev/null | awk -F: '/:14000:/ {
        printf "  %-32s%12.2f\n", "hashcat, mode 14000, its device " $1, $NF / 1e6 }'
else
    echo "  hashcat: not installed"
fi
