# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Small fields whose truth is known, to simulate many times."""

import numpy as np
from gammapy.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
from gammapy.maps import Map, MapAxis, RegionGeom, RegionNDMap, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
)

ENERGIES = ("1 TeV", "10 TeV")


def map_geom(n_pix, n_energy):
    axis = MapAxis.from_energy_bounds(*ENERGIES, nbin=n_energy)
    return WcsGeom.create(npix=n_pix, binsz=0.1, axes=[axis])


def blob(geom, number):
    """One of six Gaussian blobs, side by side, of the sum of the number of images."""
    _, n_lat, n_lon = geom.data_shape
    lat, lon = np.indices((n_lat, n_lon))
    centre = np.array([(number % 2 + 0.5) / 2 * n_lat, (number // 2 + 0.5) / 3 * n_lon])
    distance2 = (lat - centre[0]) ** 2 + (lon - centre[1]) ** 2
    image = np.exp(-distance2 / (2 * (0.08 * n_lat) ** 2))
    return image * image.size / image.sum()


def norms_field(total, *, n_pix=50, n_energy=8, n_norms=7):
    """Background and templates, whose norms are free: a dataset without counts.

    The background falls with energy as a power law of index 2.7.
    """
    geom = map_geom(n_pix, n_energy)
    dataset = MapDataset(counts=Map.from_geom(geom), name="field")
    slope = geom.axes["energy"].center.value[:, np.newaxis, np.newaxis] ** -1.7
    shapes = [np.ones(geom.data_shape) * slope]
    shapes += [slope * blob(geom, number) / 4 for number in range(n_norms - 1)]
    scale = total / sum(shape.sum() for shape in shapes)
    dataset.background = Map.from_geom(geom, data=scale * shapes[0])
    dataset.mask_fit = Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool))
    models = [FoVBackgroundModel(dataset_name="field")]
    for number, shape in enumerate(shapes[1:], start=1):
        template = Map.from_geom(geom, data=scale * shape)
        models.append(
            TemplateNPredModel(
                template, name=f"blob-{number}", datasets_names=["field"]
            )
        )
    dataset.models = models
    return Datasets([dataset])


def source_model(name="source", index=2.0, amplitude="3e-13 TeV-1 s-1 cm-2"):
    return SkyModel(
        spectral_model=PowerLawSpectralModel(amplitude=amplitude, index=index),
        spatial_model=GaussianSpatialModel(sigma="0.35 deg"),
        name=name,
    )


def source_field(total=2000, *, n_pix=40, n_energy=6, names=("field",)):
    """Background and a Gaussian source, seen by a perfect instrument."""
    geom = map_geom(n_pix, n_energy)
    true_axis = geom.axes["energy"].copy(name="energy_true")
    exposure = geom.to_image().to_cube([true_axis])
    datasets = Datasets()
    for name in names:
        field = norms_field(total, n_pix=n_pix, n_energy=n_energy, n_norms=1)[0]
        field = field.copy(name=name)
        field.exposure = Map.from_geom(exposure, data=1e15, unit="cm2 s")
        datasets.append(field)
    models = [FoVBackgroundModel(dataset_name=name) for name in names]
    datasets.models = [source_model(), *models]
    return datasets


#: Expected off counts of each energy bin.
MU_OFF, ALPHA = 60.0, 0.2


def on_off_spectrum(n_energy=24):
    """Spectrum with off counts; the truth is an index of 2."""
    axis = MapAxis.from_energy_bounds(*ENERGIES, nbin=n_energy)
    region = "icrs;circle(0, 0, 0.1)"
    geom = RegionGeom.create(region, axes=[axis])
    true_axis = axis.copy(name="energy_true")
    dataset = SpectrumDatasetOnOff(
        counts=RegionNDMap.from_geom(geom),
        counts_off=RegionNDMap.from_geom(geom),
        acceptance=RegionNDMap.from_geom(geom, data=ALPHA),
        acceptance_off=RegionNDMap.from_geom(geom, data=1),
        exposure=RegionNDMap.create(region, axes=[true_axis], data=1e15, unit="cm2 s"),
        name="on-off",
    )
    spectrum = PowerLawSpectralModel(amplitude="6e-13 TeV-1 s-1 cm-2", index=2)
    dataset.models = SkyModel(spectral_model=spectrum, name="source")
    return Datasets([dataset])


def simulate(datasets, random):
    """Draw counts of the present models."""
    for dataset in datasets:
        if dataset.stat_type == "wstat":
            mu_off = np.full(dataset.counts.data.shape, MU_OFF)
            expected = dataset.npred_signal().data + ALPHA * mu_off
            dataset.counts_off.data = random.poisson(mu_off).astype(float)
        else:
            expected = dataset.npred().data
        dataset.counts.data = random.poisson(expected).astype(float)
