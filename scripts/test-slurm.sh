#!/bin/bash
# Mints a small period as Slurm job arrays on this host and compares the coin file with that of a
# single process. Needs root and Debian's slurm-wlm. Starts its own munge and Slurm, on free ports
# and in a folder of their own, and stops them at the end.
#   scripts/test-slurm.sh [COINMINT]
set -eu
cd "$(dirname "$0")/.."
coinmint=$(realpath "${1:-target/debug/coinmint}")
fail() { echo "test-slurm: $*" >&2; exit 1; }
[ -x "$coinmint" ] || fail "$coinmint is missing: cargo build -p coinmint"
[ "$(id -u)" = 0 ] || fail "needs root, for munge and Slurm"
for program in munged slurmctld slurmd sbatch squeue scontrol; do
    command -v $program >/dev/null || fail "$program is missing: apt-get install slurm-wlm"
done

work=$(mktemp -d /tmp/test-slurm.XXXXXX)
cluster=$PWD/contrib/cluster
end() {
    status=$?
    for name in slurmd slurmctld munged; do
        [ ! -s "$work/$name.pid" ] || kill "$(cat "$work/$name.pid")" 2>/dev/null || true
    done
    for _ in $(seq 50); do
        alive=no
        for name in slurmd slurmctld munged; do
            [ -s "$work/$name.pid" ] || continue
            if kill -0 "$(cat "$work/$name.pid")" 2>/dev/null; then alive=yes; fi
        done
        [ $alive = no ] && break
        sleep 0.1
    done
    if [ $status -ne 0 ]; then
        tail -n 20 "$work"/*.log "$work"/mint/*.log 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap end EXIT

ports=$(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])
PY
)
read -r port_ctld port_d <<<"$ports"
host=$(hostname -s)
mkdir -m 700 "$work/state" "$work/spool"
mkdir "$work/mint"
chmod 755 "$work"
head -c 128 /dev/urandom >"$work/munge.key"
chmod 400 "$work/munge.key"
munged --force --key-file="$work/munge.key" --socket="$work/munge.socket" \
    --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munge.seed"

export SLURM_CONF=$work/slurm.conf
cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port_ctld
SlurmdPort=$port_d
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MailProg=/bin/true
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
SchedulerParameters=sched_interval=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld
slurmd
for _ in $(seq 100); do
    sinfo -h -o %T 2>/dev/null | grep -q idle && break
    sleep 0.2
done
sinfo -h -o %T | grep -q idle || fail "the node did not become idle"

cd "$work/mint"
"$coinmint" init --profile test --period 2026-12 --weak -o mint.toml >/dev/null 2>&1
# DES, 2^22 tosses for 2^14 bins.
sed -i -e 's/^input-size = .*/input-size = 22/' -e 's/^output-size = .*/output-size = 20/' \
    -e 's/^subbin-size = .*/subbin-size = 5/' -e 's/^num-fixed-bits = .*/num-fixed-bits = 6/' \
    -e 's/^fixed-bits = .*/fixed-bits = "00"/' mint.toml
"$coinmint" mint mint.toml --threads 2
mv 2026-12.coins expected.coins

export COINMINT=$coinmint MEMORY=32M
shards=$(sbatch --parsable --array=1-5 "$cluster/mint.sbatch" "$PWD/mint.toml")
merge=$(sbatch --parsable --dependency="afterok:$shards" --array=1-3 \
    "$cluster/merge.sbatch" "$PWD/mint.toml")
for _ in $(seq 300); do
    left=$(squeue -h -j "$shards,$merge" 2>/dev/null | wc -l)
    [ "$left" = 0 ] && break
    sleep 0.4
done
cat coinmint-*.log
cmp 2026-12.coins expected.coins
"$coinmint" verify mint.toml
echo "test-slurm: 5 shards and 3 parts made the same file as one process"
