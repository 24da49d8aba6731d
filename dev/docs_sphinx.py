# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Sphinx extension of the site: API pages, formulas as MathML, names of other packages.

The site needs nothing from the network, neither to be built nor to be read.
"""

import builtins
import importlib
import inspect
import pkgutil
import re
import warnings
from functools import cache
from pathlib import Path
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from PIL import Image
from sphinx.util import logging
from sphinx.util.nodes import make_refnode
import gammapy
from docs_api import listed_entries, public_entries, write_pages
from recorded import FOLDER, Record, find_index, insert

__all__ = ["setup"]

logger = logging.getLogger(__name__)

#: Labels and pages in the documentation of Gammapy that docstrings of 2.1 refer to.
UPSTREAM_LABELS = (
    "gadf:flux-points",
    "estimators",
    "dropdown-ul",
    "tutorials/analysis-2d/ring_background",
)

#: What docstrings of 2.1 mark as a name, and is none.
UPSTREAM_NAMES = (
    *('"minuit"', '"scipy"', '"sherpa"'),
    *('"simplex"', '"levmar"', '"moncar"', '"gridsearch"'),
    "AdaptiveRingBackgroundEstimator",
)

#: Tutorial that runs on real events alone.
NEEDS_DATA = "hess_dr1"

#: Rule below the names of columns.
RULE = re.compile(r"^ *-{2,}( +-{2,})+ *$", re.MULTILINE)

#: Most characters in a line of a printed table on a screen of 1280 pixels, in usual
#: letters and in those of the classes wide-table-1 to 3, see site.css. Wider ones wrap.
LINE_WIDTHS = (95, 108, 124, 142)

#: Width in pixels above which a figure is wide, see site.css.
WIDE_FIGURE = 900

#: Tutorials with results of real events, of which there are records.
RECORDED = (NEEDS_DATA, "next_step")

ORDER = (
    "judge_a_fit",
    "residuals_3d",
    "next_step",
    "nuisance_parameters",
    "hess_dr1",
    "fast_norm_fits",
    "from_fermipy",
)


def setup(app):
    """Register all parts; called by Sphinx."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("builder-inited", make_api_pages)
    # numpydoc reads signatures from docstrings that were not corrected
    warnings.filterwarnings("ignore", "Unknown section", UserWarning)
    # before numpydoc, which has the priority 500
    app.connect("autodoc-process-docstring", mend_docstring, priority=400)
    app.connect("missing-reference", resolve_elsewhere)
    app.connect("source-read", show_records)
    app.connect("source-read", use_plain_images)
    # after Sphinx has found the files of the images
    app.connect("doctree-read", mark_wide, priority=900)
    app.connect("source-read", fill_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def make_api_pages(app):
    """Write the pages of the names that a user calls."""
    write_pages(listed_entries(), Path(app.srcdir) / "api")


def fill_index(app, docname, source):
    """Leave out what depends on pages that are not there, as said in the index."""
    if docname == "index":
        context = {"pages": app.env.found_docs}
        source[0] = app.builder.templates.render_string(source[0], context)


# --- tutorials -------------------------------------------------------------


def tutorials_to_run():
    """Regular expression for the files of the tutorials that can run here."""
    return r"\.py$" if find_index() else rf"^(?!.*{NEEDS_DATA}).*\.py$"


def default_thumbnail():
    """Recorded picture, for a tutorial that cannot run here."""
    return str(FOLDER / f"{NEEDS_DATA}_3.png")


def tutorial_key(name):
    """Sort key of the file of a tutorial: in the order in which to read them."""
    stem = Path(name).stem
    return (ORDER.index(stem) if stem in ORDER else len(ORDER), stem)


def show_records(app, docname, source):
    """Show in a tutorial what was recorded with the data, where there are none here."""
    folder, _, name = docname.rpartition("/")
    if folder != "tutorials" or name not in RECORDED or find_index():
        return
    record = Record(name)
    problems = record.problems()
    for problem in problems:
        logger.warning(problem, location=docname)
    if not problems:
        source[0] = insert(source[0], record)


# --- pictures and outputs --------------------------------------------------


def use_plain_images(app, docname, source):
    """Take the images of Sphinx in tutorials, which link to their full size."""
    if docname.startswith("tutorials/"):
        text = source[0].replace(".. image-sg::", ".. image::")
        source[0] = re.sub(r"^ +:srcset: .*\n", "", text, flags=re.MULTILINE)


def mark_wide(app, doctree):
    """Give classes to tables that are wide, and pictures the size that they have."""
    for node in doctree.findall(nodes.literal_block):
        text = node.astext()
        if RULE.search(text):
            longest = max(map(len, text.splitlines()))
            if size := sum(longest > width for width in LINE_WIDTHS) % len(LINE_WIDTHS):
                node["classes"].append(f"wide-table-{size}")
    for node in doctree.findall(nodes.image):
        path = Path(app.srcdir, node["uri"])
        if path.suffix == ".png" and "thumb" not in path.parts and path.is_file():
            width = Image.open(path).width
            # Sphinx links pictures that have a width to their files.
            node.setdefault("width", f"{width}px")
            if width > WIDE_FIGURE:
                node["classes"].append("wide-figure")


# --- formulas --------------------------------------------------------------


def visit_math(writer, node):
    """Write a formula in the text."""
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def visit_math_block(writer, node):
    """Write a formula of its own, which may be scrolled where it is too wide."""
    formula = tex2mathml(node.astext(), as_block=True)
    writer.body.append(f'<div class="math-block" tabindex="0">{formula}</div>\n')
    raise nodes.SkipNode


# --- docstrings ------------------------------------------------------------


def mend_docstring(app, what, name, obj, options, lines):
    """Change in place what Sphinx or numpydoc would take for something else.

    What an example prints is no section: numpydoc looks at each underlined line,
    however it is indented, and a space without width before the underline is enough.
    `.read()` names any function that ends so, of which there are many, and parameters
    in single backticks are no names of objects.
    """
    parameters = signature_names(obj)

    def as_literal(match):
        is_none = match[1] in parameters or match[1].startswith(".")
        return f"`{match[0]}`" if is_none else match[0]

    for n, line in enumerate(lines):
        if n and line.startswith(" ") and re.fullmatch(r"\s+(-{3,}|={3,})\s*", line):
            lines[n] = re.sub(r"[-=]+", "\N{ZERO WIDTH SPACE}\\g<0>", line)
        else:
            lines[n] = re.sub(r"(?<![`:])`(\.\w+\(\)|\w+)`(?!`)", as_literal, line)


def signature_names(obj):
    """Names of the parameters of an object, none for what cannot be called."""
    try:
        return set(inspect.signature(obj).parameters)
    except (TypeError, ValueError):
        return set()


# --- names of other packages -----------------------------------------------


def resolve_elsewhere(app, env, node, contnode):
    """Find a name that is written without its module, or accept it without a link.

    A name like ``Datasets.stat_sum`` is looked up in the module at hand, in the
    subpackages of Gammapy, and among the names with a page. What can be imported but
    has no page is not linked. Everything else stays a warning: a name that is
    misspelled, or has vanished.
    """
    target = node["reftarget"]
    if node.get("refdomain") == "std":
        return contnode if target.lstrip("/") in UPSTREAM_LABELS else None
    if node.get("refdomain") != "py":
        return None
    # `Map.smooth()`, or with the period of a sentence
    target = target.removesuffix(".").removesuffix("()")
    if target in UPSTREAM_NAMES:
        return contnode
    scopes = [node.get("py:module"), node.get("py:class")]
    scopes = ["", scopes[0], ".".join(filter(None, scopes)), *subpackages()]
    names = [f"{scope}.{target}" if scope else target for scope in scopes]
    pages = env.get_domain("py").objects
    names += [name for name in pages if name.endswith(f".{target}")]
    names += [name for name in public_names() if name.endswith(f".{target}")]
    name = next((name for name in names if exists(name)), None)
    if name not in pages:
        return contnode if name else None
    page = pages[name]
    return make_refnode(
        app.builder, node["refdoc"], page.docname, page.node_id, contnode, name
    )


@cache
def public_names():
    """Names that the fork adds or changes, with or without a page."""
    return [entry.full_name for entry in public_entries()]


@cache
def subpackages():
    """Names of the subpackages of Gammapy."""
    modules = pkgutil.iter_modules(gammapy.__path__, "gammapy.")
    names = [
        module.name
        for module in modules
        if module.ispkg and not module.name.endswith(".tests")
    ]
    return [*names, "gammapy.modeling.models"]


@cache
def exists(name):
    """Whether a dotted name can be imported."""
    parts = name.split(".")
    if hasattr(builtins, parts[0]):
        return True
    for n in range(len(parts), 0, -1):
        try:
            obj = importlib.import_module(".".join(parts[:n]))
        except (ImportError, ValueError):
            continue
        return has_attribute(obj, parts[n:])
    return False


def has_attribute(obj, names):
    """Whether an object has an attribute that has an attribute, and so on."""
    for name in names:
        if not hasattr(obj, name):
            return False
        obj = getattr(obj, name)
    return True
