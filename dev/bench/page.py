# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Write the tables of ``docs/benchmarks.rst`` from what was measured last.

The other scripts leave their numbers in ``build/bench``. What stands between two
comments of the page is replaced; a part that was not measured stays as it is.
"""

import json
import logging
import re
import sys
from machine import describe, machine_text, today
from reference import ROOT

__all__ = [
    "keep_lines",
    "measured_text",
    "render_norms",
    "render_residuals",
    "replace_part",
    "seconds_text",
    "write_page",
]

log = logging.getLogger(__name__)

PAGE = ROOT / "docs" / "benchmarks.rst"
FOLDER = ROOT / "build" / "bench"

HEADER = ".. list-table::\n   :header-rows: 1\n   :widths: {}\n\n"

NAMES = {
    "fit": "Fit of 1 amplitude and 4 background norms",
    "profile": "``stat_profile`` of that amplitude, 11 values",
    "points": "Flux points, 5 bins, ``errn-errp`` and ``ul``",
    "background": "``FoVBackgroundMaker``, fit of 30 runs",
}

DIAGNOSTICS = {
    "goodness": (
        "Goodness of fit without toys",
        "2 residual maps and the derivatives",
    ),
    "toys": ("1000 toys with norms refitted", "5 minutes on two cores"),
    "spots": ("100 toys of hot spots, 3 radii", "300 convolutions"),
    "ps_map": ("PS map", "20 residual maps"),
}

CRAB = {
    "points": 'Flux points, 10 bins, ``selection_optional="all"``',
    "fit": "Fit of three parameters, ``confidence`` of each",
}


def table(widths, rows):
    """List table of rows, the first one being its header."""
    lines = [
        "\n".join(
            f"   {'*' if idx == 0 else ' '} - {cell}".rstrip()
            for idx, cell in enumerate(row)
        )
        for row in rows
    ]
    return HEADER.format(" ".join(map(str, widths))) + "\n".join(lines) + "\n"


def times(number):
    """Number with as many digits as mean something."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"


