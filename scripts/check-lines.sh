#!/bin/sh
# Checks that comments in Rust, and text in Markdown, have at most 100 columns. rustfmt sees to the
# code.
#
# Not checked: tables, code in Markdown, the texts for the stores, whose lines are pasted as they
# are, and lines with a long word that cannot be broken, such as a URL.
set -eu
cd "$(dirname "$0")/.."
exec python3 - <<'PY'
import re, subprocess, sys

COLUMNS_MAX = 100

def tracked(*patterns):
    listed = subprocess.check_output(["git", "ls-files", *patterns], text=True)
    for path in listed.splitlines():
        try:
            yield path, open(path, encoding="utf-8").read().splitlines()
        except FileNotFoundError:
            continue


def comments(lines):
    """The comments of a Rust file, with the numbers of their lines."""
    for number, line in enumerate(lines, 1):
        comment = re.match(r"\s*//[/!]?\s*(.*)", line)
        # A comment in a text that a program prints ends with an escape.
        if comment and not line.endswith("\\"):
            yield number, line, comment.group(1)


def prose(lines):
    """The lines of a Markdown file that are not code."""
    is_code = False
    for number, line in enumerate(lines, 1):
        if line.startswith("```"):
            is_code = not is_code
        elif not is_code and not line.startswith("    "):
            yield number, line, line.strip()


faults = []
rust = [(path, comments(lines)) for path, lines in tracked("*.rs")]
markdown = [(path, prose(lines)) for path, lines in tracked("*.md", ":!extension/store/listing.*")]
for path, found in rust + markdown:
    for number, line, text in found:
        if len(line) <= COLUMNS_MAX or text.startswith("|"):
            continue
        if max(map(len, text.split())) > COLUMNS_MAX // 2:
            continue
        faults.append(f"{path}:{number}: {len(line)} columns, expected at most {COLUMNS_MAX}")
for fault in faults:
    print(f"check-lines: {fault}", file=sys.stderr)
sys.exit(bool(faults))
PY
