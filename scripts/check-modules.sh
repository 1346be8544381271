#!/bin/sh
# Checks that the core's rooms, and the modules inside the larger rooms, depend on each other
# in one direction only, and that only `host` and the listed files use the operating system.
#
# A room (a module of micromint/src/lib.rs) uses only rooms that come before it in ORDER. In the
# rooms of WITHIN, the graph of the inner modules has no cycle; submodules count as part of their
# module. Test code is not checked.
set -eu
cd "$(dirname "$0")/.."
exec python3 - <<'PY'
import os, re, sys

SOURCE = "micromint/src"
# Rooms from the ground up.
ORDER = """
    error reply time bytes hex percent threads money text_file host journal toml_file
    bin hash period params host_name identity coin
    authenticator file_kind key_file owner
    protocol scheme
    coin_file minting
    broker wallet till vendor
""".split()
# Rooms whose inner modules are checked too.
WITHIN = """
    hash host journal params owner protocol scheme minting broker wallet till vendor
""".split()
# Allowed pairs (user, used), each with its reason. The script reports pairs that no longer occur.
NUMBERS = "files and messages share one reader of decimal numbers, protocol::parse_decimal"
EXCEPTIONS = {
    ("params", "protocol"): NUMBERS,
    ("money", "protocol"): NUMBERS,
}
# What belongs to the operating system. The room `host` has it, and of the others these files, each
# with its reason. docs/internals/decisions.md (No ambient state) explains them.
SYSTEM = re.compile(
    r"\bstd::(?:fs|env|process|os::unix::(?:fs|net))\b|\brustix::|\bthread::(?:Builder|spawn|scope)\b"
    r"|\b(?:SystemTime|Instant)\b|\bTcp(?:Stream|Listener)\b|\.(?:is_dir|is_file|canonicalize)\(\)"
)
SITE = "the files of a site: their kinds, links and permissions"
THREADS = "threads"
SYSTEM_USERS = {
    "threads": THREADS,
    "till/syncing": THREADS,
    "toml_file": "a better message where a folder has the name",
    "vendor/inspection": SITE,
    "vendor/price": SITE,
    "vendor/price_files": SITE,
    "vendor/paywall/folder": "the folder of a first start, with its mode and owner",
}

def code_of(text):
    """The text without comments, strings and inline test modules."""
    text = re.sub(r'r(#+)".*?"\1|//[^\n]*|/\*.*?\*/|b?"(?:\\.|[^"\\])*"', '""', text, flags=re.S)
    test = re.compile(r"#\[cfg\((?:test|all\(test)[^\n]*\]\s*(?:pub(?:\([^)]*\))?\s+)?mod \w+ \{")
    while found := test.search(text):
        depth, at = 1, found.end()
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        text = text[:found.start()] + text[at:]
    # A test function of an implementation, or an import for tests.
    return re.sub(r"#\[cfg\(test\)\]\s*use [^;]*;", "", text)

def is_test(path):
    parts = path[len(SOURCE) + 1:-3].split("/")
    return parts[0] == "testing" or any(re.fullmatch(r"(\w+_)?tests?", part) for part in parts)

def leaves(tree):
    """The paths in a use tree: `a::{b, c::d}` contains a::b and a::c::d."""
    tree = re.sub(r"\s+as\s+\w+", "", tree).strip()
    brace = tree.find("{")
    if brace < 0:
        return [tree]
    parts, depth, start = [], 0, brace + 1
    for at in range(brace + 1, tree.rindex("}") + 1):
        depth += {"{": 1, "}": -1}.get(tree[at], 0)
        if (tree[at] == "," and depth == 0) or at == tree.rindex("}"):
            parts.append(tree[start:at])
            start = at + 1
    return [tree[:brace] + leaf for part in parts if part.strip() for leaf in leaves(part)]

def absolute(path, module):
    """`crate::…`, `super::…` or `self::…` as a path from the root; None for other crates."""
    names = path.replace(" ", "").split("::")
    if names[0] == "crate":
        return names[1:]
    if names[0] not in ("super", "self"):
        return None
    base = list(module)
    while names and names[0] in ("super", "self"):
        if names.pop(0) == "super":
            base.pop()
    return base + names

faults, allowed, users = [], set(), set()

