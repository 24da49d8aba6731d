# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Check the built documentation: links, anchors, pictures, and the network.

    python dev/check_site.py [FOLDER]      default: build/docs

Every link inside the site leads to a file and an anchor that exist, every picture is
there and says what it shows, no page loads anything from elsewhere, and all pages can
be reached from the first. Where there is Chromium, all pages fit into a window of 1280
pixels, and into that of a phone. The exit status is 1 when something is wrong.
"""

import argparse
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from site_layout import find_browser, layout_problems

__all__ = ["check_layout", "check_site"]

ROOT = Path(__file__).resolve().parent.parent

#: Attributes with the address of something that a page loads, by tag.
LOADED = {
    "audio": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "input": ("src",),
    "link": ("href",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
}

PICTURES = (".gif", ".jpg", ".png", ".svg", ".webp")

#: Reports have a layout of their own, with tests of their own.
REPORTS = "reports"

#: Pages that nothing has to link to: scripts and forms lead there.
UNLINKED = ("genindex.html", "py-modindex.html", "search.html")


@dataclass
class Page:
    """What a page has and needs."""

    anchors: set = field(default_factory=set)
    links: list = field(default_factory=list)
    loaded: list = field(default_factory=list)
    #: pictures without a text, which readers need who do not see them
    silent: list = field(default_factory=list)


class _Reader(HTMLParser):
    """Fills a page from its text."""

    def __init__(self):
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag, attrs):
        attrs = {name: value or "" for name, value in attrs}
        page = self.page
        page.anchors |= {
            attrs[attribute] for attribute in ("id", "name") if attrs.get(attribute)
        }
        if tag == "a" and "href" in attrs:
            page.links.append(attrs["href"])
        # An empty text is for decoration; Sphinx takes the file where there is none.
        if tag == "img" and attrs.get("alt", ".png").endswith(PICTURES):
            page.silent.append(attrs.get("src", ""))
        is_page = tag == "link" and attrs.get("rel") in ("canonical", "next", "prev")
        for name in LOADED.get(tag, ()):
            if attrs.get(name) and not is_page:
                urls = attrs[name].split(",") if name == "srcset" else [attrs[name]]
                page.loaded += [url.split()[0] for url in urls]


def read_page(text):
    """Read what a page has and needs.

    Parameters
    ----------
    text : str
        HTML.

    Returns
    -------
    page : `Page`
        Anchors, links, and addresses of what it loads.
    """
    reader = _Reader()
    reader.feed(text)
    return reader.page


def check_site(folder):
    """List what is wrong with a site.

    Parameters
    ----------
    folder : path-like
        Folder with ``index.html``.

    Returns
    -------
    problems : list of str
        One line each, with the page.
    """
    folder = Path(folder).resolve()
    files = [
        path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts
    ]
    pages = {path: read_page(path.read_text(encoding="utf-8")) for path in files}
    if folder / "index.html" not in pages:
        return [f"{folder}: there is no index.html"]
    problems = []
    for path, page in pages.items():
        where = path.relative_to(folder).as_posix()
        found = [_link_problem(pages, path, url) for url in page.links]
        found += [_load_problem(folder, path, url) for url in page.loaded]
        found += [f"no text for the picture {url}" for url in page.silent]
        problems += [
            f"{where}: {problem}" for problem in dict.fromkeys(found) if problem
        ]
    unreached = set(pages) - _reached(pages, folder / "index.html")
    for path in sorted(unreached):
        if path.name not in UNLINKED:
            problems.append(f"{path.relative_to(folder)}: no page links to it")
    return problems


def check_layout(folder):
    """List what is cut off in a window, if there is a browser to see it.

    Parameters
    ----------
    folder : path-like
        Folder of the site.

    Returns
    -------
    problems : list of str
        One line each, with the page.
    """
    if find_browser() is None:
        print("There is no Chromium: whether pages fit into a window was not checked.")
        return []
    folder = Path(folder).resolve()
    pages = [path.relative_to(folder) for path in sorted(folder.rglob("*.html"))]
    names = [
        path.as_posix() for path in pages if path.parts[0] not in ("_static", REPORTS)
    ]
    return layout_problems(folder, names)


def _is_outside(url):
    return bool(urlsplit(url).scheme or urlsplit(url).netloc)


def _target(path, url):
    """File that an address in a page stands for."""
    name = unquote(urlsplit(url).path)
    return (path.parent / name).resolve() if name else path


def _link_problem(pages, path, url):
    """What is wrong with a link, or None."""
    if _is_outside(url):
        return None
    target, anchor = _target(path, url), unquote(urlsplit(url).fragment)
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return f"broken link {url}"
    if anchor and target in pages and anchor not in pages[target].anchors:
        return f"no such anchor {url}"
    return None


def _load_problem(folder, path, url):
    """What is wrong with an address that a page loads, or None."""
    if urlsplit(url).scheme == "data":
        return None
    if _is_outside(url):
        return f"loads {url} from the network"
    target = _target(path, url)
    is_there = target.is_file() and target.is_relative_to(folder)
    return None if is_there else f"missing file {url}"


def _reached(pages, start):
    """Pages that links lead to."""
    reached, waiting = {start}, [start]
    while waiting:
        path = waiting.pop()
        urls = [link for link in pages[path].links if not _is_outside(link)]
        new = {_target(path, url) for url in urls} & set(pages) - reached
        reached |= new
        waiting += new
    return reached


def main(argv=None):
    """Check a folder and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = ROOT / "build" / "docs"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    folder = parser.parse_args(argv).folder
    problems = check_site(folder) or check_layout(folder)
    for problem in problems:
        print(problem)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
