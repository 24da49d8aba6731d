# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Two fields of the first public H.E.S.S. data release.

The runs are reduced one by one and stacked in bins of zenith angle. ``hess_j1702.py
--data`` takes MSH 15-52.
"""

import logging
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tqdm import tqdm
import numpy as np
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion
from gammapy.data import DataStore
from gammapy.datasets import Datasets, MapDataset
from gammapy.makers import FoVBackgroundMaker, MapDatasetMaker, SafeMaskMaker
from gammapy.maps import MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

__all__ = ["Field", "MSH_1552", "RX_J1713", "find_data", "make_datasets", "start_model"]

log = logging.getLogger("hess_j1702")

#: Offset of the pointings from the target.
OFFSET_MAX = 1.5 * u.deg


@dataclass(frozen=True)
class Field:
    """What is analysed, and how.

    Parameters
    ----------
    target : `~astropy.coordinates.SkyCoord`
        Centre of the maps.
    radius : `~astropy.units.Quantity`
        Circle around it in which no background is measured.
    energy_fit : `~astropy.units.Quantity`
        Energy above which counts are fitted.
    zenith_edges : `~astropy.units.Quantity`
        Edges of the bins of zenith angle.
    """

    target: SkyCoord
    radius: u.Quantity
    energy_fit: u.Quantity
    zenith_edges: u.Quantity


MSH_1552 = Field(
    target=SkyCoord(228.53, -59.16, unit="deg", frame="icrs"),
    radius=0.5 * u.deg,
    energy_fit=1 * u.TeV,
    zenith_edges=[35, 36.7, 41] * u.deg,
)

RX_J1713 = Field(
    target=SkyCoord(258.39, -39.76, unit="deg", frame="icrs"),
    radius=0.8 * u.deg,
    energy_fit=1 * u.TeV,
    zenith_edges=[16, 18, 24] * u.deg,
)


def find_data():
    """Folder of the data release, or None, with a message, when there is none."""
    if "GAMMAPY_DATA" not in os.environ:
        log.error(
            "--data needs the H.E.S.S. data release: set the environment variable"
            " GAMMAPY_DATA to the folder that contains hess-dl3-dr1"
            " ('gammapy download datasets' fetches it)"
        )
        return None
    path = Path(os.environ["GAMMAPY_DATA"]) / "hess-dl3-dr1"
    if not path.is_dir():
        log.error(f"--data needs {path}, set GAMMAPY_DATA to the folder that has it")
        return None
    return path


def start_model():
    """The pulsar wind nebula, seen as an ellipse."""
    model = SkyModel(
        spectral_model=PowerLawSpectralModel(
            index=2.3, amplitude="5e-12 cm-2 s-1 TeV-1", reference="1 TeV"
        ),
        spatial_model=GaussianSpatialModel(
            lon_0=MSH_1552.target.ra,
            lat_0=MSH_1552.target.dec,
            sigma="0.1 deg",
            e=0.5,
            phi="120 deg",
        ),
        name="MSH 15-52",
    )
    model.spatial_model.e.frozen = False
    model.spatial_model.phi.frozen = False
    model.spatial_model.sigma.min = 0
    # Minuit takes the errors as its first steps
    errors = {"index": 0.1, "lon_0": 0.02, "lat_0": 0.01, "sigma": 0.01, "e": 0.1}
    for name, error in errors.items():
        model.parameters[name].error = error
    model.parameters["phi"].error = 10
    model.parameters["amplitude"].error = 5e-13
    return model


def make_geom(field):
    """Maps of 4 degrees; the fit threshold is one of the energy edges."""
    edges = field.energy_fit * 10 ** (np.arange(-2, 10) / 6)
    axis = MapAxis.from_energy_edges(edges)
    return WcsGeom.create(
        skydir=field.target, width=4, binsz=0.04, frame="icrs", axes=[axis]
    )


def make_datasets(data_dir, exclusion_mask=None, *, field=MSH_1552):
    """Reduce the runs.

    Parameters
    ----------
    data_dir : `~pathlib.Path`
        Folder of the data release.
    exclusion_mask : `~gammapy.maps.WcsNDMap`, optional
        Where to measure the background. Default is None, outside a circle around the
        target.
    field : `Field`, optional
        What is analysed. Default is MSH 15-52.

    Returns
    -------
    datasets : `~gammapy.datasets.Datasets`
        One dataset per bin of zenith angle, with ``mask_fit`` and a background model.
    """
    data_store = DataStore.from_dir(data_dir)
    runs = data_store.obs_table
    # the name of the target is written in two ways, its position in one
    pointings = SkyCoord(runs["RA_PNT"], runs["DEC_PNT"], unit="deg")
    runs = runs[pointings.separation(field.target) < OFFSET_MAX]

    datasets = Datasets()
    tables = {}
    for low, high in pairwise(field.zenith_edges):
        zenith = runs["ZEN_PNT"].quantity
        selected = runs[(zenith >= low) & (zenith < high)]
        name = f"zenith-{low.value:.0f}-{high.value:.0f}"
        observations = data_store.get_observations(selected["OBS_ID"])
        dataset = stack_runs(observations, name, field, exclusion_mask)
        tables[name] = FoVBackgroundMaker.nuisance(dataset)
        datasets.append(dataset)

    for name, table in tables.items():
        print(f"\nBackground of each run above {field.energy_fit}, {name}")
        table.pprint_all()
    return datasets


def stack_runs(observations, name, field, exclusion_mask=None):
    """Reduce, normalise and stack the runs of one bin."""
    geom = make_geom(field)
    energy_true = MapAxis.from_energy_bounds(
        "0.2 TeV", "80 TeV", nbin=8, per_decade=True, name="energy_true"
    )
    if exclusion_mask is None:
        source = CircleSkyRegion(field.target, field.radius)
        exclusion_mask = geom.to_image().region_mask([source], inside=False)

    maker = MapDatasetMaker(
        selection=["counts", "exposure", "background", "psf", "edisp"]
    )
    safe_mask_maker = SafeMaskMaker(
        methods=["aeff-default", "offset-max"], offset_max=2 * u.deg
    )
    background_maker = FoVBackgroundMaker(
        method="fit",
        exclusion_mask=exclusion_mask,
        energy_min=field.energy_fit,
        debug=True,
    )

    def empty(name=None):
        return MapDataset.create(
            geom, energy_axis_true=energy_true, binsz_irf=0.5 * u.deg, name=name
        )

    stacked = empty(name)
    for observation in tqdm(observations, desc=name):
        dataset = maker.run(empty(f"run-{observation.obs_id}"), observation)
        dataset = safe_mask_maker.run(dataset, observation)
        stacked.stack(background_maker.run(dataset, observation))

    stacked.mask_fit = geom.energy_mask(energy_min=field.energy_fit)
    background = FoVBackgroundModel(dataset_name=name)
    background.spectral_model.norm.min = 0
    background.spectral_model.norm.error = 0.02
    stacked.models = [background]
    return stacked
