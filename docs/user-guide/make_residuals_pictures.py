# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run the code of ``residuals.rst``, check what the page quotes, make its pictures.

The Python blocks of the page run in order, as one program. What a block prints must be
the text block that follows it; the picture that follows a block is the figure that the
block drew, or what a function of this script draws::

    python docs/user-guide/make_residuals_pictures.py

The exit status is 1 when the page quotes something else than what was printed.
"""

import difflib
import io
import os
import re
import sys
import tempfile
import textwrap
from contextlib import redirect_stdout
from pathlib import Path
from PIL import Image
import numpy as np
from scipy.stats import norm, poisson
import astropy.units as u
import matplotlib
import matplotlib.pyplot as plt
from gammapy.datasets import MapDataset, SpatialResiduals
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.stats.residuals import compute_residuals

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_name("residuals.rst")
DPI = 100

# A Python or text block with its indented lines, or the path of an image.
PART = re.compile(
    r"^(?P<indent> *)\.\. code-block:: (?P<kind>python|text)\n\n"
    r"(?P<block>(?:(?:(?P=indent) {4}.*)?\n)+)"
    r"|^\.\. image:: (?P<image>.+)$",
    re.MULTILINE,
)


# --- noise -----------------------------------------------------------------

NOISE_METHODS = ("significance", "diff/sqrt(model)")
MUS = (1, 10, 100)
SEED = 0
GEOM = WcsGeom.create(
    npix=(1000, 1000),
    binsz=0.02,
    axes=[MapAxis.from_energy_edges([1, 10] * u.TeV, name="energy")],
)


def simulate_residuals(mu):
    """Residuals of single pixels with ``mu`` expected counts, and no sources."""
    random = np.random.default_rng([SEED, mu])
    counts = random.poisson(mu, GEOM.data_shape)
    background = np.full(GEOM.data_shape, float(mu))
    dataset = MapDataset(
        counts=Map.from_geom(GEOM, data=counts),
        background=Map.from_geom(GEOM, data=background),
        name=f"noise-{mu}",
    )
    return SpatialResiduals.from_datasets(dataset, kernel=None)


def plot_noise():
    """Draw simulated noise on its exact expectation and on N(0, 1)."""
    fig, grid = plt.subplots(2, 3, figsize=(11, 6.4), sharex=True, sharey=True)
    fig.set_layout_engine("constrained")
    for mu, column in zip(MUS, grid.T, strict=True):
        residuals = simulate_residuals(mu)
        for method, ax in zip(NOISE_METHODS, column, strict=True):
            values = residuals.residual(method).data.ravel()
            plot_noise_panel(mu, method, values, ax)
            ax.set_title(f"{method}, $\\mu$ = {mu}", fontsize="medium")
    grid[0, 0].legend(loc="lower center", fontsize="small")
    grid[0, 0].set(xlim=(-6.5, 6.5), ylim=(3e-7, 1))
    fig.supylabel("Probability per standard deviation")
    fig.supxlabel("Residual")


def plot_noise_panel(mu, method, values, ax):
    """Draw one distribution: each number of counts is a bin."""
    n = np.arange(mu + 12 * np.sqrt(mu) + 20)
    centers = compute_residuals(n, mu, method)
    edges = (centers[:-1] + centers[1:]) / 2
    edges = np.array([2 * centers[0] - edges[0], *edges])
    counts, _ = np.histogram(values, edges)
    widths = np.diff(edges)
    expected = poisson.pmf(n[:-1], mu) / widths
    x = np.linspace(-6.5, 6.5, 301)
    ax.stairs(expected, edges, color="tab:blue", alpha=0.4, fill=True, label="Poisson")
    ax.plot(x, norm.pdf(x), color="black", linestyle="--", label="N(0, 1)")
    seen = counts > 0
    density = counts[seen] / values.size / widths[seen]
    ax.errorbar(
        centers[:-1][seen],
        density,
        yerr=density / np.sqrt(counts[seen]),
        fmt=".",
        color="tab:red",
        markersize=4,
        label="Simulation",
    )
    ax.set_yscale("log")
    print(
        f"{method:16} mu = {mu:3}: simulated mean {values.mean():+.3f}, "
        f"width {values.std():.3f}, "
        f"above 3: {np.mean(values > 3) / norm.sf(3):.2f}, "
        f"below -3: {np.mean(values < -3) / norm.sf(3):.2f}"
    )


# --- page ------------------------------------------------------------------

# Pictures that no block of the page draws.
PICTURES = {"residuals_noise.png": plot_noise}


def save(path):
    """Write the current figure with a palette: flat colours need few bytes."""
    draw = PICTURES.get(path.name)
    if draw is not None:
        plt.close("all")
        draw()
    with tempfile.TemporaryFile() as file:
        plt.gcf().savefig(file, dpi=DPI)
        image = Image.open(file).convert("RGB")
        palette = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1}
        image = image.quantize(dither=Image.Dither.NONE, **palette)
        image.save(path, optimize=True)
    plt.close("all")
    print(f"--- wrote {path.relative_to(ROOT)}, {path.stat().st_size} bytes")


def run_page(page):
    """Run the code of a page and save its pictures.

    Parameters
    ----------
    page : `~pathlib.Path`
        Page.

    Returns
    -------
    n_stale : int
        Number of text blocks that are not what the code prints.
    """
    names = {"__name__": "__main__"}
    text = page.read_text(encoding="utf-8")
    printed, n_stale = "", 0
    for part in PART.finditer(text):
        if part["image"]:
            save((page.parent / part["image"]).resolve())
            continue
        line = text[: part.start()].count("\n") + 1
        block = textwrap.dedent(part["block"]).strip("\n")
        if part["kind"] == "text":
            n_stale += is_stale(block, printed, f"{page.name}, line {line}")
            printed = ""
            continue
        print(f"--- {page.name}, line {line}", flush=True)
        with redirect_stdout(io.StringIO()) as output:
            exec(compile(block, f"{page}, block in line {line}", "exec"), names)
        printed = output.getvalue()
        print(printed, end="", flush=True)
    return n_stale


def is_stale(quoted, printed, where):
    """Whether a quoted output differs; how is printed."""
    quoted, printed = ([_.rstrip() for _ in x.splitlines()] for x in (quoted, printed))
    while printed and not printed[-1]:
        printed.pop()
    changes = list(difflib.unified_diff(quoted, printed, where, "printed", lineterm=""))
    print("\n".join(changes) + "\n" * bool(changes), end="")
    return bool(changes)


def main():
    """Run the page from the root of the repository."""
    os.chdir(ROOT)
    matplotlib.use("agg")
    n_stale = run_page(PAGE)
    if n_stale:
        print(f"{n_stale} quoted outputs are out of date")
    return int(n_stale > 0)


if __name__ == "__main__":
    sys.exit(main())
