# Licensed under a 3-clause BSD style license - see LICENSE.rst
import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace
import pytest
from docutils import nodes
from docutils.core import publish_doctree
from PIL import Image
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))

import check_site  # noqa: E402
import docs_sphinx  # noqa: E402

CONF = """
extensions = ["sphinx.ext.autodoc", "sphinx.ext.doctest", "numpydoc", "docs_sphinx"]
default_role = "py:obj"
nitpicky = True
autodoc_typehints = "none"
html_math_renderer = "mathml"
numpydoc_show_class_members = False
"""

INDEX = r"""
Index
=====

:math:`x^2` and `Fit.stat_profile`, `~gammapy.maps.Map`, `numpy.ndarray`, `str`.

`gammapy.maps.Mapx` and `Fit.sttat_profile` are misspelled.

.. math:: \sum_i w_i n_i

{% if "other" in pages %}In no case.{% endif %}

.. toctree::

   api/index
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A site with the API pages and one other, and what Sphinx warned of."""
    folder = tmp_path_factory.mktemp("docs")
    source, site = folder / "source", folder / "html"
    source.mkdir()
    (source / "conf.py").write_text(CONF)
    (source / "index.rst").write_text(INDEX)
    warnings = io.StringIO()
    folders = [str(path) for path in (source, source, site, folder / "trees")]
    Sphinx(*folders, "html", status=None, warning=warnings).build()
    return site, warnings.getvalue()


@pytest.fixture(scope="module")
def site(built):
    """The site."""
    return built[0]


def test_warnings(built):
    lines = built[1].splitlines()
    assert len(lines) == 2 and all("target not found" in line for line in lines)
    assert "gammapy.maps.Mapx" in lines[0] and "Fit.sttat_profile" in lines[1]


def test_site(site):
    text = (site / "index.html").read_text()
    assert len(re.findall("<math ", text)) == 2
    assert '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in text
    # A name without its module is linked when it has a page.
    assert 'href="api/gammapy.modeling.Fit.html#gammapy.modeling.Fit.stat_pr' in text
    assert 'title="gammapy.maps.Map"' not in text
    assert "In no case" not in text and "{%" not in text


def test_api_pages(site):
    name = "gammapy.datasets.Datasets"
    page = check_site.read_page((site / f"api/{name}.html").read_text())
    assert {name, f"{name}.ts_of"} <= page.anchors
    # It is as in 2.1.
    assert f"{name}.select_time" not in page.anchors


def test_extended_docstrings(site):
    """What 2.1 says and what is ours are on one page, in one section each."""
    name = "gammapy.estimators.FluxPointsEstimator"
    text = (site / f"api/{name}.html").read_text()
    for title in ("Parameters", "Notes", "Examples"):
        assert text.count(f'class="rubric">{title}') == (title != "Parameters")
    for words in ("Fermi-LAT catalog paper", "The number of jobs is limited to the"):
        assert words in text
    # the example of 2.1 prints an underlined name, ours is below
    printed, ours = text.index("sed type init"), text.index("Does the background norm")
    assert printed < ours
    places = [
        text.index(phrase)
        for phrase in ("experimental feature", "points do not depend on it", ">Notes<")
    ]
    assert places == sorted(places)
    problems = [
        problem
        for problem in check_site.check_site(site)
        if "no text for" not in problem
    ]
    assert problems == []


@pytest.mark.parametrize("data", ["there", "missing", "", None])
def test_tutorials_without_data(tmp_path, monkeypatch, data):
    """The tutorial with real events runs where the events are."""
    folder = tmp_path / "there" / "hess-dl3-dr1"
    folder.mkdir(parents=True)
    (folder / "obs-index.fits.gz").touch()
    if data is None:
        monkeypatch.delenv("GAMMAPY_DATA", raising=False)
    else:
        monkeypatch.setenv("GAMMAPY_DATA", data and str(tmp_path / data))
    pattern = docs_sphinx.tutorials_to_run()
    assert re.search(pattern, "examples/fit_quality/residuals_3d.py")
    is_run = bool(re.search(pattern, "examples/fit_quality/hess_dr1.py"))
    assert is_run == (data == "there")

    shown = ["Title"]
    monkeypatch.setattr(docs_sphinx, "insert", lambda text, record: record.name)
    docs_sphinx.show_records(None, "tutorials/hess_dr1", shown)
    assert shown == (["Title"] if data == "there" else ["hess_dr1"])
    shown = ["Title"]
    docs_sphinx.show_records(None, "tutorials/residuals_3d", shown)
    assert shown == ["Title"]


def test_use_plain_images():
    """Figures of tutorials are images of Sphinx, which link to their full size."""
    figure = ".. image-sg:: /x.png\n   :alt: A map\n   :srcset: /x.png\n   :class: c\n"
    source = [figure]
    docs_sphinx.use_plain_images(None, "tutorials/hess_dr1", source)
    assert source == [".. image:: /x.png\n   :alt: A map\n   :class: c\n"]
    docs_sphinx.use_plain_images(None, "user-guide/fits", source := [figure])
    assert source == [figure]


@pytest.mark.parametrize(
    "n_letters, classes",
    [
        (95, []),
        (100, ["wide-table-1"]),
        (124, ["wide-table-2"]),
        (142, ["wide-table-3"]),
    ],
)
def test_wide_tables(tmp_path, n_letters, classes):
    """A table has the letters that it fits with, other outputs wrap."""
    rule = f"{'-' * 20} {'-' * (n_letters - 21)}"
    text = f"::\n\n    a b\n    {rule}\n    1 2\n\n.. image:: x.png\n\n::\n\n"
    doctree = publish_doctree(f"{text}    {'word ' * 25}\n")
    Image.new("1", (1206, 10)).save(tmp_path / "x.png")
    docs_sphinx.mark_wide(SimpleNamespace(srcdir=tmp_path), doctree)
    table, sentence = doctree.findall(nodes.literal_block)
    assert table["classes"] == classes and sentence["classes"] == []
    (image,) = doctree.findall(nodes.image)
    assert image["width"] == "1206px" and image["classes"] == ["wide-figure"]


def test_order_of_tutorials():
    names = ["a.py", "from_fermipy.py", "hess_dr1.py", "residuals_3d.py"]
    ordered = ["residuals_3d.py", "hess_dr1.py", "from_fermipy.py", "a.py"]
    assert sorted(names, key=docs_sphinx.tutorial_key) == ordered
