# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Pages of good and bad fits, of odd datasets, and what they hold."""

import builtins
import json
import re
import pytest
import numpy as np
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.diagnostics import GoodnessOfFitEstimator, HotSpotEstimator
from gammapy.diagnostics.tests.score_fields import (
    backgrounds,
    extra,
    gauss,
    make_datasets,
    make_source,
    simulate,
)
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import FoVBackgroundModel
from gammapy.report import FitReport
from gammapy.report.findings import Finding, verdict_of
from gammapy.report.sections import SECTIONS
from gammapy.report.sections.base import ReportSection
from gammapy.utils.testing import check_bad_input
from .browser import find_browser, look_at, print_page

needs_browser = pytest.mark.skipif(
    find_browser() is None, reason="there is no Chromium to look at pages with"
)


def fitted(truth, models, seed=0):
    """Datasets with simulated counts of one model, fitted with another."""
    datasets = make_datasets()
    datasets.models = truth
    simulate(datasets, seed)
    datasets.models = models
    return datasets, Fit(backend="newton").run(datasets)


@pytest.fixture(scope="module")
def good():
    truth = [make_source(), *backgrounds()]
    datasets, result = fitted(truth, [make_source(), *backgrounds()])
    return FitReport(datasets, result, n_toys=20), datasets


@pytest.fixture(scope="module")
def bad():
    truth = [make_source(), extra("1e-12 cm-2 s-1 TeV-1"), *backgrounds()]
    datasets, result = fitted(truth, [make_source(), *backgrounds()])
    return FitReport(datasets, result, n_toys=20, title="A source is missing"), datasets


