# Licensed under a 3-clause BSD style license - see LICENSE.rst
import sys
from pathlib import Path
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import check_site  # noqa: E402

GOOD = {
    "index.html": '<a href="api/a.html#f">f</a> <a href="#top">up</a><p id="top">'
    '<a href="https://gammapy.org">out</a> <img src="_images/x.png" alt="A map">'
    '<img src="data:image/png;base64,AA==" alt="">',
    "api/a.html": '<dt id="f"><a href="../index.html#top">home</a><a href="#f">f</a>'
    '<link rel="next" href="https://gammapy.org/next">'
    '<img src="../_images/x.png" srcset="../_images/x.png 2x" alt="">',
    "search.html": "<form>",
    "_images/x.png": "",
}


def write(folder, **changes):
    for name, text in (GOOD | changes).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return check_site.check_site(folder)


def test_good_site(tmp_path, capsys, monkeypatch):
    # Without pages of Sphinx: see test_site_layout.py.
    monkeypatch.setattr(check_site, "check_layout", lambda folder: [])
    assert write(tmp_path / "with a space") == []
    assert check_site.main([str(tmp_path / "with a space")]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "html, problem",
    [
        ('<a href="b.html">', "broken link b.html"),
        ('<a href="../index.html#x">', "no such anchor ../index.html#x"),
        ('<a href="#g">', "no such anchor #g"),
        ('<img alt="y" src="y.png">', "missing file y.png"),
        ('<img alt="y" src="../../y.png">', "missing file ../../y.png"),
        ('<img alt="" srcset="../_images/x.png, z.png 2x">', "missing file z.png"),
        ('<img src="../_images/x.png">', "no text for the picture ../_images/x.png"),
        ('<img src="../_images/x.png" alt="../_images/x.png">', "no text for"),
        ('<script src="https://cdn.org/x.js">', "from the network"),
        ('<script src="//cdn.org/x.js">', "loads //cdn.org/x.js from the network"),
        ('<link rel="stylesheet" href="style.css">', "missing file style.css"),
    ],
)
def test_problem_in_page(tmp_path, capsys, html, problem):
    text = GOOD["api/a.html"]
    (line,) = write(tmp_path, **{"api/a.html": text + html})
    assert line.startswith("api/a.html: ") and problem in line
    assert check_site.main([str(tmp_path)]) == 1
    assert problem in capsys.readouterr().out


def test_page_without_link(tmp_path):
    assert write(tmp_path, **{"b.html": '<a href="index.html#top">'}) == [
        "b.html: no page links to it"
    ]


def test_empty_folder(tmp_path):
    (problem,) = check_site.check_site(tmp_path)
    assert "no index.html" in problem
