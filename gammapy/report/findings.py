# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Findings of the sections of a report, and the verdict."""

from dataclasses import dataclass

__all__ = ["Finding", "Level"]


class Level:
    """How good a fit looks, the worst last.

    Attributes
    ----------
    GOOD, LOOK, BAD : str
        Names of the levels.
    """

    GOOD = "good"
    LOOK = "look here"
    BAD = "not good"

    #: From the best to the worst.
    ALL = (GOOD, LOOK, BAD)

    @classmethod
    def worst(cls, levels):
        """The worst of several levels, good where there is none.

        Parameters
        ----------
        levels : list of str
            Levels.

        Returns
        -------
        level : str
            Level.

        Examples
        --------
        >>> from gammapy.report.findings import Level
        >>> Level.worst(["good", "not good", "look here"])
        'not good'
        """
        return max(levels, key=cls.ALL.index, default=cls.GOOD)


#: What the page says first.
HEADLINES = {
    Level.GOOD: "No sign of a bad fit",
    Level.LOOK: "Look here",
    Level.BAD: "Not a good fit",
}


@dataclass(frozen=True)
class Finding:
    """One thing that a section says about the fit.

    Parameters
    ----------
    level : str
        One of `Level`.
    text : str
        One or more sentences.
    section : str
        Name of the section that has the evidence.
    is_proposal : bool, optional
        Whether it proposes what to do. The verdict on a fit that is not good includes
        such proposals. Default is False.

    Examples
    --------
    >>> from gammapy.report.findings import Finding, Level
    >>> Finding(Level.LOOK, "An index is at its bound.", "parameters").level
    'look here'
    """

    level: str
    text: str
    section: str
    is_proposal: bool = False

    def to_dict(self):
        """Level, section and text as plain data.

        Returns
        -------
        data : dict
            Plain data.
        """
        return {"level": self.level, "section": self.section, "text": self.text}


def sort_findings(findings):
    """Findings with the worst first, those of a level in the order of the page.

    Parameters
    ----------
    findings : list of `Finding`
        Findings.

    Returns
    -------
    findings : list of `Finding`
        The same.
    """
    return sorted(
        findings, key=lambda finding: Level.ALL.index(finding.level), reverse=True
    )


def verdict_of(findings):
    """Verdict: the headline of the worst level, its findings, and proposals.

    Parameters
    ----------
    findings : list of `Finding`
        Findings.

    Returns
    -------
    verdict : str
        Verdict.

    Examples
    --------
    >>> from gammapy.report.findings import Finding, verdict_of
    >>> verdict_of([Finding("look here", "An index is at its bound.", "parameters")])
    'Look here: An index is at its bound.'
    """
    level = Level.worst(finding.level for finding in findings)
    texts = [
        finding.text
        for finding in findings
        if finding.level == level or finding.is_proposal
    ]
    headline = HEADLINES[level]
    if level == Level.GOOD or not texts:
        return f"{headline}."
    # A text that says the same as the headline does not say it twice.
    first, *rest = texts
    first = first if first.startswith(headline) else f"{headline}: {first}"
    return " ".join([first, *rest])