# The code and the absolute paths of every file, by module.
modules = {}
for folder, _, names in os.walk(SOURCE):
    for name in names:
        path = f"{folder}/{name}"
        if not name.endswith(".rs") or is_test(path) or path == f"{SOURCE}/lib.rs":
            continue
        module = tuple(path[len(SOURCE) + 1:-3].split("/"))
        code = code_of(open(path, encoding="utf-8").read())
        if module[0] != "host" and (found := SYSTEM.search(code)):
            names = ["/".join(module[:length]) for length in range(1, len(module) + 1)]
            users |= {name for name in names if name in SYSTEM_USERS}
            if not any(name in SYSTEM_USERS for name in names):
                faults.append(f"{names[-1]}: uses {found.group(0)}, which is for `host`")
        used, exported = [], {}
        def of_use(found):
            for leaf in leaves(found.group(2)):
                target = absolute(leaf, module)
                # `pub use child::Item` in a facade is a re-export, not a use.
                parts = re.sub(r"\s|^self::", "", leaf.strip()).split("::")
                if found.group(1) and parts[0] not in ("crate", "super"):
                    exported[parts[-1]] = parts[0]
                elif target:
                    used.append(target)
            return ""
        rest = re.sub(r"\b(pub(?:\([^)]*\))?\s+)?use ([^;]+);", of_use, code)
        for found in re.finditer(r"\b(?:crate|super|self)(?:::\w+)+", rest):
            used.append(absolute(found.group(0), module))
        modules[module] = (used, exported)

def add(graph, user, target, module):
    if user != target:
        graph.setdefault((user, target), set()).add("/".join(module))

def fault(pair, what, files):
    if pair in EXCEPTIONS:
        allowed.add(pair)
    else:
        faults.append(f"{what} (in {', '.join(sorted(files))})")

# Rooms.
rooms = {module[0] for module in modules}
graph = {}
for module, (used, _) in modules.items():
    for target in used:
        if target and target[0] in rooms:
            add(graph, module[0], target[0], module)
for room in sorted(rooms - set(ORDER)):
    if room != "testing":
        faults.append(f"{room}: expected in ORDER of this script")
for (user, target), files in sorted(graph.items()):
    if user in ORDER and target in ORDER and ORDER.index(target) > ORDER.index(user):
        fault((user, target), f"{user} uses {target}, which comes after it in ORDER", files)

# Modules inside a room.
def cycles(edges):
    """The strongly connected components of more than one node."""
    nodes = {node for edge in edges for node in edge}
    def reach(start):
        seen, open_ = set(), [start]
        while open_:
            at = open_.pop()
            for user, target in edges:
                if user == at and target not in seen:
                    seen.add(target)
                    open_.append(target)
        return seen
    reached = {node: reach(node) for node in nodes}
    return {frozenset(m for m in nodes if m in reached[n] and n in reached[m]) for n in nodes} - {frozenset()}

for room in WITHIN:
    exported = modules[(room,)][1]
    children = {module[1] for module in modules if module[0] == room and len(module) > 1}
    inner = {}
    for module, (used, _) in modules.items():
        if module[0] != room:
            continue
        user = module[1] if len(module) > 1 else room
        for target in used:
            if not target or target[0] != room or len(target) < 2 or user == room:
                continue
            unit = target[1] if target[1] in children else exported.get(target[1], room)
            add(inner, f"{room}::{user}", room if unit == room else f"{room}::{unit}", module)
    # What the facade itself defines counts as a user of its modules.
    for module, (used, _) in modules.items():
        if module == (room,):
            for target in used:
                if target and target[0] == room and len(target) > 1 and target[1] in children:
                    add(inner, room, f"{room}::{target[1]}", module)
    for pair in sorted(EXCEPTIONS):
        if pair in inner:
            allowed.add(pair)
            del inner[pair]
    for cycle in cycles(set(inner)):
        edges = sorted(pair for pair in inner if set(pair) <= cycle)
        lines = [f"  {user} uses {target} (in {', '.join(sorted(inner[user, target]))})" for user, target in edges]
        faults.append("\n".join([f"{room}: modules in a cycle: {', '.join(sorted(cycle))}", *lines]))

for pair in sorted(set(EXCEPTIONS) - allowed):
    if pair[0].split("::")[0] in rooms:
        print(f"check-modules: the exception {pair[0]} -> {pair[1]} is no longer needed", file=sys.stderr)
for name in sorted(set(SYSTEM_USERS) - users):
    print(f"check-modules: {name} no longer uses the operating system", file=sys.stderr)
for line in faults:
    print(f"check-modules: {line}", file=sys.stderr)
sys.exit(bool(faults))
PY
