# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The page as HTML."""

from importlib import resources

__all__ = []

#: What a level looks like, besides its colour.
SIGNS = {"good": "✓", "look here": "?", "not good": "✗"}


def render_page(title, level, verdict, findings, pages):
    """HTML of a page.

    All texts are escaped: names with markup are shown and do nothing.

    Parameters
    ----------
    title, level, verdict : str
        Title, level and verdict.
    findings : list of dict
        Findings with level, section and text, the worst first.
    pages : list of `~gammapy.report.sections.base.Page`
        Sections.

    Returns
    -------
    html : str
        HTML.

    Raises
    ------
    ModuleNotFoundError
        If there is no jinja2.
    """
    template = _environment().get_template("report.html")
    return template.render(
        title=title,
        level=level,
        verdict=verdict,
        findings=findings,
        pages=pages,
        titles={page.name: page.title for page in pages},
        signs=SIGNS,
        style=_read("report.css"),
    )


def _read(name):
    return (resources.files(__package__) / "templates" / name).read_text("utf-8")


def _environment():
    try:
        import jinja2
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "Reports need jinja2; install it with the extra 'report', as in "
            "pip install 'gammapy[report]'."
        ) from None
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
