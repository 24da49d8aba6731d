# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Look at the built documentation in a browser, at the width of a desk and of a phone.

    python dev/look_at_docs.py                   list pages wider than the window
    python dev/look_at_docs.py SHOTS [PAGE...]   write screenshots into the folder, too

It needs chromium, or the browser in the environment variable ``BROWSER``. The exit
status is 1 when a page has to be scrolled sideways.
"""

import argparse
import functools
import html
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "build" / "docs"
WIDTHS = (1280, 390)
HEIGHT = 900
#: Screenshots end there.
MAX_HEIGHT = 6000

# Pages are shown in a frame, for a window cannot be as narrow as a phone.
FRAME = """<!DOCTYPE html><body style="margin: 0">
<pre id="result"></pre>
<iframe id="frame" style="border: 0; height: {height}px"></iframe>
<script>
const frame = document.getElementById("frame"), found = [];
const load = (page, width) => new Promise(done => {{
  frame.style.width = width + "px";
  frame.onload = () => setTimeout(done, 150);
  frame.src = page;
}});
const name = item => item.tagName.toLowerCase() + "." + item.className;
(async () => {{
  for (const width of {widths}) for (const page of {pages}) {{
    await load(page, width);
    const root = frame.contentDocument.scrollingElement;
    const wide = [...frame.contentDocument.querySelectorAll("main *")].filter(
      item => item.getBoundingClientRect().right > root.clientWidth + 1);
    found.push([page, width, root.scrollWidth, root.clientWidth,
      root.scrollHeight, wide.slice(0, 1).map(name)]);
  }}
  if ({show}) document.getElementById("result").remove();
  else document.getElementById("result").textContent = JSON.stringify(found);
}})();
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the site and the page with the frame, silently."""

    frame = ""

    def do_GET(self):
        if self.path != "/frame":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(type(self).frame.encode())

    def log_message(self, *args):
        pass


@contextmanager
def served(folder):
    """Serve a folder on a free port of this machine."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/frame"
        server.shutdown()


def browse(url, *options):
    """Run the browser without a window and return what it prints."""
    with tempfile.TemporaryDirectory() as profile:
        command = [os.environ.get("BROWSER", "chromium"), "--headless", "--no-sandbox"]
        command += ["--disable-gpu", "--disable-quic", "--no-first-run"]
        command += ["--disable-background-networking", "--disable-component-update"]
        command += ["--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}"]
        command += ["--virtual-time-budget=600000", *options, url]
        return subprocess.run(command, capture_output=True, text=True).stdout


def measure(url, pages, widths=WIDTHS):
    """Size of each page in a window of each width.

    Parameters
    ----------
    url : str
        Address of the frame.
    pages : list of str
        Pages.
    widths : tuple of int, optional
        Widths of the window. Default is `WIDTHS`.

    Returns
    -------
    rows : list of tuple
        Page, width, scroll width, client width, height, and the first element that
        ends beyond the window.
    """
    Handler.frame = FRAME.format(
        height=HEIGHT, widths=list(widths), pages=json.dumps(pages), show="false"
    )
    text = re.search('<pre id="result">(.*?)</pre>', browse(url, "--dump-dom"), re.S)
    if not text or not text[1]:
        raise RuntimeError("The browser shows nothing: set BROWSER to a chromium.")
    return json.loads(html.unescape(text[1]))


def take_shot(url, page, width, height, path):
    """Write a screenshot of a page."""
    height = min(height, MAX_HEIGHT)
    Handler.frame = FRAME.format(
        height=height, widths=[width], pages=json.dumps([page]), show="true"
    )
    browse(url, f"--screenshot={path}", f"--window-size={max(width, 500)},{height}")


def main(argv=None):
    """Measure, take screenshots, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shots", nargs="?", type=Path, help="folder for screenshots")
    parser.add_argument("pages", nargs="*", help="pages, like index.html; default: all")
    arguments = parser.parse_args(argv)
    pages = arguments.pages or [
        path.relative_to(DOCS).as_posix()
        for path in sorted(DOCS.rglob("*.html"))
        if "_static" not in path.parts
    ]
    status = 0
    with served(DOCS) as url:
        for page, width, scroll, client, height, wide in measure(url, pages):
            if scroll > client:
                print(f"{page}: {scroll} pixels in a window of {width}, {wide}")
                status = 1
            if arguments.shots:
                arguments.shots.mkdir(parents=True, exist_ok=True)
                name = page.removesuffix(".html").replace("/", "-")
                path = arguments.shots.resolve() / f"{name}-{width}.png"
                take_shot(url, page, width, height, path)
    return status


if __name__ == "__main__":
    sys.exit(main())
