"""What the conformance applications share: terms and content that the fields of a request ask for
(tests/src/bindings.rs describes them)."""

import json
import os
import sys
import threading

from micromint import File, Paywall, Terms

FOLDER = os.environ["MICROMINT_CASES_FOLDER"]
_opened, _lock = {}, threading.Lock()


def log(*words):
    sys.stderr.write(" ".join(map(str, words)) + "\n")
    sys.stderr.flush()


def event(line):
    """The log of requests, which fails for a page that costs seven coins."""
    log(line)
    if " price=7 " in line:
        raise RuntimeError("the log fails")


def vendor(name, make):
    """The application of a vendor, which ``make`` makes of its paywall once."""
    with _lock:
        if name not in _opened:
            _opened[name] = make(Paywall(f"{FOLDER}/{name}/vendor.toml", log=lambda _, line: log(line)))
        return _opened[name]


def terms(field):
    """The terms that the fields of a request ask for; ``field`` returns the value of one."""
    file = (field("X-Case-File") or "").split(" ")
    return Terms(
        price=int(field("X-Case-Price") or "0"),
        free_views=int(field("X-Case-Free-Views") or "0"),
        receipt_path=field("X-Case-Receipt-Path"),
        is_dry_run=field("X-Case-Dry-Run") == "1",
        charges_redirects=field("X-Case-Redirects") == "1",
        file=File(file[0], int(file[1]), int(file[2])) if len(file) == 3 else None,
    )


def content(field, method, size, names):
    """What the content does, its status and its fields."""
    what = field("X-Case-Content") or "200"
    fields = [tuple(pair) for pair in json.loads(field("X-Case-Content-Headers") or "[]")]
    fields.append(("X-Seen", f"{method} {size} {','.join(names)}"))
    return what, int(what) if what.isdigit() else 200, fields
