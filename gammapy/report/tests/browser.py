# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pages in a headless browser: what they need, and whether all of it fits."""

import json
import re
import shutil
import subprocess
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["find_browser", "look_at", "print_page"]

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)

#: The page is in a frame of the width of a screen or of paper, and is looked at from
#: outside, for it has no script of its own.
OUTSIDE = """<!DOCTYPE html><html><body><iframe id="page" src="{name}"
style="width: {width}px; height: 900px; border: 0"></iframe><pre id="found"></pre>
<script>
document.getElementById("page").addEventListener("load", (event) => {{
  const frame = event.target, inside = frame.contentDocument;
  const root = inside.documentElement;
  const wide = [...inside.querySelectorAll("body *")].filter((element) => {{
    const box = element.getBoundingClientRect();
    return box.right > {width} + 0.5 && !element.closest(".scroll");
  }});
  const cut = [...inside.querySelectorAll(".scroll")].filter(
    (element) => element.scrollWidth > element.clientWidth + 1);
  const images = [...inside.images];
  const style = frame.contentWindow.getComputedStyle(inside.body);
  document.getElementById("found").textContent = JSON.stringify({{
    scroll_width: root.scrollWidth,
    wide: wide.map((element) => element.outerHTML.slice(0, 80)),
    n_scrolled: cut.length,
    n_images: images.length,
    broken: images.filter((image) => !image.naturalWidth).length,
    unnamed: images.filter((image) => !image.alt).length,
    n_scripts: inside.scripts.length,
    requests: frame.contentWindow.performance.getEntriesByType("resource")
      .map((entry) => entry.name).filter((name) => !name.startsWith("data:")),
    background: style.backgroundColor,
    text: inside.body.innerText,
  }});
}});
</script></body></html>"""


def find_browser():
    """Path of Chromium, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Server(SimpleHTTPRequestHandler):
    """Files of a folder; nothing is written of each request."""

    def log_message(self, format, *args):  # noqa: A002
        """Write nothing."""


def look_at(path, *, width=1280, dark=False, on_paper=False):
    """What a page is like in a browser.

    Parameters
    ----------
    path : `~pathlib.Path`
        Page.
    width : int
        Width of the screen in pixels.
    dark : bool
        Whether the user likes it dark.
    on_paper : bool
        Whether to take the style for paper.

    Returns
    -------
    found : dict
        What was found, see the script; and "messages", those of the console.
    """
    with tempfile.TemporaryDirectory() as folder:
        html = Path(path).read_text(encoding="utf-8")
        if on_paper:
            html = html.replace("@media print", "@media screen")
        (Path(folder) / "page.html").write_text(html, encoding="utf-8")
        outside = OUTSIDE.format(name="page.html", width=width)
        (Path(folder) / "outside.html").write_text(outside, encoding="utf-8")
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), partial(Server, directory=folder)
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/outside.html"
            options = ["--dump-dom", "--virtual-time-budget=20000"]
            if dark:
                options.append("--blink-settings=preferredColorScheme=0")
            done = run([*options, url])
        finally:
            server.shutdown()
            server.server_close()
    text = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL).group(1)
    for sign, entity in (("<", "&lt;"), (">", "&gt;"), ("&", "&amp;")):
        text = text.replace(entity, sign)
    messages = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(text) | {"messages": messages}


def print_page(path, filename):
    """Print a page to a PDF file.

    Parameters
    ----------
    path, filename : `~pathlib.Path`
        Page and PDF file.
    """
    run([f"--print-to-pdf={filename}", "--no-pdf-header-footer", path.as_uri()])


def run(options):
    """Run the browser with a new profile."""
    with tempfile.TemporaryDirectory() as profile:
        return subprocess.run(
            [find_browser(), *OPTIONS, f"--user-data-dir={profile}", *options],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
