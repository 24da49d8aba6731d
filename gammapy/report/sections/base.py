# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Base class of the sections of a report."""

from dataclasses import dataclass, field
from gammapy.report.findings import Finding

__all__ = ["Page", "ReportSection"]


@dataclass
class Page:
    """What a section shows.

    Parameters
    ----------
    name, title : str
        Name for the option ``sections``, and title.
    summary : str
        One or more sentences, below the title.
    findings : list of `~gammapy.report.findings.Finding`
        Findings about the fit.
    blocks : list
        Texts, tables and figures, see `gammapy.report.blocks`.
    data : dict
        The same numbers as plain data.

    Examples
    --------
    >>> from gammapy.report.sections.base import Page
    >>> page = Page("goodness", "Goodness of fit")
    >>> page.find("good", "No sign of a bad fit.")
    >>> page.findings[0].section
    'goodness'
    """

    name: str
    title: str
    summary: str = ""
    findings: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    data: dict = field(default_factory=dict)

    def find(self, level, text, *, is_proposal=False):
        """Add a finding.

        Parameters
        ----------
        level : str
            One of `~gammapy.report.findings.Level`.
        text : str
            What was found.
        is_proposal : bool, optional
            Whether it says what to do. Default is False.
        """
        self.findings.append(Finding(level, text, self.name, is_proposal))

    def to_dict(self):
        """All but the blocks as plain data.

        Returns
        -------
        data : dict
            Title, summary, findings, and the numbers of the section.
        """
        return {
            "title": self.title,
            "summary": self.summary,
            "findings": [finding.to_dict() for finding in self.findings],
            **self.data,
        }


class ReportSection:
    """One section of the page. A new one is a file with a subclass, and an entry.

    Attributes
    ----------
    name, title : str
        Name and title.

    Examples
    --------
    >>> from gammapy.report.sections.base import ReportSection
    >>> class Remarks(ReportSection):
    ...     name, title = "remarks", "Remarks"
    ...     def fill(self, page, context):
    ...         page.summary = f"There are {len(context.datasets)} datasets."
    """

    name = ""
    title = ""

    def fill(self, page, context):
        """Fill a page.

        Parameters
        ----------
        page : `Page`
            Empty page.
        context : `~gammapy.report.context.ReportContext`
            Datasets and results.
        """
        raise NotImplementedError(f"{type(self).__name__} fills no page.")
