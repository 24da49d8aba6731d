# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Results that were recorded with data, for a documentation that is built without them.

Tutorials that read ``$GAMMAPY_DATA`` run where the data are there. Elsewhere the site
shows what `docs/make_recorded.py` recorded, with its date and the data release. A
record, ``docs/recorded/PAGE.json``, has what each block of code printed and drew, from
the first block on that reads data, and a digest of the code: a block that was changed
since has no record.
"""

import hashlib
import json
import os
import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from PIL import Image
from sphinx_gallery.py_source_parser import split_code_and_text_blocks
from astropy.io import fits

__all__ = [
    "Block",
    "Record",
    "code_blocks",
    "find_index",
    "insert",
    "new_stamp",
    "stamp",
    "stamp_text",
]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "recorded"
TUTORIALS = ROOT / "examples" / "tutorials" / "fit_quality"

RELEASE = "H.E.S.S. DL3 DR1"

#: Largest size of a picture in bytes.
MAX_SIZE = 150_000

#: How a page says when and from which data its results were recorded.
STAMP = re.compile(
    r"recorded\s+on\s+\d{4}-\d\d-\d\d\s+from\s+[^,\n]*, \d+ observations"
)

#: A block of code in a page of sphinx-gallery, and what it printed and drew.
GENERATED = re.compile(
    r"(?P<head>^\.\. GENERATED FROM PYTHON SOURCE LINES (?P<line>\d+)-\d+\n\s*\n"
    r"\.\. code-block:: Python\n(?:[ \t]*\n| +.*\n)+)"
    r"(?P<output>(?:.*\n)*?)"
    r"(?=^\.\. (?:GENERATED FROM|rst-class:: sphx-glr-timing|_sphx_glr_download))",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """A block of code of a tutorial."""

    #: first line, counted from 1
    line: int
    code: str

    @property
    def digest(self):
        """Digest of the code, whatever its comments and empty lines are."""
        lines = [line.rstrip() for line in self.code.splitlines()]
        lines = [line for line in lines if line and not line.lstrip().startswith("#")]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def code_blocks(path):
    """Blocks of code of a tutorial.

    Parameters
    ----------
    path : path-like
        Script in the format of sphinx-gallery.

    Returns
    -------
    blocks : list of `Block`
        In their order.
    first : int or None
        Index of the first block that reads ``$GAMMAPY_DATA``.
    """
    _config, parts = split_code_and_text_blocks(str(path))
    blocks = [Block(line, code) for kind, code, line in parts if kind == "code"]
    reading = [idx for idx, block in enumerate(blocks) if "GAMMAPY_DATA" in block.code]
    return blocks, min(reading, default=None)


@dataclass(frozen=True)
class Record:
    """What was recorded of a tutorial.

    Parameters
    ----------
    name : str
        Name of its file, without suffix.
    """

    name: str

    @property
    def path(self):
        """File of the record."""
        return FOLDER / f"{self.name}.json"

    @property
    def script(self):
        """File of the tutorial."""
        return TUTORIALS / f"{self.name}.py"

    @cached_property
    def content(self):
        """Contents of the file, see `docs/make_recorded.py`."""
        return json.loads(self.path.read_text(encoding="utf-8"))

    @property
    def stamp(self):
        """When it was recorded, and from which data."""
        return stamp_text(self.content["date"], self.content["data"])

    @property
    def outputs(self):
        """What the recorded blocks printed and drew, by their first line today."""
        blocks, first = code_blocks(self.script)
        return {
            block.line: found
            for block, found in zip(blocks[first:], self.content["blocks"], strict=True)
        }

    def problems(self):
        """What is wrong with it: a list of lines, which is empty if it can be shown."""
        name = self.path.relative_to(ROOT).as_posix()
        again = "run docs/make_recorded.py with $GAMMAPY_DATA"
        if not self.path.is_file():
            return [f"{name} is missing: {again}"]
        blocks, first = code_blocks(self.script)
        recorded = self.content["blocks"]
        if [block.digest for block in blocks[first:]] != [x["code"] for x in recorded]:
            return [f"{name} is of other code than {self.script.name} has: {again}"]
        problems = []
        for picture in (picture for block in recorded for picture in block["pictures"]):
            path = FOLDER / picture["file"]
            if not path.is_file():
                problems.append(f"{name}: the picture {path.name} is missing: {again}")
            elif path.stat().st_size > MAX_SIZE:
                problems.append(f"{path.name} has more than {MAX_SIZE // 1000} kB")
            elif self.stamp not in Image.open(path).info.get("Description", ""):
                problems.append(f"{path.name} is not of the record: {again}")
        return problems


def find_index():
    """Index of the observations in ``$GAMMAPY_DATA/hess-dl3-dr1``, or None."""
    folder = os.environ.get("GAMMAPY_DATA")
    path = Path(folder or "", "hess-dl3-dr1", "obs-index.fits.gz")
    return path if folder and path.is_file() else None


def new_stamp():
    """Date of today, in UTC, and the data that are here.

    Returns
    -------
    date : str
        ISO date.
    data : dict
        "release", its name, and "n_observations", the number of its observations.
    """
    data = {"release": RELEASE, "n_observations": len(fits.getdata(find_index()))}
    return datetime.now(UTC).date().isoformat(), data


def stamp_text(date, data):
    """Phrase for the date of a record and its data.

    Parameters
    ----------
    date : str
        ISO date.
    data : dict
        As `new_stamp` returns it.

    Returns
    -------
    text : str
        Text that `STAMP` finds.
    """
    data_text = f"{data['release']}, {data['n_observations']} observations"
    return f"recorded on {date} from {data_text}"


def stamp(text, new):
    """Text of a page with a new date and data release.

    Parameters
    ----------
    text : str
        Text. Each place that `STAMP` finds is replaced.
    new : str
        What `stamp_text` returned.

    Returns
    -------
    text : str
        Text.
    """
    return STAMP.sub(new, text)


# --- pages of sphinx-gallery -----------------------------------------------


def insert(text, record):
    """Show a record in a page that was built without the data.

    Parameters
    ----------
    text : str
        RST that sphinx-gallery wrote.
    record : `Record`
        Record of the tutorial.

    Returns
    -------
    text : str
        RST. Before the first recorded block it says what was recorded, and when.
    """
    outputs = record.outputs
    note = [
        ".. note::",
        "",
        "   There was no ``$GAMMAPY_DATA`` when this page was built. From here on it",
        f"   shows results that were {record.stamp}.",
    ]
    first = min(outputs)

    def replace(match):
        # Sphinx-gallery counts lines from the title, as split_code_and_text_blocks.
        line = int(match["line"])
        if line not in outputs:
            return match[0]
        before = "\n".join([*note, "", ""]) if line == first else ""
        return f"{before}{match['head']}{_shown(outputs[line])}\n"

    return GENERATED.sub(replace, text)


def _shown(block):
    """RST of what a block printed and drew."""
    lines = ["", ""]
    for picture in block["pictures"]:
        lines += [f".. image:: /recorded/{picture['file']}"]
        lines += [f"   :alt: {picture['alt']}", "   :class: sphx-glr-single-img", ""]
    if block["text"]:
        lines += [".. rst-class:: sphx-glr-script-out", ""]
        lines += [" .. code-block:: none", ""]
        lines += [textwrap.indent("\n".join(block["text"]), "    "), "", ""]
    return "\n".join(lines)
