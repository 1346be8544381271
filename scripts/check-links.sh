#!/bin/sh
# Every relative link of every page leads to a file, every #section of it to a heading, and every path in
# backquotes that begins with a folder of this repository stands there.
set -eu
cd "$(dirname "$0")/.."
exec python3 - $(git ls-files '*.md') <<'PY'
import os, re, subprocess, sys

tracked = set(subprocess.check_output(["git", "ls-files"], text=True).split("\n"))
folders = {"/".join(path.split("/")[:n]) for path in tracked for n in range(1, path.count("/") + 1)}

def headings(path):
    text = re.sub(r"^```.*?^```", "", open(path, encoding="utf-8").read(), flags=re.M | re.S)
    slug = lambda words: re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
    return {slug(line) for line in re.findall(r"^#+ +(.*?) *$", text, flags=re.M)}

def faults(page):
    text = open(page, encoding="utf-8").read()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, section = link.partition("#")
        target = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
        if target not in tracked and target not in folders:
            yield f"link to {link}: there is no {target}"
        elif section and section not in headings(target):
            yield f"link to {link}: no such heading in {target}"
    tops = "|".join(sorted({re.escape(folder.split("/")[0]) for folder in folders}))
    for path in re.findall(rf"`((?:{tops})/[\w./-]*)`", text):
        if path.rstrip("/") not in tracked and path.rstrip("/") not in folders:
            yield f"`{path}`: there is no such file or folder"

found = [f"{page}: {fault}" for page in sys.argv[1:] for fault in faults(page)]
print("\n".join(found), file=sys.stderr, end="\n" if found else "")
sys.exit(1 if found else 0)
PY
