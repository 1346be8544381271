#!/bin/sh
# Checks that comments in Rust have at most 100 columns. rustfmt sees to the code.
#
# Not checked: tables, and lines whose one long word, such as a URL, cannot be broken.
set -eu
cd "$(dirname "$0")/.."
exec python3 - <<'PY'
import re, subprocess, sys

COLUMNS_MAX = 100

faults = []
for path in subprocess.check_output(["git", "ls-files", "*.rs"], text=True).splitlines():
    try:
        lines = open(path, encoding="utf-8").read().splitlines()
    except FileNotFoundError:
        continue
    for number, line in enumerate(lines, 1):
        comment = re.match(r"\s*//[/!]?\s*(.*)", line)
        if not comment or len(line) <= COLUMNS_MAX:
            continue
        words = comment.group(1).split()
        # A comment in a text that a program prints ends with an escape.
        is_table, is_text = words[0].startswith("|"), line.endswith("\\")
        if is_table or is_text or max(map(len, words)) > COLUMNS_MAX // 2:
            continue
        faults.append(f"{path}:{number}: {len(line)} columns, expected at most {COLUMNS_MAX}")
for fault in faults:
    print(f"check-lines: {fault}", file=sys.stderr)
sys.exit(bool(faults))
PY
