# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""How large the kernels of joint maps are."""

import json
import os
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from astropy.io import fits
from gammapy.datasets import MapDataset, SpatialResiduals
from gammapy.datasets.residuals.io import META
from gammapy.datasets.residuals.kernels.containment import containment_radius
from gammapy.irf import EDispKernelMap, PSFMap
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling import models as gm
from gammapy.utils.testing import check_bad_input, requires_data

AXIS = MapAxis.from_energy_edges([1, 3, 10] * u.TeV, name="energy")
AXIS_TRUE = MapAxis.from_energy_edges([1, 3, 10] * u.TeV, name="energy_true")
GEOM = WcsGeom.create(npix=60, binsz=0.02, frame="galactic", axes=[AXIS])
# Of a Gaussian in two dimensions 68 percent are within so many sigma.
R_68 = np.sqrt(-2 * np.log(0.32))


def gauss_dataset(sigmas):
    """Dataset with a Gaussian PSF, one width per energy bin."""
    dataset = MapDataset.create(GEOM, energy_axis_true=AXIS_TRUE, name="test")
    dataset.exposure.quantity = np.full(dataset.exposure.data.shape, 1e12) * u.Unit(
        "cm2 s"
    )
    dataset.psf = PSFMap.from_gauss(AXIS_TRUE, sigma=sigmas)
    dataset.edisp = EDispKernelMap.from_diagonal_response(AXIS, AXIS_TRUE)
    dataset.background.data += 2.0
    dataset.counts.data += 2.0
    dataset.mask_safe.data[...] = True
    return dataset


def radii_of(kernel, dataset=None, **options):
    dataset = gauss_dataset([0.1, 0.1] * u.deg) if dataset is None else dataset
    return SpatialResiduals.from_datasets(dataset, kernel=kernel, **options)


def test_containment_radius():
    y, x = np.mgrid[-60:61, -60:61]
    image = np.exp(-0.5 * np.hypot(x, y) ** 2 / 8**2)
    radius = containment_radius(image, GEOM)
    assert_allclose(radius.to_value("deg"), R_68 * 8 * 0.02, rtol=0.01)
    assert_allclose(
        containment_radius(image, GEOM, 0.3).to_value("deg"),
        np.sqrt(-2 * np.log(0.7)) * 8 * 0.02,
        rtol=0.01,
    )
    # A disc, and pixels that are twice as wide as they are high.
    wide = WcsGeom.create(npix=60, binsz=(0.04, 0.02))
    disc = (np.hypot(2 * x, y) <= 40.5).astype(float)
    radius = containment_radius(disc, wide).to_value("deg")
    assert_allclose(radius, np.sqrt(0.68) * 40.5 * 0.02, rtol=0.01)
    assert np.isnan(containment_radius(np.zeros((3, 3)), GEOM))


def test_radius_of_each_kernel():
    for kernel in ("tophat", "gauss"):
        radius = radii_of(kernel, correlation_radius="0.14 deg").kernel_radius
        assert radius.shape == (1,) and radius[0] == 0.14 * u.deg
    assert radii_of(None).kernel_radius is None
    radius = radii_of("point-source").kernel_radius
    assert_allclose(radius.to_value("deg"), R_68 * 0.1, rtol=0.01)
    spatial = gm.GaussianSpatialModel(sigma="0.05 deg", frame="galactic")
    source = gm.SkyModel(gm.PowerLawSpectralModel(), spatial)
    radius = radii_of(source).kernel_radius
    assert_allclose(radius.to_value("deg"), R_68 * np.hypot(0.1, 0.05), rtol=0.02)
    y, x = np.mgrid[-20:21, -20:21]
    geom = WcsGeom.create(npix=41, binsz=0.02, frame="galactic")
    weights = Map.from_geom(geom, data=np.exp(-0.5 * np.hypot(x, y) ** 2 / 5**2))
    radius = radii_of(weights).kernel_radius
    assert_allclose(radius.to_value("deg"), R_68 * 5 * 0.02, rtol=0.01)


