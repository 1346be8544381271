#!/bin/sh
# Checks the Kubernetes manifest against the schema of one Kubernetes version, in strict mode.
set -eu
cd "$(dirname "$0")/.."
tools=target/kubernetes-validate
if [ ! -x $tools/bin/kubernetes-validate ]; then
    python3 -m venv $tools
    $tools/bin/pip install --quiet kubernetes-validate==1.37.0
fi
exec $tools/bin/kubernetes-validate --kubernetes-version 1.33 --strict \
    contrib/cluster/kubernetes.yaml
