# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The simulated field of HESS J1702-420 as an array like H.E.S.S. would see it.

Everything is computed here: the sources from ``hess_j1702_table.ecsv``, the
instrument response from a few formulas, the counts from a seed.
"""

from dataclasses import dataclass, replace
from pathlib import Path
import numpy as np
import astropy.units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from gammapy.data import FixedPointingInfo, Observation
from gammapy.datasets import Datasets, MapDataset
from gammapy.irf import (
    PSF3D,
    Background2D,
    EffectiveAreaTable2D,
    EnergyDispersion2D,
)
from gammapy.makers import MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxes, MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PowerLawSpectralModel,
    SkyModel,
)

__all__ = [
    "FINE",
    "FULL",
    "SMALL",
    "Scene",
    "make_datasets",
    "start_models",
    "true_models",
]

TABLE = Path(__file__).parent / "hess_j1702_table.ecsv"

TARGET = SkyCoord(344.2, -0.15, unit="deg", frame="galactic")
CENTER = SkyCoord(344.6, -0.4, unit="deg", frame="galactic")

ENERGY_FIT = 2 * u.TeV
OFFSET_MAX = 2.5 * u.deg


@dataclass(frozen=True)
class RunBin:
    """Runs that are alike, to be stacked into one dataset."""

    offset: float  # of the pointings from the target, in deg
    zenith: float  # in deg
    livetime: float  # of all runs together, in h
    background_norm: float  # true value; the table shows the first three only
    angles: tuple = (0, 180)  # of the pointings around the target, in deg


@dataclass(frozen=True)
class Scene:
    """What is simulated, and how finely."""

    steps: tuple  # components added in each iteration, the first has none
    run_bins: tuple
    width: float  # of the maps, in deg
    pixel: float  # in deg
    bins_per_decade: int
    bins_below_fit: int  # masked bins, they show that the mask is respected
    bins_above_fit: int


FULL = Scene(
    steps=(
        ("background", ()),
        ("neighbours", ("HESS J1708-410", "HESS J1708-443")),
        ("J1702-420B", ("HESS J1702-420B",)),
        ("diffuse", ("diffuse",)),
        ("J1702-420A", ("HESS J1702-420A",)),
    ),
    run_bins=(
        RunBin(0.5, 20, 25, 0.9955, angles=(0, 180)),
        RunBin(0.7, 30, 40, 0.9803, angles=(90, 270)),
        RunBin(1.1, 40, 60, 0.9641, angles=(45, 225)),
        RunBin(1.6, 50, 40, 1.0200, angles=(60, 240)),
    ),
    width=4.0,
    pixel=0.05,
    bins_per_decade=6,
    bins_below_fit=1,
    bins_above_fit=10,
)

#: Four datasets of (24, 300, 300) bins.
FINE = replace(
    FULL, width=6.0, pixel=0.02, bins_per_decade=12, bins_below_fit=2, bins_above_fit=22
)

SMALL = Scene(
    steps=(
        ("background", ()),
        ("J1702-420B", ("HESS J1702-420B",)),
    ),
    run_bins=(
        RunBin(0.5, 20, 40, 0.9955, angles=(0, 180)),
        RunBin(1.1, 40, 60, 0.9641, angles=(45, 225)),
    ),
    width=3.6,
    pixel=0.08,
    bins_per_decade=4,
    bins_below_fit=1,
    bins_above_fit=6,
)


# --- sources ---------------------------------------------------------------


def read_component(table, name):
    """Sky model of one component of the table, with values, bounds and errors."""
    model = SkyModel(
        spectral_model=PowerLawSpectralModel(),
        spatial_model=GaussianSpatialModel(frame="galactic"),
        name=name,
    )
    for row in table[table["component"] == name]:
        par = model.parameters[row["name"]]
        par.quantity = u.Quantity(row["value"], row["unit"])
        par.min, par.max = row["min"], row["max"]
        par.frozen = bool(row["frozen"])
        par.error = row["error"]

    # The table gives four digits, so the limits of J1702-420A in longitude read
    # 344.1 to 344.2 around a value of 344.1. A value on its limit has neither a
    # gradient nor an error there: such a limit is moved by the width of the range.
    for par in model.parameters.free_parameters:
        width = par.max - par.min
        if par.value <= par.min:
            par.min = par.value - width
        if par.value >= par.max:
            par.max = par.value + width
    return model


def background_models(scene, norms=None):
    """One background model per dataset, with the norm free and the tilt frozen."""
    models = Models()
    for idx, _ in enumerate(scene.run_bins):
        model = FoVBackgroundModel(dataset_name=f"bin-{idx}")
        model.spectral_model.norm.min = 0
        model.spectral_model.norm.error = 0.02
        if norms is not None:
            model.spectral_model.norm.value = norms[idx]
        models.append(model)
    return models


def true_models(scene=FULL):
    """The models that the counts are drawn from.

    Parameters
    ----------
    scene : `Scene`
        Configuration.

    Returns
    -------
    models : `~gammapy.modeling.models.Models`
        Sky models in the order of the iterations, then the backgrounds.
    """
    table = Table.read(TABLE).filled("")
    names = [name for _, names in scene.steps for name in names]
    models = Models([read_component(table, name) for name in names])
    norms = [run_bin.background_norm for run_bin in scene.run_bins]
    models.extend(background_models(scene, norms))
    return models


def start_models(scene, names, seed):
    """Components as an analyst would start them: near the truth, not on it.

    Each free parameter is moved by one to two of the table's errors, up or down.

    Parameters
    ----------
    scene : `Scene`
        Configuration.
    names : list of str
        Components.
    seed : int
        Seed of the shifts. A component gets the same shift in each call.

    Returns
    -------
    models : `~gammapy.modeling.models.Models`
        Sky models.
    """
    models = Models()
    for model in true_models(scene).select(tag="sky-model"):
        random = np.random.default_rng([seed, len(model.name), *model.name.encode()])
        for par in model.parameters.free_parameters:
            shift = random.uniform(1, 2) * random.choice([-1, 1])
            value = par.value + shift * par.error
            # well inside the limits, a start on a limit would be stuck there
            low, high = np.nan_to_num(par.min, nan=-np.inf), par.max
            if np.isfinite(low):
                value = max(value, low + 0.1 * (par.value - low))
            if np.isfinite(high):
                value = min(value, high - 0.1 * (high - par.value))
            par.value = value
            # the error stays: Minuit takes it as first step, and without one it
            # starts with a step of 1, a hundred degrees in longitude
        if model.name in names:
            models.append(model)
    return models


# --- instrument ------------------------------------------------------------


def effective_area(energy, offset, zenith):
    """Rises to a plateau; large zenith angles raise the threshold and the plateau."""
    slant = 1 / np.cos(np.deg2rad(zenith))
    threshold = 0.3 * u.TeV * slant**3
    plateau = 3e5 * u.m**2 * slant
    camera = np.exp(-0.5 * (offset / (1.6 * u.deg)) ** 2)
    return plateau / (1 + (threshold / energy) ** 1.8) * camera


def background_rate(energy, offset, zenith):
    """Cosmic rays that pass hard gamma-ray cuts."""
    slant = 1 / np.cos(np.deg2rad(zenith))
    spectrum = 60 * slant**0.5 * energy.to_value("TeV") ** -2.3
    camera = np.exp(-0.5 * (offset / (1.8 * u.deg)) ** 2)
    return spectrum * camera * u.Unit("s-1 TeV-1 sr-1")


def point_spread(rad, energy, offset):
    """King profile; 68 percent within 0.07 deg at 2 TeV on axis."""
    gamma = 3
    camera = 1 + 0.1 * (offset / u.deg) ** 2
    sigma = 0.0325 * u.deg * (energy / (2 * u.TeV)) ** -0.1 * camera
    core = (1 - 1 / gamma) / (2 * np.pi * sigma**2)
    return core * (1 + (rad / sigma) ** 2 / (2 * gamma)) ** -gamma


def make_irfs(zenith):
    """Response functions, tabulated like those of real runs.

    Parameters
    ----------
    zenith : float
        Zenith angle in deg.

    Returns
    -------
    irfs : dict
        Response functions by the names `~gammapy.data.Observation.create` uses.
    """
    energy = MapAxis.from_energy_bounds("0.3 TeV", "300 TeV", nbin=36)
    energy_true = energy.copy(name="energy_true")
    offset = MapAxis.from_edges(np.linspace(0, 3.2, 17), unit="deg", name="offset")
    rad = MapAxis.from_edges(np.linspace(0, 0.7, 141), unit="deg", name="rad")
    migra = MapAxis.from_edges(np.linspace(0.2, 3, 141), name="migra")

    axes = MapAxes([energy_true, offset])
    coords = axes.get_coord()
    aeff = EffectiveAreaTable2D(
        axes=axes,
        data=effective_area(coords["energy_true"], coords["offset"], zenith),
    )

    axes = MapAxes([energy, offset])
    coords = axes.get_coord()
    bkg = Background2D(
        axes=axes, data=background_rate(coords["energy"], coords["offset"], zenith)
    )

    axes = MapAxes([energy_true, offset, rad])
    coords = axes.get_coord()
    psf = PSF3D(
        axes=axes,
        data=point_spread(coords["rad"], coords["energy_true"], coords["offset"]),
    )

    edisp = EnergyDispersion2D.from_gauss(
        energy_axis_true=energy_true,
        migra_axis=migra,
        offset_axis=offset,
        bias=0,
        sigma=0.15,
    )
    return {"aeff": aeff, "bkg": bkg, "psf": psf, "edisp": edisp}


# --- datasets --------------------------------------------------------------


def make_geom(scene):
    """Map geometry and true energy axis.

    The edges are spaced from the fit threshold, so that it is one of them.
    """
    steps = np.arange(-scene.bins_below_fit, scene.bins_above_fit + 1)
    edges = ENERGY_FIT * 10 ** (steps / scene.bins_per_decade)
    geom = WcsGeom.create(
        skydir=CENTER,
        width=scene.width,
        binsz=scene.pixel,
        frame="galactic",
        axes=[MapAxis.from_energy_edges(edges)],
    )
    energy_true = MapAxis.from_energy_bounds(
        0.6 * edges[0], 2 * edges[-1], nbin=8, per_decade=True, name="energy_true"
    )
    return geom, energy_true


def make_response(scene, name, run_bin):
    """Dataset of one bin of runs, without counts."""
    geom, energy_true = make_geom(scene)
    dataset = MapDataset.create(
        geom, energy_axis_true=energy_true, binsz_irf=0.5 * u.deg, name=name
    )
    maker = MapDatasetMaker(selection=["exposure", "background", "psf", "edisp"])
    safe_mask_maker = SafeMaskMaker(methods=["offset-max"], offset_max=OFFSET_MAX)

    irfs = make_irfs(run_bin.zenith)
    for idx, angle in enumerate(run_bin.angles):
        direction = TARGET.directional_offset_by(angle * u.deg, run_bin.offset * u.deg)
        observation = Observation.create(
            obs_id=idx,
            pointing=FixedPointingInfo(fixed_icrs=direction.icrs),
            livetime=run_bin.livetime / len(run_bin.angles) * u.h,
            irfs=irfs,
        )
        empty = MapDataset.create(
            geom, energy_axis_true=energy_true, binsz_irf=0.5 * u.deg
        )
        run = maker.run(empty, observation)
        dataset.stack(safe_mask_maker.run(run, observation))
    return dataset


def make_datasets(scene=FULL, seed=0):
    """Simulate the scene.

    Parameters
    ----------
    scene : `Scene`
        Configuration. Default is the full one.
    seed : int
        Seed of the Poisson counts.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per bin of runs, with counts, ``mask_fit`` and the true models.
    """
    random = np.random.default_rng(seed)
    datasets = Datasets()
    for idx, run_bin in enumerate(scene.run_bins):
        datasets.append(make_response(scene, f"bin-{idx}", run_bin))

    datasets.models = true_models(scene)
    for dataset in datasets:
        # not dataset.fake(seed): that would draw the same deviates for each bin
        npred = dataset.npred()
        dataset.counts = npred.copy(data=random.poisson(npred.data))
        dataset.counts.data[~dataset.mask_safe.data] = 0
        dataset.mask_fit = dataset.counts.geom.energy_mask(energy_min=ENERGY_FIT)
    return datasets
