#!/bin/bash
# Measures how much longer a mint takes with little memory. Mints one period (t = 8, as many balls
# as bins) with much memory and no limit, then with little memory inside a memory cgroup, which
# counts the page cache too. Compares the times and the files.
#   scripts/bench-memory.sh [BITS] [MUCH] [LITTLE] [CGROUP] [DIRECTORY]
# BITS: 2^BITS bins of 8 bytes, default 27: 1 GiB. The others are sizes; defaults 1152M 128M 160M.
# The sizes 31 18G 2G 2560M are the project's goal: 5 minutes a run on two cores, 34 GB of disk.
# Needs root, for the cgroup (version 1 or 2), and GNU time.
set -eu
cd "$(dirname "$0")/.."
bits=${1:-27} much=${2:-1152M} little=${3:-128M} limit=${4:-160M} directory=${5:-$PWD/target}
coinmint=$PWD/target/release/coinmint
fail() { echo "bench-memory: $*" >&2; exit 1; }
[ -x "$coinmint" ] || fail "$coinmint is missing: cargo build --release"
[ "$(id -u)" = 0 ] || fail "needs root, for the memory cgroup"
[ -x /usr/bin/time ] || fail "GNU time is missing: apt-get install time"

work=$(mktemp -d "$directory/bench-memory.XXXXXX")
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    group=/sys/fs/cgroup/bench-memory.$$ bound=memory.max peak=memory.peak
else
    group=/sys/fs/cgroup/memory/bench-memory.$$
    bound=memory.limit_in_bytes peak=memory.max_usage_in_bytes
fi
mkdir "$group"
end() {
    rm -rf "$work"
    # A group becomes empty only some moments after its last process has ended.
    for _ in $(seq 50); do rmdir "$group" 2>/dev/null && break; sleep 0.1; done
}
trap end EXIT
numfmt --from=iec "$limit" > "$group/$bound"

# The secrets are public and the sizes weak: these coins are only for measuring.
cat > "$work/mint.toml" <<END
coinfile = "bench.coins"
input-key = "000102030405060708090a0b0c0d0e0f"
weak = "allowed"
period = "bench"
hashfn = "des"
iv = "0123456789abcdef"
input-size = $((bits + 8))
output-size = $((bits + 8))
num-fixed-bits = 8
fixed-bits = "a5"
subbin-size = 10
coin-size = 4
start = "2026-12-01T00:00:00Z"
expiration = "2027-01-01T00:00:00Z"
redeem-until = "2027-01-08T00:00:00Z"
broker = "https://broker.example/"
coin-value = "0.01 USD"
END
chmod 600 "$work/mint.toml"

# mint NAME MEMORY [GROUP]: prints the times, writes wall time and checksum to $work/NAME.*
mint() {
    rm -f "$work"/bench.coins "$work"/.bench.coins*
    sync
    # No run benefits from the file cache of the previous one.
    echo 3 > /proc/sys/vm/drop_caches 2>/dev/null || true
    sh -c '[ -z "$1" ] || echo $$ > "$1/cgroup.procs"; shift; exec "$@"' - "${3:-}" \
        /usr/bin/time -o "$work/$1.time" -f '%e %U %S %M' \
        "$coinmint" mint "$work/mint.toml" --memory "$2" >&2
    "$coinmint" info "$work/mint.toml" | sed -n 's/^checksum: *//p' > "$work/$1.checksum"
    read -r wall user system size < "$work/$1.time"
    printf -- '--memory %-6s %8.1f s, processors %8.1f s, process %6d MiB%s\n' "$2" "$wall" \
        "$(awk "BEGIN { print $user + $system }")" $((size / 1024)) \
        "${3:+, cgroup of $limit: $(($(cat "$3/$peak" 2>/dev/null || echo 0) >> 20)) MiB}"
    echo "$wall" > "$work/$1.wall"
}

echo "2^$((bits + 8)) tosses into 2^$bits bins, $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
mint much "$much"
mint little "$little" "$group"
echo "load now $(cut -d' ' -f1 /proc/loadavg)"
cmp "$work/much.checksum" "$work/little.checksum" || fail "the files differ"
awk -v much="$(cat "$work/much.wall")" -v little="$(cat "$work/little.wall")" \
    'BEGIN { printf "little / much memory: %.2f (the goal: at most 2)\n", little / much
             exit little > 2 * much }'
