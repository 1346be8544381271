#!/bin/sh
# Fails if a crate that the library or the server modules are built from declares a higher
# rust-version than ours (Cargo.toml), the oldest Rust that we promise to build with. Our own code
# is checked by clippy's incompatible_msrv (make lint).
set -eu
cd "$(dirname "$0")/.."
"${CARGO:-cargo}" metadata --locked --format-version 1 --all-features | python3 -c '
import json, sys

SHIPPED = {"micromint", "micromint-ffi", "ngx_micromint", "mod_micromint"}


def version(text):
    return tuple(int(part) for part in (text + ".0").split(".")[:3]) if text else (0,)


metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
roots = [key for key in metadata["workspace_members"] if packages[key]["name"] in SHIPPED]
if {packages[key]["name"] for key in roots} != SHIPPED:
    sys.exit(f"check-msrv: expected the crates {sorted(SHIPPED)} in the workspace")
ours = {packages[key]["rust_version"] for key in roots}
if len(ours) != 1 or None in ours:
    sys.exit(f"check-msrv: expected one rust-version for all shipped crates, found {ours}")
ours = ours.pop()

# The normal and build dependencies; those of tests may need a newer Rust.
reached, left = {}, [(key, packages[key]["name"]) for key in roots]
while left:
    key, path = left.pop()
    if key in reached:
        continue
    reached[key] = path
    for dependency in nodes[key]["deps"]:
        if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
            name = packages[dependency["pkg"]]["name"]
            left.append((dependency["pkg"], f"{path} > {name}"))

newer = [
    "check-msrv: {} {} needs Rust {}, ours is {} ({})".format(
        packages[key]["name"], packages[key]["version"], packages[key]["rust_version"], ours, path
    )
    for key, path in reached.items()
    if version(packages[key]["rust_version"]) > version(ours)
]
if newer:
    sys.exit("\n".join(newer))
print(f"check-msrv: {len(reached)} crates build with Rust {ours} by what they declare")
'
