# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Section on how the page was made."""

import hashlib
import platform
from datetime import UTC, datetime
from importlib import metadata
import astropy.units as u
from astropy.table import Table
import gammapy
from gammapy.datasets.checksums import data_checksum
from gammapy.diagnostics.result import plain
from gammapy.report.blocks import table_block
from .base import ReportSection

__all__ = []

#: Packages whose versions matter to the numbers.
PACKAGES = ("numpy", "scipy", "astropy", "iminuit", "matplotlib", "regions")


class ProvenanceSection(ReportSection):
    """Section on the provenance of the page."""

    name, title = "provenance", "How this page was made"

    def fill(self, page, context):
        """Fill the page, see `ReportSection.fill`."""
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        versions = {"gammapy": gammapy.__version__, "python": platform.python_version()}
        versions |= {name: metadata.version(name) for name in PACKAGES}
        files = [(str(path), checksum(path)) for path in context.files]
        page.data |= {
            "time": now,
            "versions": versions,
            "options": plain(context.options),
            "data_checksum": data_checksum(context.datasets),
            "files": dict(files),
            "datasets": [dataset_row(dataset) for dataset in context.datasets],
        }
        page.summary = (
            f"Made on {now} (UTC) with "
            + ", ".join(f"{name} {version}" for name, version in versions.items())
            + "."
        )
        rows = page.data["datasets"]
        table = Table({name: [row[name] for row in rows] for name in rows[0]})
        page.blocks.append(table_block(table, caption="Datasets."))
        options = [(name, str(value)) for name, value in context.options.items()]
        table = Table(rows=options, names=["option", "value"], dtype=[str, str])
        page.blocks.append(table_block(table, caption="Options."))
        if files:
            table = Table(rows=files, names=["file", "sha256"])
            page.blocks.append(table_block(table, caption="Files."))


def checksum(path):
    """SHA-256 of a file.

    Parameters
    ----------
    path : `~pathlib.Path`
        File.

    Returns
    -------
    checksum : str
        Hexadecimal digits.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dataset_row(dataset):
    """Name, kind, statistic, counts and energies of a dataset.

    Parameters
    ----------
    dataset : `~gammapy.datasets.Dataset`
        Dataset.

    Returns
    -------
    row : dict
        Plain data.
    """
    counts = dataset.counts
    mask = dataset.mask
    used = counts.data if mask is None else counts.data[mask.data != 0]
    livetime = getattr(getattr(dataset, "gti", None), "time_sum", None)
    return {
        "dataset": dataset.name,
        "type": type(dataset).__name__,
        "stat_type": dataset.stat_type,
        "counts": int(used.sum()),
        "bins": int(used.size),
        "time": ""
        if livetime is None
        else f"{u.Quantity(livetime).to_value('h'):.1f} h",
    }
