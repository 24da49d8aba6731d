# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Configuration of the documentation: see `make docs`."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The extension, and what the tutorials share.
sys.path[:0] = [str(ROOT / "dev"), str(ROOT / "examples")]
os.environ.setdefault("MPLBACKEND", "agg")
# Progress bars are no output of a tutorial.
os.environ.setdefault("TQDM_DISABLE", "1")

import docs_sphinx  # noqa: E402
import gammapy  # noqa: E402

project = "Gammapy, with a look at the fit"
author = "The developers of the fork"
copyright = "the developers of the fork and the Gammapy developers"
version = release = gammapy.__version__

extensions = [
    "sphinx.ext.autodoc",
    # docstrings of 2.1 have its directives
    "sphinx.ext.doctest",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "docs_sphinx",
]
default_role = "py:obj"
exclude_patterns = ["**/README.rst"]
templates_path = []

# Names outside of the site must exist: `docs_sphinx` imports them.
nitpicky = True
autodoc_member_order = "bysource"
# The docstrings say it in words.
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Reports, which are pages of their own: see make_reports.py.
html_extra_path = ["../build/extra"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "changes": []}
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_version_warning_banner": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# MathML needs no script from elsewhere.
html_math_renderer = "mathml"
copybutton_exclude = ".linenos, .gp, .go"

# The tutorials are part of the site where they are there.
TUTORIALS = ROOT / "examples" / "tutorials" / "fit_quality"
if any(TUTORIALS.glob("*.py")):
    extensions.append("sphinx_gallery.gen_gallery")
    sphinx_gallery_conf = {
        "examples_dirs": [str(TUTORIALS)],
        "gallery_dirs": ["tutorials"],
        "filename_pattern": docs_sphinx.tutorials_to_run(),
        "default_thumb_file": docs_sphinx.default_thumbnail(),
        "within_subsection_order": "docs_sphinx.tutorial_key",
        "abort_on_example_error": True,
        "download_all_examples": False,
        "show_signature": False,
        "min_reported_time": 3600,
        "write_computation_times": False,
    }
