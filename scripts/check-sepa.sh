#!/bin/sh
# Checks the example of a payout run against the schema pain.001.001.09, which the Python package
# sepaxml brings. A test of mmbrokerd checks that the broker writes this very file.
set -eu
cd "$(dirname "$0")/.."
tools=target/sepa
if [ ! -x $tools/bin/xmlschema-validate ]; then
    python3 -m venv $tools
    $tools/bin/pip install --quiet sepaxml==2.7.0 xmlschema==4.1.0
fi
schema=$(ls $tools/lib/python3*/site-packages/sepaxml/schemas/pain.001.001.09.xsd)
exec $tools/bin/xmlschema-validate --schema "$schema" tools/mmbrokerd/tests/shop/payout.xml
