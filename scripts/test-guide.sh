#!/bin/bash
# Executes the commands of a guide, unchanged, one block after the other:
#   scripts/test-guide.sh docs/guide/nginx.md
# Runs as root, in mount and network namespaces of its own. Changes to /etc, /usr and /var go to an
# overlay that is discarded at the end; servers listen on another loopback interface. Blocks that
# begin with ```sh install are skipped: their packages are installed. Two short scripts stand in for
# sudo and systemctl.
set -euo pipefail
cd "$(dirname "$0")/.."
guide=${1:?usage: $0 GUIDE.md}
fail() { echo "test-guide: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root, or unshare -r"

if [ "${2:-}" != --inside ]; then
    exec unshare --mount --net --propagation private "$0" "$guide" --inside
fi
ip link set lo up
scratch=$(mktemp -d)
mount -t tmpfs tmpfs "$scratch"
for folder in etc usr var; do
    mkdir -p "$scratch/$folder/upper" "$scratch/$folder/work"
    layers=lowerdir=/$folder,upperdir=$scratch/$folder/upper,workdir=$scratch/$folder/work
    mount -t overlay overlay -o "$layers" "/$folder"
done
mkdir -p "$scratch/bin" "$scratch/home" "$scratch/run"
mount --bind "$scratch/run" /run
printf '#!/bin/sh\nexec "$@"\n' > "$scratch/bin/sudo"
cat > "$scratch/bin/systemctl" <<'SH'
#!/bin/sh
[ "$*" = "restart nginx" ] || exit 1
nginx -s quit 2>/dev/null
sleep 0.2
exec nginx
SH
chmod 755 "$scratch/bin/"*
stop() { nginx -s quit 2>/dev/null || true; }
trap stop EXIT

awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0; next } inside' "$guide" \
    > "$scratch/commands"
lines=$(wc -l < "$scratch/commands")
[ "$lines" -gt 20 ] || fail "expected more than 20 lines of commands in $guide, found $lines"
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
HOME=$scratch/home PATH=$scratch/bin:/usr/local/bin:$PATH PROFILE=${PROFILE:-dev} \
    bash -euxo pipefail "$scratch/commands"
echo "test-guide: every command of $guide succeeded"

# The guide leaves redemption to the vendor's service. Run a round of it with the guide's broker, as
# the unit's user, a quarter of an hour later, after another payment.
grep -q 'micromint-vendor.service' "$guide" || exit 0
export PATH=$scratch/bin:/usr/local/bin:$PATH
broker=$scratch/home/broker
echo '<h1>Another</h1>' > /var/www/html/another.html
echo 3 > /var/www/html/another.html.mm
mmwallet --wallet "$broker/alice.wallet" get --autopay 3 http://localhost/another.html |
    grep -q Another
mmbrokerd --config "$broker/broker.toml" &
service=$!
trap 'kill $service; stop' EXIT
for _ in $(seq 100); do
    if curl -fs -o /dev/null http://127.0.0.1:8402/health; then break; fi
    sleep 0.1
done
chown www-data /etc/micromint/periods
setpriv --reuid=www-data --regid=www-data --clear-groups mmvendor sync --once \
    --config /etc/micromint/vendor.toml --broker http://127.0.0.1:8402 \
    --as-of "$(date -u -d '+15 min' +%Y-%m-%dT%H:%M:%SZ)"
mmbroker --config "$broker/broker.toml" account localhost | tee /dev/stderr |
    grep -q 'redeemed: 5 coins'
echo "test-guide: mmvendor sync redeemed the new payment"
