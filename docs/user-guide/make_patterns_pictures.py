# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Simulate the mistakes of ``patterns.rst`` and make its pictures.

Each mistake has a true model, from which counts are drawn, and a wrong one, which is
fitted and compared with them. The seed is the same for all::

    python docs/user-guide/make_patterns_pictures.py            # writes pictures, too
    python docs/user-guide/make_patterns_pictures.py --check    # only the table
    python docs/user-guide/make_patterns_pictures.py --update   # the table of the page

The exit status is 1 when the table that the page quotes is out of date.
"""

import argparse
import re
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from PIL import Image
import numpy as np
import astropy.units as u
from astropy.table import Table
import matplotlib
import matplotlib.pyplot as plt
from gammapy.datasets import Datasets, SpatialResiduals, SpectralResiduals
from gammapy.modeling import Fit
from gammapy.modeling.linearity import why_not_linear
from gammapy.modeling.models import (
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_name("patterns.rst")
IMAGES = PAGE.parents[1] / "images"

sys.path.append(str(ROOT / "examples"))
import j1702_scene  # noqa: E402

SEED = 3
DPI = 80
TABLE = re.compile(r"(?<=\.\. code-block:: text\n\n)(?: {4}.*\n)+")

SCENE = replace(
    j1702_scene.SMALL,
    run_bins=(j1702_scene.RunBin(0.5, 20, 100, 1, angles=(0, 90, 180, 270)),),
    width=3.0,
    pixel=0.05,
    bins_per_decade=5,
    bins_below_fit=0,
    bins_above_fit=7,
)

# Where spectra are taken: the source, and all of the field.
ON_SOURCE = "galactic;circle(344.2, -0.15, 0.4)"
ON_POINT = "galactic;circle(345.0, -0.6, 0.15)"
ON_HALO = "galactic;circle(344.9, -0.7, 0.6)"
FIELD = "galactic;circle(344.6, -0.4, 1.4)"


# --- models ----------------------------------------------------------------


def source(**changes):
    """The source that all fields have, or one that differs from it."""
    values = {"lon_0": 344.2, "lat_0": -0.15, "sigma": 0.15}
    spatial = GaussianSpatialModel(frame="galactic")
    spectral = PowerLawSpectralModel(
        index=2.3, amplitude="4e-13 TeV-1 cm-2 s-1", reference="3 TeV"
    )
    model = SkyModel(spectral_model=spectral, spatial_model=spatial, name="source")
    for name, value in (values | changes).items():
        model.parameters[name].value = value
    return freeze_shape(model)


def curved_source():
    """The source with a cutoff in its spectrum."""
    spectral = ExpCutoffPowerLawSpectralModel(
        index=1.6,
        amplitude="6e-13 TeV-1 cm-2 s-1",
        reference="3 TeV",
        lambda_="0.1 TeV-1",
    )
    spatial = source().spatial_model
    return SkyModel(spectral_model=spectral, spatial_model=spatial, name="source")


def power_law_source():
    """The source with a free index."""
    model = source()
    model.spectral_model.index.frozen = False
    return model


def point_source():
    """A second source, like a point."""
    spectral = source().spectral_model
    spectral.amplitude.value /= 12
    spatial = PointSpatialModel(lon_0="345 deg", lat_0="-0.6 deg", frame="galactic")
    return SkyModel(spectral_model=spectral, spatial_model=spatial, name="point")


def halo():
    """A second source, wide and faint."""
    model = source(lon_0=344.9, lat_0=-0.7, sigma=0.4)
    model.spectral_model.amplitude.value *= 0.5
    return SkyModel(
        spectral_model=model.spectral_model,
        spatial_model=model.spatial_model,
        name="halo",
    )


def background(norm=1, tilt=0, frozen=False):
    """The background, with the norm free unless it is frozen."""
    model = FoVBackgroundModel(dataset_name="simulated")
    model.spectral_model.norm.value = norm
    model.spectral_model.tilt.value = tilt
    model.spectral_model.reference.value = 3
    model.spectral_model.norm.frozen = frozen
    return model


def freeze_shape(model):
    """Leave the amplitude free."""
    for par in model.parameters:
        par.frozen = par.name != "amplitude"
    return model


# --- mistakes --------------------------------------------------------------


@dataclass
class Mistake:
    """A true model and a wrong one."""

    title: str
    truth: Callable
    wrong: Callable
    region: str = ON_SOURCE


def known():
    """What is right in most mistakes."""
    return [source(), background()]


MISTAKES = {
    "none": Mistake("no mistake", known, known),
    "point": Mistake(
        "missing point source", lambda: [point_source(), *known()], known, ON_POINT
    ),
    "extended": Mistake(
        "missing extended source", lambda: [halo(), *known()], known, ON_HALO
    ),
    "position": Mistake(
        "wrong position", known, lambda: [source(lon_0=344.28), background()]
    ),
    "extension": Mistake(
        "wrong extension", known, lambda: [source(sigma=0.08), background()]
    ),
    "index": Mistake("wrong index", known, lambda: [source(index=2.8), background()]),
    "curvature": Mistake(
        "power law for a curve",
        lambda: [curved_source(), background()],
        lambda: [power_law_source(), background()],
    ),
    "norm": Mistake(
        "background norm off",
        known,
        lambda: [source(), background(norm=1.08, frozen=True)],
        FIELD,
    ),
    "tilt": Mistake(
        "background tilt off",
        lambda: [source(), background(tilt=0.25)],
        known,
        FIELD,
    ),
}


@cache
def response():
    """Dataset without counts and models."""
    return j1702_scene.make_response(SCENE, "simulated", SCENE.run_bins[0])


def fit_mistake(mistake):
    """Datasets with the counts of the truth, and the wrong model fitted to them."""
    dataset = response().copy(name="simulated")
    dataset.models = mistake.truth()
    npred = dataset.npred()
    random = np.random.default_rng(SEED)
    dataset.counts = npred.copy(data=random.poisson(npred.data))
    datasets = Datasets([dataset])
    datasets.models = mistake.wrong()
    backend = "minuit" if why_not_linear(datasets) else "newton"
    result = Fit(backend=backend).run(datasets)
    if not result.success:
        raise RuntimeError(f"The fit of {mistake.title!r} failed: {result.message}")
    return datasets


def plot(datasets, mistake):
    """Draw both kinds of residuals side by side."""
    figure = plt.figure(figsize=(10, 4.2))
    wcs = datasets[0].counts.geom.to_image().wcs
    ax_map = figure.add_axes((0.07, 0.13, 0.36, 0.78), projection=wcs)
    ax_spectrum = figure.add_axes((0.63, 0.13, 0.35, 0.78))
    datasets.plot_residuals(ax_map, ax_spectrum, region=mistake.region)
    ax_map.coords[0].set_ticks(spacing=1 * u.deg)
    ax_map.set_title(mistake.title)
    ax_spectrum.set_title("inside the magenta circle")
    return figure


def describe(datasets, mistake):
    """Row of the table."""
    residuals = SpatialResiduals.from_datasets(datasets)
    noise = residuals.distribution()[0]
    table = SpectralResiduals.from_datasets(datasets, mistake.region).to_table()
    return {
        "mistake": mistake.title,
        "lowest": np.nanmin(residuals.sqrt_ts.data),
        "highest": np.nanmax(residuals.sqrt_ts.data),
        "mean": noise["mean"],
        "width": noise["std"],
        "chi2 of the spectrum": np.nansum(table["sqrt_ts"] ** 2),
        "bins": int(np.sum(np.isfinite(table["sqrt_ts"]))),
    }


# --- page ------------------------------------------------------------------


def save(figure, path):
    """Write a figure with a palette: flat colours need few bytes."""
    with tempfile.TemporaryFile() as file:
        figure.savefig(file, dpi=DPI)
        image = Image.open(file).convert("RGB")
    palette = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1}
    image.quantize(dither=Image.Dither.NONE, **palette).save(path, optimize=True)
    print(f"wrote {path.relative_to(ROOT)}, {path.stat().st_size} bytes")


def table_lines(rows):
    """The table as the page quotes it."""
    table = Table(rows)
    for name in ("lowest", "highest", "chi2 of the spectrum"):
        table[name].info.format = ".1f"
    for name in ("mean", "width"):
        table[name].info.format = ".2f"
    lines = table.pformat(max_lines=-1, max_width=-1, align=["<"] + [">"] * 6)
    lines = [line.rstrip() for line in lines]
    return textwrap.indent("\n".join(lines), " " * 4) + "\n"


def main(argv=None):
    """Make the pictures and compare the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options = parser.add_mutually_exclusive_group()
    options.add_argument("--check", action="store_true", help="write no pictures")
    options.add_argument("--update", action="store_true", help="write the table")
    args = parser.parse_args(argv)
    matplotlib.use("agg")
    rows = []
    for name, mistake in MISTAKES.items():
        datasets = fit_mistake(mistake)
        rows.append(describe(datasets, mistake))
        if not args.check:
            figure = plot(datasets, mistake)
            save(figure, IMAGES / f"patterns_{name}.png")
            plt.close(figure)
    lines = table_lines(rows)
    text = PAGE.read_text(encoding="utf-8")
    if args.update:
        PAGE.write_text(TABLE.sub(lambda _: lines, text), encoding="utf-8")
        return 0
    print(lines)
    if TABLE.search(text)[0] != lines:
        print(f"The table of {PAGE.name} is out of date: see --update")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
