# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How the time of norm fits grows with what is fitted, measured and drawn."""

import itertools
import statistics
import sys
from dataclasses import replace
from reference import ROOT
from speed import write_datasets
import numpy as np
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

sys.path.insert(0, str(ROOT / "examples"))
from gammapy.datasets import Datasets  # noqa: E402
from gammapy.modeling.models import (  # noqa: E402
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from j1702_scene import CENTER, FULL, make_datasets  # noqa: E402

__all__ = ["PICTURE", "best_fit", "measure_growth", "plot_growth"]

PICTURE = ROOT / "docs" / "images" / "bench_norms.png"

#: Four datasets of (24, 100, 100) bins.
MEDIUM = replace(
    FULL, pixel=0.04, bins_per_decade=12, bins_below_fit=2, bins_above_fit=22
)
#: Rows and columns of sources.
N_SIDE = 7

N_DATASETS = (1, 4, 16)
N_VALUES = (1, 3, 11, 41)
N_NORMS = (1, 5, 15, 50)

#: Turns of the fork.
N_TURNS = 5

STYLES = {
    "upstream": {"label": "Gammapy 2.1", "color": "#b5542c", "marker": "o"},
    "fork": {"label": "fork", "color": "#1f6f8b", "marker": "o"},
    "floor": {"label": "templates alone", "color": "0.45", "linestyle": "--"},
}
PANELS = {
    "datasets": ("Fit of an amplitude and\nthe norm of each dataset", "datasets"),
    "values": ("Profile of the amplitude,\nfour norms refitted", "values of the scan"),
    "norms": ("Fit of one dataset\nwith 49 sources", "free norms"),
}


# --- measure ---------------------------------------------------------------


def write_crowd(directory):
    """Simulate a dataset with many sources and write it with its true models."""
    directory.mkdir()
    dataset = make_datasets(MEDIUM)[0]
    dataset.models = crowd_models(dataset.name)
    npred = dataset.npred()
    dataset.counts = npred.copy(data=np.random.default_rng(0).poisson(npred.data))
    dataset.counts.data[~dataset.mask_safe.data] = 0
    Datasets([dataset]).write(
        directory / "datasets.yaml", filename_models=directory / "models.yaml"
    )


def crowd_models(dataset_name):
    """Sources on a grid around the centre, and a background."""
    offsets = np.linspace(-1.2, 1.2, N_SIDE)
    models = []
    for idx, (lon, lat) in enumerate(itertools.product(offsets, offsets)):
        spatial = GaussianSpatialModel(
            lon_0=f"{CENTER.l.deg + lon} deg",
            lat_0=f"{CENTER.b.deg + lat} deg",
            sigma="0.06 deg",
            frame="galactic",
        )
        spectral = PowerLawSpectralModel(index=2.2, amplitude="4e-13 cm-2 s-1 TeV-1")
        spectral.amplitude.error = 4e-14
        models.append(SkyModel(spectral, spatial, name=f"source-{idx}"))
    return [*models, FoVBackgroundModel(dataset_name=dataset_name)]


def time_all(fork, plain, what, **options):
    """Times of both sides and of the templates, in seconds."""
    fork.ask("time", what=what, **options)
    return {
        "upstream": plain.ask("time", what=what, **options)["seconds"],
        "fork": median(fork, "time", what=what, **options),
        "floor": median(fork, "time_floor", what=what, **options),
    }


def median(environment, task, **options):
    """Median time of a few turns."""
    times = [environment.ask(task, **options)["seconds"] for _ in range(N_TURNS)]
    return statistics.median(times)


def best_fit(environment):
    """Values and errors of the best fit, where profiles and flux points start."""
    result = environment.ask("time", what="fit")["result"]
    n_norms = len(result["values"]) // 2
    return {name: result[name][:n_norms] for name in ("values", "errors")}


def measure_growth(fork, plain, directory):
    """Times against the number of datasets, of scan values and of free norms.

    Parameters
    ----------
    fork, plain : `Environment`
        Workers.
    directory : `~pathlib.Path`
        Where to write datasets.

    Returns
    -------
    growth : dict
        For each of these a list of dict with the number ``n`` and times in seconds.
    """
    medium, crowd = directory / "medium", directory / "crowd"
    write_datasets(MEDIUM, medium)
    write_crowd(crowd)
    return {
        "datasets": grow_fits(fork, plain, medium, "n_datasets", N_DATASETS),
        "values": grow_values(fork, plain, medium),
        "norms": grow_fits(fork, plain, crowd, "n_free", N_NORMS),
    }


def load(fork, plain, directory, **options):
    """Have both sides read the same datasets."""
    for environment in (fork, plain):
        environment.ask("load", directory=str(directory), **options)


def grow_fits(fork, plain, directory, option, numbers):
    """Fits with more and more of what an option of the task "load" gives."""
    rows = []
    for n in numbers:
        print(f"{option} = {n} ...", flush=True)
        load(fork, plain, directory, **{option: n})
        rows.append({"n": n, **time_all(fork, plain, "fit")})
    return rows


def grow_values(fork, plain, directory):
    """Profiles of more and more values, from the best fit."""
    load(fork, plain, directory)
    best = best_fit(fork)
    for environment in (fork, plain):
        environment.ask("place", **best)
    rows = []
    for n_values in N_VALUES:
        print(f"{n_values} values ...", flush=True)
        deviations = np.linspace(-2, 2, n_values)
        scan = best["values"][0] + deviations * best["errors"][0]
        times = time_all(fork, plain, "profile", scan=scan.tolist())
        rows.append({"n": n_values, **times})
    return rows


# --- draw ------------------------------------------------------------------


def plot_growth(growth, path=None):
    """Draw the times of both sides, and of the templates alone.

    Parameters
    ----------
    growth : dict
        Result of `measure_growth`.
    path : `~pathlib.Path`, optional
        Picture to write. Default is None.

    Returns
    -------
    figure : `~matplotlib.figure.Figure`
        Figure.
    """
    figure, axes = plt.subplots(
        1, len(PANELS), figsize=(10, 3.8), sharey=True, layout="constrained"
    )
    for ax, (name, (title, label)) in zip(axes, PANELS.items(), strict=True):
        plot_panel(ax, growth[name])
        ax.set_title(title, fontsize=10, loc="left")
        ax.set_xlabel(f"Number of {label}")
    axes[0].set_ylabel("CPU time [s]")
    label_lines(axes[1], growth["values"])
    if path is not None:
        figure.savefig(path, dpi=110)
        plt.close(figure)
    return figure


def plot_panel(ax, rows):
    """Times of one kind of growth."""
    numbers = [row["n"] for row in rows]
    for name, style in STYLES.items():
        times = [row[name] for row in rows]
        ax.plot(numbers, times, lw=1.8, ms=4.5, **style)
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(numbers, labels=[str(number) for number in numbers])
    ax.xaxis.minorticks_off()
    ax.margins(x=0.08, y=0.1)
    ax.grid(axis="y", color="0.9", lw=0.8)
    ax.spines[["top", "right"]].set_visible(False)


def label_lines(ax, rows):
    """Names at the ends of the lines instead of a legend."""
    for name, style in STYLES.items():
        below = name == "floor"
        ax.annotate(
            style["label"],
            (rows[-1]["n"], rows[-1][name]),
            xytext=(0, -8) if below else (-10, 4),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            color=style["color"],
        )
