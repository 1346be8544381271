#!/bin/sh
# Checks the Kubernetes manifests against the schema of a Kubernetes version, strictly.
set -eu
cd "$(dirname "$0")/.."
tools=target/kubernetes-validate
if [ ! -x $tools/bin/kubernetes-validate ]; then
    python3 -m venv $tools
    $tools/bin/pip install --quiet kubernetes-validate==1.37.0
fi
$tools/bin/kubernetes-validate --kubernetes-version 1.33 --strict contrib/cluster/kubernetes.yaml
