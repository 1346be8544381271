#!/bin/bash
# Executes the commands of a guide, as they stand, one block after the other:
#   scripts/test-guide.sh docs/nginx-guide.md
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
