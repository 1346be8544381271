#!/bin/bash
# Executes the commands of a guide, as they stand, one block after the other:
#   scripts/test-guide.sh docs/guide/nginx.md
# as root, in a mount and network namespace of its own: what they change in /etc, /usr and /var is laid over the
# machine's files and gone afterwards, and their servers listen on another loopback interface. Blocks that begin
# with ```sh install are left out: what they install is there. sudo and systemctl are played by two lines of sh.
set -euo pipefail
cd "$(dirname "$0")/.."
guide=${1:?usage: $0 GUIDE.md}
[ "$(id -u)" = 0 ] || { echo "test-guide: run it as root, or in unshare -r" >&2; exit 1; }

if [ "${2:-}" != --inside ]; then
    exec unshare --mount --net --propagation private "$0" "$guide" --inside
fi
ip link set lo up
scratch=$(mktemp -d)
mount -t tmpfs tmpfs "$scratch"
for folder in etc usr var; do
    mkdir -p "$scratch/$folder/upper" "$scratch/$folder/work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$scratch/$folder/upper,workdir=$scratch/$folder/work" "/$folder"
done
mkdir -p "$scratch/bin" "$scratch/home" "$scratch/run"
mount --bind "$scratch/run" /run
printf '#!/bin/sh\nexec "$@"\n' > "$scratch/bin/sudo"
printf '#!/bin/sh\n[ "$*" = "restart nginx" ] && { nginx -s quit 2>/dev/null; sleep 0.2; exec nginx; }\nexit 1\n' > "$scratch/bin/systemctl"
chmod 755 "$scratch/bin/"*
stop() { nginx -s quit 2>/dev/null || true; }
trap stop EXIT

awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0; next } inside' "$guide" > "$scratch/commands"
[ "$(wc -l < "$scratch/commands")" -gt 20 ] || { echo "test-guide: hardly a command in $guide" >&2; exit 1; }
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
HOME=$scratch/home PATH=$scratch/bin:/usr/local/bin:$PATH PROFILE=${PROFILE:-dev} \
    bash -euxo pipefail "$scratch/commands"
echo "test-guide: every command of $guide did what it says"

# What the guide leaves to a timer: the round of micromint-redeem.service, as it stands in the unit, as its user, a quarter of
# an hour later, with a payment that came in since.
grep -q 'micromint-redeem.timer' "$guide" || exit 0
unit=/usr/local/lib/systemd/system/micromint-redeem.service
faketime=$(find /usr/lib -name libfaketime.so.1 -print -quit)
[ -n "$faketime" ] || { echo "test-guide: install libfaketime" >&2; exit 1; }
export PATH=$scratch/bin:/usr/local/bin:$PATH
round() {
    local script
    script=$(sed -n '/^ExecStart=/,/[^\\]$/p' "$unit" | sed "1s/^ExecStart=.bin.sh -c '//; \$s/'\$//; s/\\\\\$//; s/[$][$]/\$/g")
    (cd /var/lib/micromint && umask 077 && setpriv --reuid=www-data --regid=www-data --clear-groups \
        env "LD_PRELOAD=$faketime" FAKETIME=+15m FAKETIME_DISABLE_SHM=1 sh -c "$script")
}
broker=$scratch/home/broker
coins=$broker/$(date -u +%Y-%m).coins
echo '<h1>Another</h1>' > /var/www/html/another.html
echo 3 > /var/www/html/another.html.mm
mmwallet --wallet "$broker/alice.wallet" get --autopay 3 http://localhost/another.html | grep -q Another
cat > /etc/micromint/send-batch <<SH
#!/bin/sh -e
cat > $broker/sent.mm
echo . >> $broker/rounds
mmredeem --coinfile $coins --out $broker/sent.result $broker/sent.mm >&2
cat $broker/sent.result
SH
chmod 755 /etc/micromint/send-batch "$scratch" "$scratch/home"
chown -R www-data "$broker"
round
round
[ "$(wc -l < "$broker/rounds")" = 1 ] || { echo "test-guide: expected one batch, sent $(wc -l < "$broker/rounds")" >&2; exit 1; }
mmbroker account --coinfile "$coins" localhost | tee /dev/stderr | grep -q 'redeemed: 5 coins'
echo "test-guide: $unit redeemed what had come in"
