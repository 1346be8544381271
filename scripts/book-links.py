#!/usr/bin/env python3
"""A preprocessor for mdBook: replaces links to files outside docs/ with links to the repository.

mdBook copies nothing but docs/, so a relative link to the code, the tests or README.md would break
in the book. Reads and writes what mdBook's preprocessors read and write.
"""

import json
import posixpath
import re
import sys

LINK = re.compile(r"(\]\(|^\[[^\]\n]+\]:\s+)([^)\s]+)", re.MULTILINE)


def rewrite(text: str, page: str, repository: str) -> str:
    """The text of `page` (a path inside docs/) with its links out of docs/ replaced."""

    def replace(match: re.Match[str]) -> str:
        before, link = match.groups()
        if re.match(r"[a-z]+:|#", link):
            return match[0]
        path, hash_sign, section = link.partition("#")
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), path))
        if target.startswith("docs/"):
            return match[0]
        return f"{before}{repository}/blob/main/{target}{hash_sign}{section}"

    return LINK.sub(replace, text)


def chapters(items: list) -> list[dict]:
    """All chapters of the book, nested ones included."""
    found = []
    for item in items:
        if isinstance(item, dict) and "Chapter" in item:
            found.append(item["Chapter"])
            found += chapters(item["Chapter"]["sub_items"])
    return found


def main() -> None:
    if sys.argv[1:2] == ["supports"]:
        return
    context, book = json.load(sys.stdin)
    repository = context["config"]["output"]["html"]["git-repository-url"].rstrip("/")
    for chapter in chapters(book.get("items") or book.get("sections")):
        if chapter["path"] is not None:
            page = chapter["source_path"] or chapter["path"]
            chapter["content"] = rewrite(chapter["content"], page, repository)
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