def spectra(n_datasets=1, counts=(12, 8, 5, 2)):
    """Spectra with fitted backgrounds."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=len(counts))
    geom = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis]).geom
    datasets = Datasets()
    for number in range(n_datasets):
        name = f"run-{number}"
        shape = (len(counts), 1, 1)
        background = RegionNDMap.from_geom(geom, data=np.full(shape, 8.0))
        data = np.reshape(counts, shape).astype(float)
        dataset = SpectrumDataset(
            name=name,
            counts=RegionNDMap.from_geom(geom, data=data),
            background=background,
        )
        dataset.models = FoVBackgroundModel(dataset_name=name)
        datasets.append(dataset)
    return datasets


# --- what it says -------------------------------------------------------------------


def test_good_fit(good):
    report = good[0]
    assert report.level == "good"
    assert report.verdict == "No sign of a bad fit."
    assert {finding["level"] for finding in report.findings} == {"good"}
    sections = {finding["section"] for finding in report.findings}
    assert sections == {
        "goodness",
        "maps",
        "hot-spots",
        "spectra",
        "parameters",
        "score-tests",
    }


def test_bad_fit(bad):
    report = bad[0]
    assert report.level == "not good"
    assert report.verdict.startswith("Not a good fit (p = ")
    assert "sigma" in report.verdict and "deg (icrs)" in report.verdict
    # What is wrong, and what to do.
    assert "new source spot-1 would gain TS = " in report.verdict
    levels = {finding["section"]: finding["level"] for finding in report.findings}
    assert levels["goodness"] == levels["hot-spots"] == "not good"
    assert levels["score-tests"] == "look here"
    assert levels["parameters"] == "good"
    # The worst come first.
    found = [finding["level"] for finding in report.findings]
    order = ("not good", "look here", "good")
    assert found == sorted(found, key=order.index)
    assert "new source spot-1 would gain TS" in str(report)


@pytest.mark.long
def test_levels_of_good_fits():
    """Each section has its own trials: of 100 fields 99 were good."""
    names = ["goodness", "hot-spots", "parameters", "score-tests"]
    levels = []
    for seed in range(40):
        models = [make_source(), *backgrounds()]
        datasets, result = fitted(models, [make_source(), *backgrounds()], 1000 + seed)
        report = FitReport(datasets, result, n_toys=100, sections=names)
        levels.append(report.level)
    assert levels.count("good") >= 37


def test_same_numbers(bad):
    """Those of the page, of JSON and of the estimators."""
    report, datasets = bad
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    goodness = GoodnessOfFitEstimator(n_toys=20, random_state=0).run(datasets)
    assert data["sections"]["goodness"]["goodness"] == goodness.to_dict()
    spots = HotSpotEstimator(n_toys=20, random_state=0).run(datasets)
    found = data["sections"]["hot-spots"]["hot_spots"]
    assert found == json.loads(json.dumps(spots.to_dict()))
    html = report.to_html()
    assert data["verdict"] in html.replace("&#39;", "'").replace("&lt;", "<")
    row = data["sections"]["hot-spots"]["hot_spots"]["table"][0]
    assert f'<td class="number">{row["sqrt_ts"]:+.1f}</td>' in html
    for row in data["sections"]["parameters"]["parameters"]:
        assert f"<td>{row['name']}</td>" in html
        assert f'<td class="number">{row["value"]:.5g}</td>' in html
    assert data["sections"]["parameters"]["fit"]["stat"] == pytest.approx(
        datasets.stat_sum()
    )


def test_results_that_are_given(bad):
    datasets = bad[1]
    spots = HotSpotEstimator(n_toys=0, random_state=3).run(datasets)
    report = FitReport(datasets, hot_spots=spots, sections=["hot-spots"])
    assert report.to_dict()["sections"]["hot-spots"]["hot_spots"] == spots.to_dict()
    # Trials are not known without toys.
    assert report.level == "look here"
    assert report.verdict == f"Look here: {spots.verdict}"


def test_failed_fit(good):
    datasets = good[1]
    result = Fit(backend="newton").run(datasets)
    result.optimize_result._success = False
    report = FitReport(datasets, result, n_toys=0, sections=["parameters"])
    assert report.level == "not good"
    assert report.verdict.startswith("Not a good fit: The fit failed: ")


def test_no_minimum(good):
    datasets = good[1].copy()
    datasets.models = good[1].models.copy()
    datasets.models["src"].parameters["amplitude"].value *= 1.2
    report = FitReport(datasets, n_toys=0, sections=["parameters"])
    assert report.level == "look here"
    assert "The fit is not at a minimum" in report.verdict


def test_at_a_bound(good):
    datasets = good[1].copy()
    datasets.models = good[1].models.copy()
    index = datasets.models["src"].parameters["index"]
    index.max = index.value
    report = FitReport(datasets, n_toys=0, sections=["parameters"])
    assert "src.spectral.index" in report.verdict and "bound" in report.verdict


def test_verdict_of_findings():
    assert verdict_of([]) == "No sign of a bad fit."
    found = [
        Finding("look here", "A.", "maps"),
        Finding("not good", "Not a good fit (p = 0).", "goodness"),
        Finding("not good", "B.", "hot-spots"),
    ]
    assert verdict_of(found) == "Not a good fit (p = 0). B."
    assert verdict_of(found[:1]) == "Look here: A."
    found.append(Finding("look here", "Free it.", "score-tests", is_proposal=True))
    assert verdict_of(found) == "Not a good fit (p = 0). B. Free it."


# --- odd datasets -------------------------------------------------------------------


def test_spectra_only():
    datasets = spectra(3)
    result = Fit(backend="newton").run(datasets)
    report = FitReport(datasets, result, n_toys=20)
    data = report.to_dict()["sections"]
    assert data["maps"]["summary"] == "The datasets are spectra, without maps."
    assert data["maps"]["findings"] == data["hot-spots"]["findings"] == []
    assert list(data["spectra"]["spectra"]) == ["all bins"]
    assert len(data["backgrounds"]["groups"]) == 3
    # Three times the slope from 12 to 2 is no chance.
    assert report.level == "not good"


def test_no_free_parameters(good):
    datasets = good[1].copy()
    datasets.models = good[1].models.copy()
    for par in datasets.models.parameters:
        par.frozen = True
    report = FitReport(datasets, n_toys=0)
    data = report.to_dict()["sections"]
    assert "0 parameters are free" in data["parameters"]["summary"]
    assert "no free amplitude" in data["impacts"]["summary"]
    assert "<html" in report.to_html()


def test_no_counts():
    datasets = spectra(counts=(0, 0, 0, 0))
    result = Fit(backend="newton").run(datasets)
    report = FitReport(datasets, result, n_toys=0)
    assert report.level != "good"
    assert "<html" in report.to_html()


def test_many_datasets():
    datasets = spectra(100)
    result = Fit(backend="newton").run(datasets)
    sections = ["goodness", "backgrounds", "parameters", "provenance"]
    report = FitReport(datasets, result, n_toys=0, sections=sections)
    html = report.to_html()
    assert "The first 60 of 100 rows; all are in the JSON file." in html
    assert len(report.to_dict()["sections"]["backgrounds"]["groups"]) == 100


NAMES = ("<script>alert(1)</script>", "../x", '"><img src=x onerror=alert(2)>', "a&b")


def make_odd():
    models = [
        make_source(gauss(lon_0=f"{0.3 * number - 0.5} deg"), name=name)
        for number, name in enumerate(NAMES)
    ]
    datasets = make_datasets()
    datasets.models = [*models, *backgrounds()]
    simulate(datasets, 0)
    return FitReport(datasets, n_toys=0, title=NAMES[0])


@pytest.fixture(scope="module")
def odd():
    return make_odd()


def test_markup_in_names(odd):
    html = odd.to_html()
    assert "<script" not in html and "<img src=x" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10
    # Drawings are pictures, in which no script runs.
    assert not re.search(r"<svg", html)


def test_broken_section(good, monkeypatch):
    class Broken(ReportSection):
        name, title = "maps", "Maps"

        def fill(self, page, context):
            page.find("good", "This is not to be seen.")
            plt.figure()
            raise RuntimeError("a < b")

    monkeypatch.setitem(SECTIONS, "maps", Broken())
    before = plt.get_fignums()
    report = FitReport(good[1], n_toys=0, sections=["maps", "parameters"])
    assert report.level == "look here"
    text = "Maps: This could not be computed: a < b"
    assert report.verdict == f"Look here: {text}"
    assert "a &lt; b" in report.to_html()
    assert plt.get_fignums() == before
    levels = [finding["level"] for finding in report.findings]
    assert levels == ["look here", "good"]


def test_interrupt(good, monkeypatch, tmp_path):
    class Slow(ReportSection):
        name, title = "maps", "Maps"

        def fill(self, page, context):
            raise KeyboardInterrupt

    monkeypatch.setitem(SECTIONS, "maps", Slow())
    with pytest.raises(KeyboardInterrupt):
        FitReport(good[1], sections=["maps"]).write(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


# --- files --------------------------------------------------------------------------


def test_write(good, tmp_path):
    report = good[0]
    path = tmp_path / "report.html"
    paths = report.write(path)
    assert paths == [path, tmp_path / "report.json"]
    data = json.loads(paths[1].read_text())
    assert data == json.loads(json.dumps(report.to_dict()))
    assert path.read_text(encoding="utf-8") == report.to_html()
    assert path.stat().st_size < 5e6
    check_bad_input(lambda: report.write(path), OSError, "report.html", "overwrite")
    report.write(path, overwrite=True)
    check_bad_input(
        lambda: report.write(tmp_path / "report.pdf"), ValueError, "filename", ".html"
    )
    assert "<iframe" in report._repr_html_()


def test_files(good, tmp_path):
    path = tmp_path / "models.yaml"
    path.write_text("models\n")
    report = FitReport(good[1], files=[path], sections=["provenance"])
    made = report.to_dict()["sections"]["provenance"]
    # As sha256sum gives it.
    digest = "bc7e41c85b64a81d9b5e55ceb8ae7369a33fd4614413db22c742a018874f694d"
    assert made["files"] == {str(path): digest}
    assert made["options"]["random_state"] == 0
    html = report.to_html()
    for name in ("dataset", "stat_type", "option", "sha256"):
        assert re.search(rf'<th scope="col"[^>]*>{name}</th>', html)
    assert made["datasets"][0]["counts"] == good[1][0].counts.data.sum()
    assert made["versions"]["numpy"] == np.__version__
    check_bad_input(
        lambda: FitReport(good[1], files=["nothing.yaml"]),
        ValueError,
        "files",
        "nothing.yaml",
    )


def test_nothing_changes(good):
    datasets = good[1]
    before = [
        datasets.parameters.value.tolist(),
        datasets.models.covariance.data.tolist(),
        datasets.stat_sum(),
        [par.frozen for par in datasets.parameters],
    ]
    settings = dict(plt.rcParams)
    figure = plt.figure()
    FitReport(datasets, n_toys=0).to_dict()
    after = [
        datasets.parameters.value.tolist(),
        datasets.models.covariance.data.tolist(),
        datasets.stat_sum(),
        [par.frozen for par in datasets.parameters],
    ]
    assert after == before
    assert dict(plt.rcParams) == settings
    assert plt.gcf() is figure and len(plt.get_fignums()) == 1
    plt.close(figure)


def test_without_jinja(good, monkeypatch, tmp_path):
    real = builtins.__import__

    def no_jinja(name, *args, **kwargs):
        if name == "jinja2":
            raise ModuleNotFoundError("No module named 'jinja2'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_jinja)
    with pytest.raises(ModuleNotFoundError, match="need jinja2.*gammapy.report"):
        good[0].write(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"sections": ["map"]}, ValueError, ("sections", "'map'", "maps")),
        ({"sections": "maps"}, TypeError, ("sections", "'maps'")),
        ({"n_toys": -1}, ValueError, ("n_toys", "-1")),
        ({"p_threshold": 0}, ValueError, ("p_threshold", "0")),
        ({"goodness": 3}, TypeError, ("goodness", "3")),
        ({"fit_result": 3}, TypeError, ("fit_result", "3")),
        ({"title": 3}, TypeError, ("title", "3")),
        ({"region": "here"}, ValueError, ("here",)),
        ({"n_toy": 3}, TypeError, ("n_toy", "n_toys")),
        ({"n_jobs": 0}, ValueError, ("n_jobs", "0")),
        ({"parameter": "src.indez"}, ValueError, ("parameter", "indez", "index")),
        ({"parameter": 3}, TypeError, ("parameter", "3")),
    ],
)
def test_bad_options(good, options, kind, words):
    check_bad_input(lambda: FitReport(good[1], **options), kind, *words)


def test_bad_datasets():
    check_bad_input(lambda: FitReport(None), TypeError, "datasets", "None")
    datasets = make_datasets()
    check_bad_input(lambda: FitReport(datasets), ValueError, "datasets", "models")


# --- in a browser -------------------------------------------------------------------


def check_page(report, path, **options):
    """Nothing is too wide, broken, without a name, asked for or complained of."""
    report.write(path, overwrite=True)
    found = look_at(path, **options)
    assert found["scroll_width"] <= options.get("width", 1280)
    assert found["wide"] == [] and found["broken"] == found["unnamed"] == 0
    assert found["n_images"] > 3
    assert found["n_scripts"] == 0
    assert found["requests"] == [] and found["messages"] == []
    return found


@needs_browser
def test_screen(bad, tmp_path):
    found = check_page(bad[0], tmp_path / "report.html")
    assert "NOT GOOD" in found["text"]
    assert found["background"] == "rgb(255, 255, 255)"


@needs_browser
def test_phone_in_the_dark(bad, tmp_path):
    found = check_page(bad[0], tmp_path / "report.html", width=390, dark=True)
    assert found["background"] == "rgb(21, 24, 28)"


@needs_browser
def test_paper(bad, tmp_path):
    # A4 less the margins, at 96 pixels per inch.
    width = 680
    found = check_page(bad[0], tmp_path / "report.html", width=width, on_paper=True)
    # Nothing is to be scrolled there.
    assert found["n_scrolled"] == 0
    print_page(tmp_path / "report.html", tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


@needs_browser
def test_odd_names_in_a_browser(odd, tmp_path):
    found = check_page(odd, tmp_path / "report.html", width=390)
    for name in NAMES:
        assert name in found["text"]
