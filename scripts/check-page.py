#!/usr/bin/env python3
"""Shows the shipped 402 page in Chromium and compares it with the pictures in the documents.

    scripts/check-page.py [--write] FOLDER

FOLDER holds the pages, as `cargo run --example render-pages FOLDER` writes them. Each is shown 320
and 1280 pixels wide, light and dark. The check fails if a page is wider than the window, has text
with too little contrast or a link that is too small for a finger; and if a page.LANG.html differs
from its picture in docs/guide/images. --write replaces the pictures.

It needs Chromium and the fonts of DejaVu (scripts/setup.sh page), and uses no other fonts.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "guide" / "images"
WINDOWS = {320: 640, 1280: 720}
SCHEMES = ("light", "dark")
# A pixel differs if one of its colours does by more than this, of 255.
COLOUR_TOLERANCE = 48
# How many pixels may differ: antialiasing differs from one Chromium to the next.
PIXELS_TOLERANCE = 0.003

FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>{cache}</cachedir>
<match><edit name="family" mode="append" binding="strong"><string>DejaVu Sans</string></edit></match>
</fontconfig>"""

# Returns what is wrong with the page that is shown, one line each.
FAULTS = r"""
(() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) faults.push(`${root.scrollWidth} pixels wide`);
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => {
    c /= 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own) continue;
    const pair = [numbers(getComputedStyle(element).color), behind(element)].map(luminance);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)} in ${element.outerHTML}`);
    const box = element.getBoundingClientRect();
    if (box.left < 0 || box.right > innerWidth) faults.push(`beyond the window: ${element.outerHTML}`);
  }
  for (const link of document.querySelectorAll('a')) {
    const box = link.getBoundingClientRect();
    if (box.height < 40) faults.push(`only ${box.height} pixels high: ${link.outerHTML}`);
  }
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  if (!root.lang || !root.dir) faults.push('no lang or dir');
  if (document.scripts.length) faults.push('a script');
  return faults;
})()
"""

# The part of pixels that differ between two pictures.
DIFFERENCE = """
(async ([a, b], tolerance) => {
  const pixels = async (text) => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + text;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, image.width, image.height);
  };
  const [one, two] = [await pixels(a), await pixels(b)];
  if (one.width !== two.width || one.height !== two.height) return 1;
  let different = 0;
  for (let at = 0; at < one.data.length; at += 4) {
    const distance = (i) => Math.abs(one.data[at + i] - two.data[at + i]);
    if (Math.max(distance(0), distance(1), distance(2)) > tolerance) different += 1;
  }
  return different / (one.data.length / 4);
})
"""


class Chromium:
    """A headless Chromium, driven through a pipe (Chrome DevTools Protocol)."""

    def __init__(self, folder):
        program = shutil.which("chromium") or shutil.which("google-chrome")
        if program is None:
            sys.exit("check-page: Chromium is missing: scripts/setup.sh page")
        (folder / "fonts.conf").write_text(FONTS.format(cache=folder / "fonts"))
        to_read, self.to = os.pipe()
        self.out, from_write = os.pipe()
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
            "--force-color-profile=srgb", "--font-render-hinting=none",
            f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe", "about:blank",
        ]

        # DevTools reads from 3 and writes to 4.
        def pipes():
            read, write = os.dup(to_read), os.dup(from_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        environment = dict(os.environ, FONTCONFIG_FILE=str(folder / "fonts.conf"))
        self.process = subprocess.Popen(
            command, preexec_fn=pipes, close_fds=False, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        self.buffer, self.number, self.session = b"", 0, None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"check-page: {method}: {answer['error']}")
                return answer["result"]

    def next_message(self):
        while b"\0" not in self.buffer:
            part = os.read(self.out, 1 << 20)
            if not part:
                sys.exit("check-page: Chromium ended")
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def evaluate(self, expression):
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            sys.exit(f"check-page: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def show(self, path, width, scheme):
        """The page in a window of this width, as PNG in Base64, and its faults."""
        self.resize(width, WINDOWS[width])
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.call("Page.navigate", url=path.as_uri())
        while self.next_message().get("method") != "Page.loadEventFired":
            pass
        faults = self.evaluate(FAULTS)
        # The whole page: a window as high as it is.
        height = self.evaluate("document.documentElement.scrollHeight")
        self.resize(width, height)
        return self.call("Page.captureScreenshot")["data"], faults

    def resize(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )

    def close(self):
        self.call("Browser.close")
        self.process.wait(30)


def main():
    arguments = sys.argv[1:]
    is_writing = arguments[:1] == ["--write"]
    if is_writing:
        arguments = arguments[1:]
    if len(arguments) != 1:
        sys.exit(__doc__)
    pages = sorted(pathlib.Path(arguments[0]).resolve().glob("*.html"))
    if not pages:
        sys.exit(f"check-page: no pages in {arguments[0]}")
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="micromint-page-") as folder:
        chromium = Chromium(pathlib.Path(folder))
        for page in pages:
            for width in WINDOWS:
                for scheme in SCHEMES:
                    name = f"{page.stem}.{width}.{scheme}.png"
                    shown, faults = chromium.show(page, width, scheme)
                    image = IMAGES / name
                    if not page.name.startswith("page."):
                        pass
                    elif is_writing:
                        IMAGES.mkdir(parents=True, exist_ok=True)
                        image.write_bytes(base64.b64decode(shown))
                    elif not image.exists():
                        faults.append("no picture in docs/guide/images")
                    else:
                        known = base64.b64encode(image.read_bytes()).decode()
                        pair = json.dumps([shown, known])
                        part = chromium.evaluate(f"({DIFFERENCE})({pair}, {COLOUR_TOLERANCE})")
                        if part > PIXELS_TOLERANCE:
                            faults.append(f"{part:.1%} of the picture differ")
                    for fault in faults:
                        print(f"{name}: {fault}", file=sys.stderr)
                    wrong += bool(faults)
        chromium.close()
    if wrong:
        sys.exit(f"check-page: {wrong} faults; --write takes the pictures again")
    print(f"check-page: {len(pages) * len(WINDOWS) * len(SCHEMES)} views are as in the documents")


main()
