#!/bin/sh
# Checks the licences, the sources and the version requirements of all dependencies, by the rules of
# deny.toml. Takes a second. `make deny` checks more, with a tool that takes minutes to build.
set -eu
cd "$(dirname "$0")/.."
for manifest in Cargo.toml fuzz/Cargo.toml; do
    "${CARGO:-cargo}" metadata --locked --format-version 1 --all-features \
        --manifest-path "$manifest"
done | python3 -c '
import json, re, sys, tomllib

with open("deny.toml", "rb") as file:
    rules = tomllib.load(file)
allowed = set(rules["licenses"]["allow"])
exceptions = {rule["crate"]: set(rule["allow"]) for rule in rules["licenses"]["exceptions"]}
registries = {"registry+" + registry for registry in rules["sources"]["allow-registry"]}
banned = {rule["crate"]: rule for rule in rules["bans"]["deny"]}


def is_allowed(expression, licences):
    """Whether a licence expression (SPDX, or the old form with a slash) can be met."""
    words = re.findall(r"[()]|[\w.+-]+", expression.replace("/", " OR "))
    place = 0

    def term():
        nonlocal place
        word = words[place]
        place += 1
        if word == "(":
            result = either()
            place += 1
            return result
        result = word in licences
        if words[place : place + 1] == ["WITH"]:
            # An exception only adds permissions.
            place += 2
        return result

    def both():
        nonlocal place
        result = term()
        while words[place : place + 1] == ["AND"]:
            place += 1
            result = term() and result
        return result

    def either():
        nonlocal place
        result = both()
        while words[place : place + 1] == ["OR"]:
            place += 1
            result = both() or result
        return result

    return either()


def faults(package):
    name = package["name"]
    for dependency in package["dependencies"]:
        # Whether an optional one is used is seen by its being there.
        rule = banned.get(dependency["name"])
        if rule and dependency["name"] in there and dependency["kind"] is None:
            if name not in rule.get("wrappers", []) and not dependency["optional"]:
                yield "{} uses {}: {}".format(name, dependency["name"], rule["reason"])
    if package["source"] is None:
        for dependency in package["dependencies"]:
            if dependency["req"] == "*" and "path" not in dependency:
                yield "{} requires {} in any version".format(name, dependency["name"])
        return
    licence = package["license"]
    if licence is None:
        yield f"{name} names no licence"
    elif not is_allowed(licence, allowed | exceptions.get(name, set())):
        yield f"{name} has the licence {licence}, which deny.toml does not allow"
    if package["source"] not in registries:
        yield "{} comes from {}".format(name, package["source"])
    if name in banned and "wrappers" not in banned[name]:
        yield "{} is banned: {}".format(name, banned[name]["reason"])


text = sys.stdin.read()
found, number, place = set(), 0, 0
while place < len(text):
    metadata, place = json.JSONDecoder().raw_decode(text, place)
    place += len(text[place:]) - len(text[place:].lstrip())
    packages = metadata["packages"]
    there = {package["name"] for package in packages}
    number += len(packages)
    found.update(fault for package in packages for fault in faults(package))
if not number:
    sys.exit("check-dependencies: cargo metadata returned no packages")
for fault in sorted(found):
    print("check-dependencies:", fault, file=sys.stderr)
sys.exit(1 if found else 0)
'
