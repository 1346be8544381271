#!/bin/sh
# Checks that every test that docs/internals/attacks.md names exists: `FILE.rs::NAME` is a function
# NAME in one file whose path ends in FILE.rs, `attack:NAME` is an attack of `make attack`. Each
# attack of `make attack` is named there. Each entry above "Not prevented" names a test, except those
# after the line "These have no test of their own:".
set -eu
cd "$(dirname "$0")/.."
exec python3 - <<'PY'
import re, subprocess, sys

PAGE = "docs/internals/attacks.md"
ATTACKS = "micromint/examples/attack/attacks.rs"

page = open(PAGE, encoding="utf-8").read()
tracked = subprocess.run(["git", "ls-files", "--", "*.rs"], capture_output=True, text=True, check=True)
files = tracked.stdout.split()
attacks = set(re.findall(r'name: "([a-z-]+)"', open(ATTACKS, encoding="utf-8").read()))
faults = []

tests = re.findall(r"`([\w/]+\.rs)::(\w+)`", page)
for file, name in tests:
    found = [path for path in files if ("/" + path).endswith("/" + file)]
    if len(found) != 1:
        faults.append(f"{file}: expected one file, found {len(found)}: {', '.join(found)}")
        continue
    if not re.search(rf"\bfn {name}\(", open(found[0], encoding="utf-8").read()):
        faults.append(f"{found[0]} has no test {name}")

named = set(re.findall(r"`attack:([a-z-]+)`", page)) - {"NAME"}
faults += [f"make attack has no line {name}" for name in sorted(named - attacks)]
faults += [f"{PAGE} does not name attack:{name}" for name in sorted(attacks - named)]

is_exempt = False
for section in page.split("\n## ")[1:]:
    for entry in re.split(r"\n(?=- \*\*|\n|### )", section):
        if entry.strip() == "These have no test of their own:":
            is_exempt = True
        elif entry.startswith("- **") and not is_exempt and not re.search(r"\bTests?:\s+`", entry):
            faults.append(f"an entry without a test: {entry[:60]!r}")
    # What is not prevented need not have a test.
    is_exempt = section.startswith("Bounded")

for fault in faults:
    print(fault, file=sys.stderr)
print(f"{len(tests)} tests and {len(named)} attacks are named in {PAGE}")
sys.exit(bool(faults))
PY
