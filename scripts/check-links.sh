#!/bin/sh
# Checks the links of the documents:
#   scripts/check-links.sh
#       Every relative link of a page leads to a file of the repository, and every #section to a
#       heading. Every path in backquotes that begins with a folder of the repository exists, or is
#       one that git ignores. Of every name of a source file in backquotes, such as `file.rs` or
#       `folder/file.ts`, there is a file. Every module in backquotes, such as `vendor::price`,
#       exists, unless it is one of another project.
#       docs/SUMMARY.md lists every page of docs/ once.
#   scripts/check-links.sh --book DIR
#       Every relative link of the book in DIR leads to a file of it, and every #section to an id.
set -eu
cd "$(dirname "$0")/.."
exec python3 - "$@" <<'PY'
import html.parser, os, posixpath, re, subprocess, sys, urllib.parse

SUMMARY = "docs/SUMMARY.md"


def without_code(text):
    return re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.M | re.S)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def links(text):
    """The targets of all links: inline and by reference, images included."""
    text = re.sub(r"(`+)[^`].*?\1", "", without_code(text))
    yield from re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", text)
    yield from re.findall(r"^\[[^\]]+\]:\s+<?([^\s>]+)", text, flags=re.M)


def headings(path, known={}):
    """The anchors of a page, as GitHub and mdBook make them."""
    if path not in known:
        counts = {}
        known[path] = set()
        for line in re.findall(r"^#+ +(.*?)[ #]*$", without_code(read(path)), flags=re.M):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line).lower()
            slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            count = counts[slug] = counts.get(slug, -1) + 1
            known[path].add(f"{slug}-{count}" if count else slug)
        known[path] |= set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", read(path)))
    return known[path]


def is_declared_in(path, name):
    """Whether a file declares or re-exports an item of this name."""
    item = r"mod|fn|struct|enum|trait|type|const|static|macro_rules!"
    return re.search(rf"\b(?:{item})\s+{name}\b|\buse [^;]*\b{name}\b", read(path)) is not None


def is_built(path):
    """Whether git ignores it: a document may name what a build makes."""
    return subprocess.run(["git", "check-ignore", "--quiet", path]).returncode == 0


def check_pages():
    tracked = set(subprocess.check_output(["git", "ls-files"], text=True).splitlines())
    # Ignore files that git lists but that were removed from the folder.
    tracked = {path for path in tracked if os.path.lexists(path)}
    folders = {
        "/".join(path.split("/")[:n]) for path in tracked for n in range(1, path.count("/") + 1)
    }
    pages = sorted(path for path in tracked if path.endswith(".md"))
    # The ends of all paths: `b/c.rs` and `c.rs` of a/b/c.rs.
    ends = {path.split("/", n)[-1] for path in tracked for n in range(path.count("/") + 1)}
    tops = "|".join(sorted({re.escape(folder.split("/")[0]) for folder in folders}))

    def is_known(path):
        return path in tracked or path in folders

    for page in pages:
        text = read(page)
        for link in links(text):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, section = link.partition("#")
            target = page
            if name:
                target = posixpath.normpath(posixpath.join(posixpath.dirname(page), name))
            if target not in tracked and target not in folders:
                yield f"{page}: link to {link}: there is no {target}"
            elif section and target.endswith(".md") and section not in headings(target):
                yield f"{page}: link to {link}: no such heading in {target}"
        for path in re.findall(rf"`((?:{tops})/[\w./-]*)`", text):
            if not is_known(path.rstrip("/")) and not is_built(path):
                yield f"{page}: `{path}`: there is no such file or folder"
        for name in re.findall(r"`([\w./-]*\w\.(?:rs|ts|mjs|sh))`", text):
            if name not in ends and not is_built(name):
                yield f"{page}: `{name}`: there is no such file"
        for module in re.findall(r"`((?:[a-z][a-z_0-9]*::)+[a-z][a-z_0-9]*)`", text):
            parent, name = module.split("::")[-2:]
            files = [path for path in tracked if path.endswith(f"/{parent}.rs")]
            is_module = any(path.endswith(f"/{parent}/{name}.rs") for path in tracked)
            if files and not is_module and not any(is_declared_in(path, name) for path in files):
                yield f"{page}: `{module}`: there is no such module"

    listed = [posixpath.join("docs", link) for link in links(read(SUMMARY))]
    for page in pages:
        if page.startswith("docs/") and page != SUMMARY and listed.count(page) != 1:
            yield f"{SUMMARY} lists {page} {listed.count(page)} times, expected once"


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(read(path))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name") if tag == "a" else None}
        link = attributes.get("href") if tag in ("a", "link") else attributes.get("src")
        if link is not None:
            self.links.append(link)


def check_book(root):
    # These contain the whole book, or can be served at any address.
    left_out = {"print.html", "404.html", "toc.html"}
    pages = {
        os.path.relpath(os.path.join(folder, name), root): Page(os.path.join(folder, name))
        for folder, _, names in os.walk(root)
        for name in names
        if name.endswith(".html") and name not in left_out
    }
    if "index.html" not in pages:
        yield f"there is no book in {root}"
    for name, page in sorted(pages.items()):
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            path = urllib.parse.unquote(parts.path)
            target = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            section = urllib.parse.unquote(parts.fragment)
            if not os.path.lexists(os.path.join(root, target)):
                yield f"{name}: link to {link}: there is no {target}"
            elif section and target in pages and section not in pages[target].ids:
                yield f"{name}: link to {link}: no such section in {target}"


if sys.argv[1:2] == ["--book"] and len(sys.argv) == 3:
    found = list(check_book(sys.argv[2]))
elif not sys.argv[1:]:
    found = list(check_pages())
else:
    sys.exit("usage: check-links.sh [--book DIR]")
for fault in found:
    print(fault, file=sys.stderr)
sys.exit(1 if found else 0)
PY
