# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_array_equal
import astropy.units as u
from astropy.coordinates import SkyCoord
from gammapy.datasets import Datasets
from gammapy.irf import PSFMap, RecoPSFMap
from gammapy.maps import Map, MapAxis, RegionGeom, WcsGeom
from gammapy.utils.testing import requires_data

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy_true")


def kernel_by_interpolation(psf, geom, position, radii, factors):
    """The PSF interpolated in all of its dimensions, on a grid for each energy."""
    kernel = Map.from_geom(geom)
    energies = geom.axes[psf.energy_name].center
    for idx, (energy, radius, factor) in enumerate(
        zip(energies, radii, factors, strict=False)
    ):
        image = geom.to_image().to_odd_npix(max_radius=radius)
        fine = image.upsample(factor)
        rad = fine.get_coord().skycoord.separation(geom.center_skydir)
        values = psf.psf_map.interp_by_coord(
            {psf.energy_name: energy, "rad": rad, "skycoord": position}
        )
        summed = Map.from_geom(fine, data=np.clip(values, 0, None)).downsample(factor)
        part = kernel.slice_by_idx({psf.energy_name: idx})
        part.fill_by_coord(image.get_coord(), weights=summed.data)
        kernel.data[idx] = part.data
    total = kernel.data.sum(axis=(1, 2), keepdims=True)
    return kernel.data / total


def check_kernel(psf, geom, position, max_radius=None):
    kernel = psf.get_psf_kernel(geom, position=position, max_radius=max_radius)
    energy = {psf.energy_name: psf.psf_map.geom.axes[psf.energy_name].center}
    radii = psf.containment_radius(0.999, position=position, **energy)
    if max_radius is not None:
        radii = np.minimum(radii, u.Quantity(max_radius))
    # Gammapy takes the radii at the energies of the PSF, the factors at those of geom.
    energy = {psf.energy_name: geom.axes[psf.energy_name].center}
    size = (2 * psf.containment_radius(0.68, position=position, **energy)).to("deg")
    scale = geom.pixel_scales.max()
    factors = [min(int(np.ceil(12 * scale / width)), 4) for width in size]
    expected = kernel_by_interpolation(
        psf, kernel.psf_kernel_map.geom, position, radii, factors
    )
    assert kernel.data.dtype == np.float32
    assert_array_equal(kernel.data, expected.astype(np.float32))


@pytest.mark.parametrize("max_radius", [None, "0.15 deg"])
def test_gauss(max_radius):
    psf = PSFMap.from_gauss(AXIS, sigma=[0.1, 0.07, 0.03] * u.deg)
    geom = WcsGeom.create(width=2, binsz=0.02, axes=[AXIS])
    check_kernel(psf, geom, SkyCoord(0, 0, unit="deg"), max_radius)


def test_reconstructed_energy():
    axis = AXIS.copy(name="energy")
    psf = RecoPSFMap.from_gauss(axis, sigma=[0.1, 0.07, 0.03] * u.deg)
    geom = WcsGeom.create(width=2, binsz=0.05, axes=[axis])
    check_kernel(psf, geom, SkyCoord(0, 0, unit="deg"))


def test_region():
    psf = PSFMap.from_gauss(AXIS, sigma="0.1 deg")
    geom = RegionGeom.create("icrs;circle(0, 0, 0.5)", axes=[AXIS])
    kernel = psf.get_psf_kernel(geom)
    np.testing.assert_allclose(kernel.data.sum(axis=(1, 2)), 1, rtol=1e-5)


@requires_data()
def test_fermi():
    path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL_datasets.yaml"
    dataset = Datasets.read(path)[0]
    geom = dataset.exposure.geom
    check_kernel(dataset.psf, geom, geom.center_skydir)
