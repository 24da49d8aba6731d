# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Run the code of ``residuals.rst`` and make its pictures, see ``pages.py``.

The picture of simulated noise is drawn here, all others by the blocks of the page.
"""

import sys
from pathlib import Path
from pages import ROOT, main
import numpy as np
from scipy.stats import norm, poisson
import astropy.units as u
import matplotlib.pyplot as plt
from gammapy.datasets import MapDataset, SpatialResiduals
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.stats.residuals import compute_residuals

sys.path.append(str(ROOT / "examples"))
import j1702_files  # noqa: E402

PAGE = Path(__file__).with_name("residuals.rst")

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


# Pictures that no block of the page draws.
PICTURES = {"residuals_noise.png": plot_noise}

if __name__ == "__main__":
    sys.exit(main(PAGE, pictures=PICTURES, setup=j1702_files.write_field))