def seconds_text(number):
    """Seconds with two digits that mean something."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def measured_text(measured):
    """When and where something was measured.

    Parameters
    ----------
    measured : dict
        Contents of a file; "machine", and "date" of its own or of its lines.

    Returns
    -------
    text : str
        A sentence.
    """
    lines = measured.get("lines", {}).values()
    dates = {line["date"] for line in lines if "date" in line} or {measured["date"]}
    where = machine_text(measured["machine"])
    return f"Measured on {' and '.join(sorted(dates))}: {where}."


def power(number):
    """Power of ten that is no less than a number."""
    mantissa, exponent = f"{number:.0e}".split("e")
    return f"1e{int(exponent) + (float(mantissa) > 1)}"


def render_residuals(measured):
    """Table of the joint residuals.

    Parameters
    ----------
    measured : dict
        Contents of ``speed.json``.

    Returns
    -------
    text : str
        RST.
    """
    seconds, cubes = measured["seconds"], measured["cubes"]
    plain, warm, cold = (
        seconds[name] for name in ("upstream", "residuals", "residuals_cold")
    )
    rows = [
        ("", "2.1", "fork", "2.1 / fork"),
        (
            "Datasets that a fit has used, s",
            seconds_text(plain),
            seconds_text(warm),
            f"{plain / warm:.1f}",
        ),
        (
            "Datasets just read, s",
            seconds_text(plain),
            seconds_text(cold),
            f"{plain / cold:.1f}",
        ),
        (
            "Peak memory above that of the datasets, cubes",
            f"{cubes['upstream']:.1f}",
            f"{cubes['residuals']:.1f}",
            f"{cubes['upstream'] / cubes['residuals']:.1f}",
        ),
    ]
    for n_copies, copies in measured["copies"].items():
        what = "1 small dataset" if n_copies == "1" else f"{n_copies} small datasets"
        rows.append((f"{what}, s", "", seconds_text(copies["seconds"]), ""))
    agreement = measured["agreement"]
    stacked, joint = (agreement[kind]["max_sqrt_ts"] for kind in ("stacked", "joint"))
    counts = max(agreement[kind]["max_counts"] for kind in ("stacked", "joint"))
    same = "exactly" if counts == 0 else f"within {power(counts)}"
    return (
        table((49, 17, 17, 17), rows)
        + f"\nCounts agree {same}. On the stacked dataset the significance agrees "
        f"within {power(stacked)} sigma; that of the\njoint datasets differs by up to "
        f"{joint:.1g} sigma where there are sources, because each keeps its own "
        f"response.\n{measured_text(measured)}\n"
    )


def render_norms(measured):
    """Table of the norm fits.

    Parameters
    ----------
    measured : dict
        Contents of ``norms.json``.

    Returns
    -------
    text : str
        RST.
    """
    header = ("", "2.1, s", "fork, s", "2.1 / fork", "fork / templates", "debug")
    rows = [(*header, "cubes, 2.1", "cubes, fork")]
    known = measured["lines"]
    lines = [(NAMES[name], known[name]) for name in NAMES if name in known]
    for name, line in lines:
        cubes = line.get("cubes")
        scaled = " [*]_" if line["scale"] > 1 else ""
        rows.append(
            (
                name,
                seconds_text(line["seconds"]["upstream"]) + scaled,
                seconds_text(line["seconds"]["fork"]),
                times(line["gain"]),
                f"{line['floor']['ratio']:.2f}",
                f"{100 * (line['debug']['ratio'] - 1):+.1f} %",
                f"{cubes['upstream']:.1f}" if cubes else "",
                f"{cubes['fork']:.1f}" if cubes else "",
            )
        )
    agreements = [line["agreement"] for _, line in lines]
    value, stat = (
        max(agreement[key] for agreement in agreements)
        for key in ("max_values", "max_stats")
    )
    text = table((30, 10, 10, 10, 10, 10, 10, 10), rows)
    if any(line["scale"] > 1 for _, line in lines):
        text += (
            "\n.. [*] Gammapy 2.1 made one of the five flux points, the middle one; "
            "its time is multiplied by five.\n"
        )
    return text + (
        f"\nAll results agree: values and errors within {value:.1g} of the error, the "
        f"statistic within {stat:.1g}.\n{measured_text(measured)}\n"
    )


def render_crab(measured):
    """Table of the spectral analysis of the Crab.

    Parameters
    ----------
    measured : dict
        Contents of ``crab.json``.

    Returns
    -------
    text : str
        RST.
    """
    rows = [("", "2.1, s", "fork, s", "2.1 / fork")]
    lines = [(name, measured["lines"].get(what)) for what, name in CRAB.items()]
    lines = [(name, line) for name, line in lines if line]
    for name, line in lines:
        seconds = line["seconds"]
        times_of = (f"{seconds[side]:.2g}" for side in ("upstream", "fork"))
        rows.append((name, *times_of, times(line["gain"])))
    value, stat = (
        max(line["agreement"][key] for _name, line in lines)
        for key in ("max_values", "max_stats")
    )
    return table((55, 15, 15, 15), rows) + (
        f"\nAll results agree: values within {value:.1g} of the error, the statistic "
        f"within {stat:.1g}.\n{measured_text(measured)}\n"
    )


def render_diagnostics(measured):
    """Table of the diagnostics.

    Parameters
    ----------
    measured : dict
        Contents of ``diagnostics.json``.

    Returns
    -------
    text : str
        RST.
    """
    rows = [("", "time, s", "limit", "time / limit")]
    for what, (name, limit) in DIAGNOSTICS.items():
        if line := measured["lines"].get(what):
            seconds, ratio = f"{line['seconds']:.2g}", f"{line['ratio']:.2f}"
            rows.append((name, seconds, limit, ratio))
    parts = measured["parts"]
    return table((35, 15, 35, 15), rows) + (
        f"\nA residual map took {1000 * parts['map']:.0f} ms, the derivatives "
        f"{parts['derivatives']:.2g} s, three convolutions "
        f"{1000 * parts['convolutions']:.2g} ms.\n{measured_text(measured)}\n"
    )


PARTS = {
    "residuals": ("speed", render_residuals),
    "norms": ("norms", render_norms),
    "crab": ("crab", render_crab),
    "diagnostics": ("diagnostics", render_diagnostics),
}


def replace_part(page, name, text):
    """Replace what stands between the comments of a part.

    Parameters
    ----------
    page : str
        Page.
    name : str
        Name of the part.
    text : str
        What to write there.

    Returns
    -------
    page : str
        Page.

    Raises
    ------
    ValueError
        If the page has no such part.
    """
    begin, end = f".. begin {name}", f".. end {name}"
    pattern = re.compile(rf"(^{begin}\b[^\n]*\n).*?(^{end}$)", re.DOTALL | re.MULTILINE)
    if len(pattern.findall(page)) != 1:
        raise ValueError(f"The page needs the comments '{begin}' and '{end}' once.")
    return pattern.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", page)


def keep_lines(file, results):
    """Add results to those of earlier runs in a JSON file, and return all.

    Lines get the date of today, and the file the machine.

    Parameters
    ----------
    file : `~pathlib.Path`
        File.
    results : dict
        Results; those under "lines" are added line by line.

    Returns
    -------
    known : dict
        All results.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(file.read_text()) if file.exists() else {}
    new = results.get("lines", {})
    dated = {what: line | {"date": today()} for what, line in new.items()}
    lines = known.get("lines", {}) | dated
    known |= results | {"lines": lines, "machine": describe()}
    file.write_text(json.dumps(known, indent=1) + "\n")
    return known


def write_page(path=PAGE, folder=FOLDER):
    """Write the parts of the page that were measured.

    Parameters
    ----------
    path : `~pathlib.Path`, optional
        Page. Default is that of the documentation.
    folder : `~pathlib.Path`, optional
        Where the numbers are. Default is ``build/bench``.
    """
    page = path.read_text()
    for name, (stem, render) in PARTS.items():
        file = folder / f"{stem}.json"
        if not file.exists():
            log.warning(f"{path.name}: {name} stays, for there is no {file.name}.")
            continue
        page = replace_part(page, name, render(json.loads(file.read_text())))
    path.write_text(page)


if __name__ == "__main__":
    sys.exit(write_page())
