# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Look at each page of the site in a browser: does all of it fit into the window?

Pages are loaded one after the other into frames of the width of a screen and of a
phone, in one headless Chromium. `dev/check_site.py` does this where Chromium is there.
"""

import json
import shutil
import subprocess
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

__all__ = ["WIDTHS", "find_browser", "layout_problems"]

#: Widths of the windows in pixels: a screen and a phone.
WIDTHS = (1280, 390)

#: Seconds for all pages together.
TIMEOUT = 600

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: Where the page that looks at the others is, and where it sends what it found.
LOOK, FOUND = "/look-at-pages.html", "/found"

# What is wider than the window, without a box that scrolls it, is cut off. On a screen
# the text of a block of code, a table or a list of contents should fit without such a
# box; a phone may scroll it.
SCRIPT = """<!DOCTYPE html><html><body><iframe id="frame"
style="height: 900px; border: 0"></iframe><script>
const pages = %(pages)s, widths = %(widths)s, found = [];
const frame = document.getElementById("frame");
const boxes = "pre, .math-block, .pst-scrollable-table-container, table, " +
  ".bd-sidebar-secondary, .bd-sidebar-primary, .bd-header";
const name = (element) => element.tagName.toLowerCase() +
  (element.className ? "." + String(element.className).split(" ")[0] : "") +
  " '" + element.textContent.trim().replace(/\\s+/g, " ").slice(0, 40) + "'";
const load = (url) => new Promise((done) => {
  frame.onload = () => setTimeout(done, 20);
  frame.src = url;
});
function scrolls(element) {
  for (let box = element; box; box = box.parentElement) {
    const style = frame.contentWindow.getComputedStyle(box);
    if (style.position === "fixed" || style.visibility === "hidden") return true;
    const is_page = ["BODY", "HTML"].includes(box.tagName);
    if (style.overflowX !== "visible" && !is_page) return true;
  }
  return false;
}
function look(page, width) {
  const inside = frame.contentDocument, root = inside.documentElement;
  const cut = [...inside.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && box.right > width + 1 && !scrolls(element);
  });
  const full = [...inside.querySelectorAll(boxes)].filter((element) =>
    element.clientWidth && element.scrollWidth > element.clientWidth + 1);
  return {page, width, scroll_width: root.scrollWidth,
    cut: cut.map(name).slice(0, 3), full: full.map((element) =>
      name(element) + " (" + element.scrollWidth + " > " + element.clientWidth + ")")};
}
(async () => {
  for (const page of pages) {
    await load(page);
    for (const width of widths) {
      frame.style.width = width + "px";
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
      found.push(look(page, width));
    }
  }
  fetch("%(found)s", {method: "POST", body: JSON.stringify(found)});
})();
</script></body></html>"""


def find_browser():
    """Path of Chromium, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class _Server(SimpleHTTPRequestHandler):
    """Files of the site, and the page that looks at them."""

    def do_GET(self):
        """Send the page that looks at the others, or a file."""
        if self.path != LOOK:
            return super().do_GET()
        page = self.server.look.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        return self.wfile.write(page)

    def do_POST(self):
        """Keep what was found."""
        length = int(self.headers["Content-Length"])
        self.server.found = json.loads(self.rfile.read(length))
        self.send_response(204)
        self.end_headers()
        self.server.done.set()

    def log_message(self, format, *args):  # noqa: A002
        """Write nothing."""


def measure(folder, pages, *, widths=WIDTHS, timeout=TIMEOUT):
    """Measure pages in a browser.

    Parameters
    ----------
    folder : path-like
        Folder of the site.
    pages : list of str
        Paths below it.
    widths : sequence of int, optional
        Widths of the window in pixels. Default is that of a screen and a phone.
    timeout : float, optional
        Seconds for all pages. Default is ten minutes.

    Returns
    -------
    found : list of dict
        For each page and width: "scroll_width"; "cut", elements that are cut off;
        "full", boxes that have to be scrolled.

    Raises
    ------
    TimeoutError
        If the browser did not answer in time.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Server, directory=folder))
    server.done, server.found = threading.Event(), []
    # An iframe needs an absolute path below the server.
    urls = [f"/{page}" for page in pages]
    values = {"pages": json.dumps(urls), "widths": json.dumps(widths), "found": FOUND}
    server.look = SCRIPT % values
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        url = f"http://127.0.0.1:{server.server_port}{LOOK}"
        options = [*OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-port=0"]
        browser = subprocess.Popen(
            [find_browser(), *options, url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            if not server.done.wait(timeout):
                raise TimeoutError(f"The browser did not answer within {timeout} s.")
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
            server.server_close()
    return server.found


def layout_problems(folder, pages, **kwargs):
    """List what does not fit into the window.

    Parameters
    ----------
    folder : path-like
        Folder of the site.
    pages : list of str
        Paths below it.
    **kwargs : dict
        Options of `measure`.

    Returns
    -------
    problems : list of str
        One line for each page and width.
    """
    problems = []
    for row in measure(Path(folder).resolve(), pages, **kwargs):
        where, width = row["page"].lstrip("/"), row["width"]
        if row["scroll_width"] > width + 1 or row["cut"]:
            cut = ", ".join(row["cut"]) or "the page"
            problems.append(f"{where}: {width} px are too few for {cut}")
        if row["full"] and width >= max(WIDTHS):
            problems.append(f"{where}: cut off at {width} px: {'; '.join(row['full'])}")
    return problems
