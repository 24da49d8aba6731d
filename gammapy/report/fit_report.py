# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Report of a fit."""

import json
import logging
from functools import cached_property, partial
from html import escape
from pathlib import Path
from gammapy.datasets import Datasets
from gammapy.datasets.core import local_datasets
from gammapy.datasets.residuals.grids import parse_region
from gammapy.diagnostics import (
    FitHistory,
    GoodnessOfFit,
    HotSpots,
    Impacts,
    ScoreTests,
)
from gammapy.diagnostics.impact_targets import parameter_target
from gammapy.estimators import FluxPoints
from gammapy.utils.arguments import (
    check_integer,
    check_list,
    check_n_jobs,
    check_number,
    check_type,
    did_you_mean,
    explain_options,
    listed,
    show,
)
from gammapy.utils.atomic import write_files
from gammapy.utils.pbar import progress_bar
from gammapy.utils.scripts import make_path
from .blocks import drawing
from .context import NotApplicable, ReportContext
from .findings import Level, sort_findings, verdict_of
from .page import render_page
from .sections import SECTIONS
from .sections.base import Page

__all__ = ["FitReport"]

log = logging.getLogger(__name__)

#: Results that may be given, and their classes.
RESULTS = {
    "history": FitHistory,
    "goodness": GoodnessOfFit,
    "hot_spots": HotSpots,
    "score_tests": ScoreTests,
    "impacts": Impacts,
    "flux_points": FluxPoints,
}


