# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pages in a browser: what is cut off is found, and what fits is not."""

import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import check_site  # noqa: E402
import site_layout  # noqa: E402

HEAD = '<!DOCTYPE html><meta name="viewport" content="width=device-width">'

GOOD = "<p>Text.</p><pre>short</pre>"

PAGES = {
    "good.html": GOOD,
    "wide.html": '<div style="width: 1000px">wide</div>',
    # A phone may scroll a block of code, a screen should not have to.
    "code.html": f"<pre style='overflow-x: auto'>{'x' * 100}</pre>",
    "table.html": f"<pre style='overflow-x: auto'>{'x' * 400}</pre>",
    "list.html": (
        '<div class="bd-sidebar-secondary" style="width: 100px; overflow: hidden">'
        f"{'n' * 60}</div>"
    ),
}


@pytest.fixture
def site(tmp_path):
    """A site with pages that are too wide."""
    for name, html in PAGES.items():
        (tmp_path / name).write_text(HEAD + html)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "wide.html").write_text(HEAD + PAGES["wide.html"])
    return tmp_path


@pytest.mark.skipif(site_layout.find_browser() is None, reason="needs Chromium")
def test_layout(site):
    problems = check_site.check_layout(site)
    found = {problem.split(":")[0]: problem for problem in problems}
    assert (
        list(found) == ["list.html", "table.html", "wide.html"] and len(problems) == 3
    )
    assert "cut off at 1280 px: div.bd-sidebar-secondary 'nnn" in found["list.html"]
    assert "> 100)" in found["list.html"]
    assert "cut off at 1280 px: pre 'xxx" in found["table.html"]
    assert "390 px are too few for div 'wide'" in found["wide.html"]


def test_without_browser(site, monkeypatch, capsys):
    monkeypatch.setattr(check_site, "find_browser", lambda: None)
    assert check_site.check_layout(site) == []
    assert "There is no Chromium" in capsys.readouterr().out
