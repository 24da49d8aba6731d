# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Shapes by their second moments: images and derivatives."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets.shape_family import EllipseFamily, PointFamily, Profile
from gammapy.datasets.shape_images import shape_image
from gammapy.maps import WcsGeom
from gammapy.modeling.models import (
    DiskSpatialModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    PointSpatialModel,
)
from gammapy.modeling.utils import set_values

GEOM = WcsGeom.create(npix=(61, 57), binsz=0.02)


def moments(image):
    """Variances along both axes and their covariance, in deg squared."""
    lat, lon = np.indices(image.shape) * 0.02
    total = image.sum()
    x, y = ((coord - np.sum(image * coord) / total) for coord in (lon, lat))
    return [np.sum(image * part) / total for part in (x * x, y * y, x * y)]


@pytest.mark.parametrize("size", [0.01, 0.05, 0.1])
def test_blurred_point(size):
    point = PointSpatialModel(lon_0="0.013 deg", lat_0="-0.021 deg")
    family = PointFamily(point, 0.3 * u.deg)
    before = shape_image(point, [family.lon_0], GEOM).value()
    image = shape_image(family, [family.lon_0, family.variance], GEOM)
    assert_allclose(image.value(), before)
    family.variance.value = size**2
    after = image.value()
    assert after.sum() == pytest.approx(1, abs=1e-6)
    added = np.subtract(moments(after), moments(before))
    # Pixels are smaller than 0.02 deg by the cosine of the latitude only.
    assert_allclose(added, [size**2, size**2, 0], rtol=1e-3, atol=1e-9)
    assert family.size_values() == {"sigma": pytest.approx(size)}


def test_map_of_a_point():
    family = PointFamily(PointSpatialModel(lon_0="0.013 deg"), 0.3 * u.deg)
    family.variance.value = 4e-4
    found = family.integrate_geom(GEOM)
    assert found.data.sum() == pytest.approx(1, abs=1e-6)
    wanted = shape_image(family, [family.variance], GEOM).value()
    assert_allclose(found.data, wanted)


def ellipse_family(e=0.6, profile=False):
    kind = GaussianSpatialModel
    values = {"sigma": "0.1 deg"}
    if profile:
        kind = GeneralizedGaussianSpatialModel
        values = {"r_0": "0.14 deg", "eta": 0.4}
    model = kind(lon_0="0.01 deg", lat_0="0.02 deg", e=e, phi="25 deg", **values)
    return EllipseFamily(model.copy(), 0.02), model


@pytest.mark.parametrize("e", [0.0, 0.6])
@pytest.mark.parametrize("profile", [False, True])
def test_same_image(e, profile):
    family, model = ellipse_family(e, profile)
    image = shape_image(family, [family.variance], GEOM).value()
    wanted = shape_image(model, [model.e], GEOM).value()
    assert_allclose(image, wanted, atol=2e-5 * wanted.max())
    assert_allclose(family.integrate_geom(GEOM).data, wanted, atol=1e-4 * wanted.max())


def test_profile_of_a_gaussian():
    family, model = ellipse_family()
    profile = Profile(
        lon_0=model.lon_0,
        lat_0=model.lat_0,
        r_0=np.sqrt(2) * model.sigma.quantity,
        e=0.6,
        phi="25 deg",
    )
    assert_allclose(profile.evaluation_radius, model.evaluation_radius)
    family = EllipseFamily(profile, 0.02)
    image = shape_image(family, [family.eta], GEOM).value()
    wanted = shape_image(model, [model.e], GEOM).value()
    assert_allclose(image, wanted, atol=1e-4 * wanted.max())
    values = family.size_values()
    assert values["sigma"] == pytest.approx(0.1)
    assert values["e"] == pytest.approx(0.6)
    assert values["phi"] == pytest.approx(25)


def test_moments():
    family, _model = ellipse_family(e=0.0)
    image = shape_image(family, [family.along, family.across], GEOM)
    for along, across in ((0.3, 0), (0, 0.3), (-0.2, 0.1)):
        family.along.value, family.across.value = along, across
        lon, lat, mixed = moments(image.value())
        # The axis of the start, 25 deg, counts from the north to the east, where the
        # longitude grows to smaller pixel numbers.
        angle = 2 * np.deg2rad(25)
        north = along * np.cos(angle) - across * np.sin(angle)
        diagonal = along * np.sin(angle) + across * np.cos(angle)
        found = [lon + lat, (lat - lon) / (lat + lon), -2 * mixed / (lat + lon)]
        # The pixels add their own variance.
        assert_allclose(found, [0.02, north, diagonal], rtol=0.02, atol=1e-3)


def test_slopes_of_a_disk():
    """Changes of the second moments; a quarter of the squared semiaxes for a disk."""
    model = DiskSpatialModel(
        lon_0="0.01 deg", lat_0="0.02 deg", r_0="0.3 deg", phi="25 deg"
    )
    family = EllipseFamily(model, 0.02)
    parameters = [family.variance, family.along, family.across]
    image = shape_image(family, parameters, GEOM)
    assert image.is_hard
    variance, along, across = image.derivatives()[0]
    lat, lon = np.indices(GEOM.data_shape) * 0.02
    x, y = lon - lon.mean(), lat - lat.mean()
    angle = 2 * np.deg2rad(25)
    assert np.sum(variance * (x**2 + y**2)) == pytest.approx(1 / 2, rel=0.05)
    size = 0.3**2 / 2
    slopes = [np.sum(part * (y**2 - x**2)) for part in (along, across)]
    expected = [size * np.cos(angle), -size * np.sin(angle)]
    assert_allclose(slopes, expected, atol=0.05 * size)
    values = family.size_values()
    assert values == {"e": 0, "phi": 25, "r_0": pytest.approx(0.3), "edge_width": 0.01}


@pytest.mark.parametrize("name", ["point", "circle", "ellipse", "profile"])
def test_derivatives(name):
    if name == "point":
        point = PointSpatialModel(lon_0="0.013 deg", lat_0="-0.021 deg")
        family = PointFamily(point, 0.3 * u.deg)
        family.variance.value = 4e-4
    else:
        family = ellipse_family(e=0.0 if name == "circle" else 0.6)[0]
    if name == "profile":
        family = ellipse_family(profile=True)[0]
    names = family.parameters.names
    unused = ["edge_width"] if name == "profile" else ["edge_width", "eta"]
    names = [name for name in names if name not in unused]
    parameters = [family.parameters[name] for name in names]
    image = shape_image(family, parameters, GEOM)
    values = np.array([par.value for par in parameters])
    first, pairs = image.derivatives(second=True)
    assert_allclose([par.value for par in parameters], values)
    steps = [1e-3 * (abs(value) or 1.0) for value in values]
    for idx, step in enumerate(steps):
        images, slopes = [], []
        for sign in (-1, 1):
            moved = values.copy()
            moved[idx] += sign * step
            set_values(parameters, moved)
            images.append(image.value())
            slopes.append(image.derivatives()[0])
        slope = (images[1] - images[0]) / (2 * step)
        assert_allclose(first[idx], slope, atol=0.01 * abs(slope).max())
        set_values(parameters, values)
        for other in range(len(values)):
            bend = (slopes[1][other] - slopes[0][other]) / (2 * step)
            found = pairs[max(idx, other), min(idx, other)]
            scale = abs(bend).max()
            if (
                name == "point"
                and other != idx
                and "variance"
                not in (
                    names[idx],
                    names[other],
                )
            ):
                continue  # bends of a point are where pixels meet
            assert_allclose(found, bend, atol=0.03 * scale + 1e-9)