class FitReport:
    """Report of a fit: one page with a verdict and the evidence for it.

    The page has the verdict, the goodness of fit, maps with numbered hot spots, spectra
    of the region of each component, parameters, backgrounds, score tests, impacts, flux
    points, the history of the fit, and provenance. It needs no network access and no
    scripts, and is readable on a phone and on paper. Results that are not passed are
    computed when they are needed, except ``history`` and ``flux_points``.

    The verdict has three levels: "not good" if the goodness of fit or a hot spot is
    improbable, or the fit failed; "look here" if there is another problem, or something
    could not be computed; otherwise "good".

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models at their best fit, as after `~gammapy.modeling.Fit.run`.
        They are not changed.
    fit_result : `~gammapy.modeling.FitResult`, optional
        Result of the fit. Default is None, not known.
    history : `~gammapy.diagnostics.FitHistory`, optional
        Steps that led to the fit. Default is None.
    goodness : `~gammapy.diagnostics.GoodnessOfFit`, optional
        Goodness of fit. Default is None: it is computed, as are the three results
        below.
    hot_spots : `~gammapy.diagnostics.HotSpots`, optional
        Hot spots.
    score_tests : `~gammapy.diagnostics.ScoreTests`, optional
        Score tests.
    impacts : `~gammapy.diagnostics.Impacts`, optional
        Impacts.
    flux_points : `~gammapy.estimators.FluxPoints`, optional
        Flux points. Default is None: they are not computed.
    region : `~regions.SkyRegion` or str, optional
        Region of interest, outlined on the maps and with its spectrum. Default is None.
    parameter : str or `~gammapy.modeling.Parameter`, optional
        Parameter whose impacts are ranked, such as "source.amplitude". Default is None,
        the amplitude of the first source.
    sections : list of str, optional
        Sections of the page: "goodness", "maps", "hot-spots", "spectra", "parameters",
        "backgrounds", "score-tests", "impacts", "flux-points", "history",
        "provenance". Default is all.
    title : str, optional
        Title of the page. Default is "Fit report".
    n_toys : int, optional
        Number of simulations for p-values, 0 for none. Default is None: 100 for hot
        spots, and as many as `~gammapy.diagnostics.GoodnessOfFitEstimator` needs.
    p_threshold : float, optional
        P-value below which a deviation is significant. Default is 0.01.
    random_state : int, optional
        Seed. Default is 0.
    files : list of `~pathlib.Path` or str, optional
        Files that the datasets were read from, whose checksums are listed. Default is
        none.
    n_jobs, parallel_backend : optional
        Processes for the computations, as for the estimators.

    Raises
    ------
    ValueError, TypeError
        If an option is out of range or of the wrong kind, or there are no models.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.modeling import Fit
    >>> from gammapy.report import FitReport
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> result = Fit("newton").run(datasets)
    >>> report = FitReport(datasets, result, n_toys=0, sections=["parameters"])
    >>> report.level
    'good'
    >>> [path.name for path in report.write("crab.html")]
    ['crab.html', 'crab.json']
    """

    @explain_options
    def __init__(
        self,
        datasets,
        fit_result=None,
        *,
        history=None,
        goodness=None,
        hot_spots=None,
        score_tests=None,
        impacts=None,
        flux_points=None,
        region=None,
        parameter=None,
        sections=None,
        title="Fit report",
        n_toys=None,
        p_threshold=0.01,
        random_state=0,
        files=(),
        n_jobs=None,
        parallel_backend=None,
    ):
        local_datasets(datasets)
        if not isinstance(datasets, Datasets):
            datasets = Datasets(datasets)
        if not datasets.models:
            raise ValueError("datasets: there are no models; set datasets.models.")
        given = {
            "history": history,
            "goodness": goodness,
            "hot_spots": hot_spots,
            "score_tests": score_tests,
            "impacts": impacts,
            "flux_points": flux_points,
        }
        for name, value in given.items():
            if value is not None:
                kind = RESULTS[name]
                check_type(name, value, kind, f"{kind.__name__} or None")
        if fit_result is not None and not hasattr(fit_result, "total_stat"):
            raise TypeError(
                f"fit_result: expected a FitResult or None, got {show(fit_result)}."
            )
        if n_toys is not None:
            n_toys = check_integer("n_toys", n_toys, low=0, expected="a number of toys")
        check_type("title", title, str, "a text")
        self.title = title
        self._sections = _check_sections(sections)
        options = {
            "random_state": random_state,
            "n_toys": n_toys,
            "p_threshold": check_number("p_threshold", p_threshold, above=0),
            "n_jobs": check_n_jobs(n_jobs, parallel_backend),
            "parallel_backend": parallel_backend,
        }
        self._context = ReportContext(
            datasets,
            given | {"fit_result": fit_result},
            region=parse_region(region),
            parameter=_check_parameter(datasets, parameter),
            options=options,
            files=_check_files(files),
        )

    @cached_property
    def _pages(self):
        """Pages of the sections; what fails is said there."""
        shown = progress_bar(list(self._sections.values()), desc="Report")
        return [make_page(section, self._context) for section in shown]

    @property
    def findings(self):
        """Findings of the sections, the worst first, a list of dict."""
        found = [finding for page in self._pages for finding in page.findings]
        return [finding.to_dict() for finding in sort_findings(found)]

    @property
    def level(self):
        """Level of the fit: "good", "look here" or "not good"."""
        return Level.worst(finding["level"] for finding in self.findings)

    @property
    def verdict(self):
        """Verdict, one or more sentences."""
        return verdict_of(
            [finding for page in self._pages for finding in page.findings]
        )

    def to_dict(self):
        """Contents of the page as plain data for JSON.

        Returns
        -------
        data : dict
            "report" (title), "format", "level", "verdict", "findings", and "sections",
            a dict by name. What is not finite is None.
        """
        return {
            "report": self.title,
            "format": 1,
            "level": self.level,
            "verdict": self.verdict,
            "findings": self.findings,
            "sections": {page.name: page.to_dict() for page in self._pages},
        }

    def to_html(self):
        """The page.

        Returns
        -------
        html : str
            HTML, complete in itself.

        Raises
        ------
        ModuleNotFoundError
            If there is no jinja2.
        """
        return render_page(
            self.title, self.level, self.verdict, self.findings, self._pages
        )

    def write(self, filename="report.html", *, overwrite=False):
        """Write the page, and its numbers as a JSON file beside it.

        Files are written completely or not at all.

        Parameters
        ----------
        filename : str or `~pathlib.Path`, optional
            File of the page, which ends with ".html". Default is "report.html".
        overwrite : bool, optional
            Whether to replace existing files. Default is False.

        Returns
        -------
        paths : list of `~pathlib.Path`
            Both files.

        Raises
        ------
        ValueError
            If the name has another ending.
        OSError
            If a file exists and is not to be replaced.
        """
        path = Path(filename)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(
                f"filename: got {show(filename)}; it must end with .html, as in "
                f"{path.stem + '.html'!r}."
            )
        return write_files(self.writers(path), overwrite=overwrite)

    def writers(self, path):
        """Functions that write the page and its numbers, for files with others.

        Parameters
        ----------
        path : `~pathlib.Path`
            File of the page.

        Returns
        -------
        writers : dict
            By path a function that writes to a path, see
            `~gammapy.utils.atomic.write_files`.
        """
        html = self.to_html()
        data = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        texts = {path: html, path.with_suffix(".json"): f"{data}\n"}
        return {
            target: partial(Path.write_text, data=text, encoding="utf-8")
            for target, text in texts.items()
        }

    def __str__(self):
        lines = [type(self).__name__, "", f"  {self.verdict}", ""]
        lines += [
            f"  {finding['level']:9} : {finding['section']}: {finding['text']}"
            for finding in self.findings
        ]
        return "\n".join(lines) + "\n"

    def _repr_html_(self):
        """The page in a frame, to keep its style separate from the notebook."""
        source = escape(self.to_html(), quote=True)
        style = "width: 100%; height: 80vh; border: 1px solid #ccc"
        title = escape(self.title, quote=True)
        return f'<iframe title="{title}" style="{style}" srcdoc="{source}"></iframe>'


