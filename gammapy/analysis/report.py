# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The report of a fit: its section of the configuration, and its files."""

import logging
from typing import Annotated, Literal
from pydantic import Field
from gammapy.report import FitReport
from gammapy.report.sections import SECTIONS
from .sections import RegionType
from .session import check_datasets, fit_history
from .validation import SectionConfig, added

__all__ = ["ReportConfig"]

log = logging.getLogger(__name__)

PAGE, NUMBERS = "report.html", "report.json"

Section = Literal[*SECTIONS]


class ReportConfig(SectionConfig):
    """Configuration of the report of the fit.

    Attributes
    ----------
    title : str
        Title of the page.
    sections : list of str
        Sections of the page. Default is all.
    region : str
        Region to outline on the maps, with its spectrum. Default is
        ``residuals.region``.
    parameter : str
        Parameter whose impacts are ranked, such as "source.amplitude". Default is the
        amplitude of the first source.
    n_toys : int
        Number of simulations for p-values, 0 for none.
    p_threshold : float
        P-value below which a deviation is significant.
    random_state : int
        Seed.

    Examples
    --------
    >>> from gammapy.analysis.report import ReportConfig
    >>> ReportConfig(n_toys=20, sections=["goodness", "maps"]).sections
    ['goodness', 'maps']
    """

    title: str = added("Fit report")
    sections: list[Section] | None = added()
    region: RegionType | None = added()
    parameter: str | None = added()
    n_toys: Annotated[int, Field(ge=0)] | None = added()
    p_threshold: Annotated[float, Field(gt=0)] = added(0.01)
    random_state: Annotated[int, Field(ge=0)] = added(0)


def compute_report(session, config):
    """Report of the fit of a session.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session with fitted datasets.
    config : `AnalysisConfig`
        Configuration.

    Returns
    -------
    report : `~gammapy.report.FitReport`
        Report. All of it is computed.
    """
    check_datasets(session)
    settings = config.report
    points = session.flux_points
    report = FitReport(
        session.datasets,
        session.fit_result,
        history=fit_history(config),
        flux_points=None if points is None else points.data,
        region=settings.region or config.residuals.region,
        parameter=settings.parameter,
        sections=settings.sections,
        title=settings.title,
        n_toys=settings.n_toys,
        p_threshold=settings.p_threshold,
        random_state=settings.random_state,
        n_jobs=config.general.n_jobs,
    )
    # What is missing for the page is said now, and not when files are written.
    report.to_html()
    log.info(report.verdict)
    return report


def report_writers(session, outdir):
    """Writers of the page and of its numbers, none without a report.

    Parameters
    ----------
    session : `Analysis` or `Workflow`
        Session.
    outdir : `~pathlib.Path`
        Folder.

    Returns
    -------
    writers : dict
        By path a function that writes to a path.
    """
    return {} if session.report is None else session.report.writers(outdir / PAGE)
