# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Documented options that are not in use, for the configuration files to start from."""

from collections import defaultdict
from pathlib import Path
from gammapy.utils.atomic import write_files

__all__ = []

OPTIONS_FILE = Path(__file__).resolve().parent / "config" / "options.yaml"
SECTION = "# Section: "
HEADER = """
# More options. To use one, copy it without the leading "# " into the section of that
# name above.
"""


def option_docs():
    """Options that came later, documented.

    Returns
    -------
    docs : dict
        By section, lines of YAML, each a comment.
    """
    docs, section = defaultdict(str), ""
    for line in OPTIONS_FILE.read_text().splitlines():
        if line.startswith(SECTION):
            section = line.removeprefix(SECTION)
        elif line:
            docs[section] += f"{line}\n" if line.startswith("#") else f"# {line}\n"
    return dict(docs)


def add_option_docs(docs):
    """Add the options to the documentation of the sections.

    Parameters
    ----------
    docs : dict
        Text by section, without these options; it is not changed.

    Returns
    -------
    docs : dict
        Text by section.
    """
    docs = defaultdict(str, docs)
    for section, text in option_docs().items():
        docs[section] = (docs[section] or f"{SECTION}{section}\n") + text
    return docs


def write_template(config, filename, *, overwrite=False):
    """Write a configuration, followed by the options that are not in use as comments.

    Parameters
    ----------
    config : `AnalysisConfig` or `WorkflowConfig`
        Configuration.
    filename : str or `~pathlib.Path`
        File.
    overwrite : bool, optional
        Whether to replace an existing file. Default is False.
    """
    sections = "\n".join(
        f"{SECTION}{option}\n{text}" for option, text in option_docs().items()
    )
    text = f"{config.to_yaml()}{HEADER}\n{sections}"
    write_files({filename: lambda path: path.write_text(text)}, overwrite=overwrite)