def make_page(section, context):
    """Page of one section, or a page that says why there is none.

    Parameters
    ----------
    section : `~gammapy.report.sections.base.ReportSection`
        Section.
    context : `~gammapy.report.context.ReportContext`
        Datasets and results.

    Returns
    -------
    page : `~gammapy.report.sections.base.Page`
        Page.
    """
    page = Page(section.name, section.title)
    try:
        with drawing():
            section.fill(page, context)
    except NotApplicable as reason:
        page = Page(section.name, section.title, summary=str(reason))
    except Exception as error:
        # One section that fails must not take the others with it, nor be hidden.
        log.debug(f"Section {section.name!r} failed:", exc_info=True)
        text = f"This could not be computed: {error or type(error).__name__}"
        log.warning(f"Report, {section.title}: {text}")
        page = Page(section.name, section.title, summary=text)
        page.find(Level.LOOK, f"{section.title}: {text}")
    return page


def _check_parameter(datasets, parameter):
    """Name of a free parameter, None for none."""
    if parameter is None:
        return None
    try:
        return parameter_target(local_datasets(datasets), parameter).name
    except (TypeError, ValueError) as error:
        # The argument has another name here.
        raise type(error)(str(error).replace("of:", "parameter:", 1)) from None


def _check_files(files):
    """Paths of files that exist."""
    paths = [make_path(path) for path in files]
    for path in paths:
        if not path.is_file():
            raise ValueError(f"files: there is no file {str(path)!r}.")
    return paths


def _check_sections(names):
    """Sections by name, all by default."""
    if names is None:
        return SECTIONS
    for name in check_list("sections", names, "a list of names"):
        if name not in SECTIONS:
            raise ValueError(
                f"sections: there is no section {show(name)}"
                f"{did_you_mean(name, SECTIONS)}; choose from {listed(SECTIONS)}."
            )
    return {name: section for name, section in SECTIONS.items() if name in names}