def test_one_radius_per_energy_group():
    dataset = gauss_dataset([0.15, 0.06] * u.deg)
    options = {"energy_edges": AXIS.edges}
    radii = radii_of("point-source", dataset, **options).kernel_radius
    assert_allclose(radii.to_value("deg"), R_68 * np.array([0.15, 0.06]), rtol=0.02)
    # Together it is between them, and a masked bin does not count.
    (joint,) = radii_of("point-source", dataset).kernel_radius
    assert radii[1] < joint < radii[0]
    dataset.mask_fit = GEOM.energy_mask(energy_min=3 * u.TeV)
    (high,) = radii_of("point-source", dataset).kernel_radius
    assert_allclose(high, radii[1])


def test_written_and_read(tmp_path):
    path = tmp_path / "residuals.fits"
    residuals = radii_of("point-source")
    residuals.write(path)
    other = SpatialResiduals.read(path)
    assert_allclose(other.kernel_radius, residuals.kernel_radius, rtol=1e-3)
    assert other.to_dict()["kernel_radius"] == residuals.to_dict()["kernel_radius"]
    assert "kernel_radius" not in radii_of("tophat").to_dict()

    def change(value):
        with fits.open(path, mode="update") as hdulist:
            meta = json.loads(hdulist[META].data["meta"][0])
            meta.pop("kernel_radius", None)
            meta |= {} if value is None else {"kernel_radius": value}
            table = fits.BinTableHDU.from_columns(
                [fits.Column("meta", "10000A", array=[json.dumps(meta)])], name=META
            )
            hdulist[META] = table

    # Files from before do not know it.
    change(None)
    assert SpatialResiduals.read(path).kernel_radius is None
    for value, message in [
        (["0.1 deg", "0.2 deg"], "2 radii for 1 energy groups"),
        (["far"], "kernel_radius: expected radii"),
        (["3 TeV"], "kernel_radius: expected radii"),
    ]:
        change(value)
        check_bad_input(lambda: SpatialResiduals.read(path), ValueError, message)


@pytest.mark.filterwarnings("ignore::astropy.wcs.FITSFixedWarning")
@requires_data()
def test_psf_of_the_galactic_centre():
    """68 percent of the counts of 3FHL, from the containment of the PSF itself."""
    folder = os.path.expandvars("$GAMMAPY_DATA/fermi-3fhl-gc/fermi-3fhl-gc")
    counts = Map.read(f"{folder}-counts-cube.fits.gz")
    exposure = Map.read(f"{folder}-exposure-cube.fits.gz")
    axis, axis_true = counts.geom.axes["energy"], exposure.geom.axes["energy_true"]
    geom = WcsGeom.create(npix=80, binsz=0.05, frame="galactic", axes=[axis])
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=1.0),
        background=Map.from_geom(geom, data=1.0),
        exposure=exposure.interp_to_geom(geom.to_image().to_cube([axis_true])),
        psf=PSFMap.read(f"{folder}-psf-cube.fits.gz", format="gtpsf"),
        edisp=EDispKernelMap.from_diagonal_response(axis, axis_true),
        name="gc",
    )
    edges = u.Quantity([axis.edges[0], axis.edges[3], axis.edges[-1]])
    radii = radii_of("point-source", dataset, energy_edges=edges).kernel_radius
    assert radii[1] < radii[0]
    # Counts of a source with index 2 per unit of log(energy), at many energies.
    center = geom.center_skydir
    for radius, low, high in zip(radii, edges[:-1], edges[1:], strict=True):
        energies = np.geomspace(low, high, 200)
        exposures = dataset.exposure.interp_by_coord(
            {"skycoord": center, "energy_true": energies}
        )
        weights = exposures / energies.to_value("GeV")
        parts = dataset.psf.containment(
            energy_true=energies, rad=radius, position=center
        )
        found = np.sum(weights * np.squeeze(parts)) / np.sum(weights)
        # Pixels of 0.05 deg make a PSF of 0.1 deg somewhat wider.
        assert_allclose(found, 0.68, atol=0.04)
