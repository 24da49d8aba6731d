# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Many runs of the J1702 scene, each a dataset on a cutout of one geometry."""

import sys
from dataclasses import replace
from reference import ROOT
import numpy as np
import astropy.units as u
from gammapy.datasets import Datasets, MapDataset
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import FoVBackgroundModel, Models

sys.path.insert(0, str(ROOT / "examples"))
from j1702_scene import (  # noqa: E402
    CENTER,
    ENERGY_FIT,
    FULL,
    TARGET,
    background_rate,
    effective_area,
    make_geom,
    point_spread,
    start_models,
    true_models,
)

__all__ = ["make_runs"]

OFFSETS, ZENITHS = (0.5, 0.7, 1.1, 1.6), (20, 30, 40, 50)
WIDTH, LIVETIME = 3 * u.deg, 28 * u.min


def make_runs(n_runs, seed=0):
    """Simulate runs of 28 minutes.

    Parameters
    ----------
    n_runs : int
        Number of runs.
    seed : int, optional
        Seed of pointings and counts. Default is 0.

    Returns
    -------
    runs : `~gammapy.datasets.Datasets`
        Runs with counts and the models with which a fit starts.
    """
    rng = np.random.default_rng(seed)
    geom, axis_true = make_geom(replace(FULL, width=7.0))
    psfs = [make_psf(axis_true, offset) for offset in OFFSETS]
    edisp = EDispKernelMap.from_gauss(
        geom.axes["energy"], axis_true, sigma=0.15, bias=0.0
    )
    runs = Datasets()
    for number in range(n_runs):
        kind = rng.integers(len(OFFSETS))
        pointing = TARGET.directional_offset_by(
            rng.uniform(0, 360) * u.deg, OFFSETS[kind] * u.deg
        )
        cutout = geom.cutout(pointing, WIDTH)
        runs.append(make_run(f"run-{number}", cutout, axis_true, pointing, kind))
        runs[-1].psf, runs[-1].edisp = psfs[kind], edisp
    names = [name for _label, names in FULL.steps for name in names]
    sources = true_models(FULL).select(tag="sky-model")
    draw(runs, sources, rng, spread=0.05)
    for source, start in zip(sources, start_models(FULL, names, seed=0), strict=True):
        for par, other in zip(source.parameters, start.parameters, strict=True):
            par.value = other.value
    for run in runs:
        run.background_model.spectral_model.norm.value = 1
    return runs


def make_run(name, geom, axis_true, pointing, kind):
    """One run, without counts, PSF and energy dispersion."""
    image = geom.to_image()
    offset = image.separation(pointing)
    area = effective_area(
        axis_true.center[:, np.newaxis, np.newaxis], offset, ZENITHS[kind]
    )
    axis = geom.axes["energy"]
    energy, width = (
        values[:, np.newaxis, np.newaxis] for values in (axis.center, axis.bin_width)
    )
    rate = background_rate(energy, offset, ZENITHS[kind]) * width
    background = (rate * image.solid_angle() * LIVETIME).to_value("")
    exposure = (area * LIVETIME).to_value("m2 s")
    mask = np.broadcast_to(offset < WIDTH / 2, geom.data_shape).copy()
    return MapDataset(
        name=name,
        counts=Map.from_geom(geom),
        exposure=Map.from_geom(image.to_cube([axis_true]), data=exposure, unit="m2 s"),
        background=Map.from_geom(geom, data=background),
        mask_safe=Map.from_geom(geom, data=mask),
        mask_fit=geom.energy_mask(energy_min=ENERGY_FIT),
    )


def make_psf(axis_true, offset):
    """PSF of one offset, everywhere."""
    rad = MapAxis.from_edges(np.linspace(0, 0.5, 101), unit="deg", name="rad")
    energy = axis_true.center[:, np.newaxis]
    values = point_spread(rad.center[np.newaxis], energy, offset * u.deg)
    geom = WcsGeom.create(
        skydir=CENTER, width=20, binsz=10, frame="galactic", axes=[rad, axis_true]
    )
    data = values.to_value("sr-1")[:, :, np.newaxis, np.newaxis]
    data = np.broadcast_to(data, geom.data_shape).copy()
    psf = PSFMap(Map.from_geom(geom, data=data, unit="sr-1"))
    psf.normalize()
    return psf


def draw(runs, sources, rng, spread):
    """Set models and draw counts, with background norms that differ.

    Models are set run by run, which takes a time linear in their number.
    """
    for run in runs:
        background = FoVBackgroundModel(dataset_name=run.name)
        norm = background.spectral_model.norm
        norm.value, norm.min, norm.error = rng.normal(1, spread), 0, 0.05
        run.models = Models([*sources, background])
        run.counts.data = rng.poisson(run.npred().data).astype(float)
        run.counts.data[~run.mask_safe.data] = 0
