# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
import numpy as np
from numpy.testing import assert_allclose
from gammapy.datasets import Datasets
from gammapy.datasets.shape_images import shape_image
from gammapy.datasets.tests.test_shape_terms import draw, make_dataset, make_source
from gammapy.maps import WcsGeom
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    DiskSpatialModel,
    GeneralizedGaussianSpatialModel,
    Models,
    Shell2SpatialModel,
    ShellSpatialModel,
)

POSITION = {"lon_0": "0.22 deg", "lat_0": "-0.13 deg"}
ELLIPSE = {"e": 0.6, "phi": "30 deg"}


def soft_shapes():
    return {
        "disk": DiskSpatialModel(**POSITION, **ELLIPSE, r_0="0.47 deg", edge_width=0.6),
        "gauss": GeneralizedGaussianSpatialModel(
            **POSITION, **ELLIPSE, r_0="0.3 deg", eta=0.55
        ),
        "sharp": GeneralizedGaussianSpatialModel(
            **POSITION, **ELLIPSE, r_0="0.5 deg", eta=0.2
        ),
    }


def hard_shapes():
    return {
        "disk": DiskSpatialModel(**POSITION, r_0="0.5 deg"),
        "ellipse": DiskSpatialModel(**POSITION, **ELLIPSE, r_0="0.5 deg"),
        "shell": ShellSpatialModel(**POSITION, radius="0.4 deg", width="0.2 deg"),
        "shell2": Shell2SpatialModel(**POSITION, r_0="0.6 deg", eta=0.3),
        "sharp": GeneralizedGaussianSpatialModel(**POSITION, r_0="0.5 deg", eta=0.03),
    }


def free_source(shape, *, frozen=()):
    for par in shape.parameters:
        par.frozen = par.name in frozen
    datasets = Datasets([make_dataset("one", n_pixels=20)])
    datasets.models = Models([make_source("src", shape)])
    return draw(datasets)


@pytest.mark.parametrize("name", ["disk", "gauss", "sharp"])
def test_derivatives_of_soft_shapes(name):
    datasets = free_source(soft_shapes()[name])
    free = datasets.parameters.free_parameters
    statistic = datasets._smooth_statistic(free)
    assert not statistic.is_hard.any()
    assert_allclose(statistic.stat(), datasets.stat_sum(), atol=1e-3, rtol=0)
    values = statistic.values
    found = statistic.derivatives(values, second=True)
    scales = np.sqrt(2 / np.diag(found.fisher))
    for idx, scale in enumerate(scales):
        moved = np.tile(values, (2, 1))
        moved[:, idx] += np.array([-0.03, 0.03]) * scale
        ends = [statistic.derivatives(row) for row in moved]
        slope = (ends[1].stat - ends[0].stat) / 0.06
        assert_allclose(found.gradient[idx] * scale, slope, atol=2e-3, rtol=1e-3)
        bends = (ends[1].gradient - ends[0].gradient) / 0.06 * scales
        expected = found.hessian[idx] * scales * scale
        assert_allclose(expected, bends, atol=3e-3, rtol=1e-3)


@pytest.mark.parametrize("name", ["disk", "ellipse", "shell", "shell2", "sharp"])
def test_statistic_of_hard_shapes(name):
    frozen = ["edge_width"] if name == "ellipse" else ["e", "phi", "edge_width"]
    datasets = free_source(hard_shapes()[name], frozen=frozen)
    free = datasets.parameters.free_parameters
    statistic = datasets._smooth_statistic(free)
    assert statistic.is_hard.sum() == len(free) - 2
    rng = np.random.default_rng(0)
    for _number in range(3):
        stat = datasets.stat_sum()
        assert_allclose(statistic.stat(), stat, atol=1e-3, rtol=0)
        for par in free:
            par.value *= rng.uniform(0.97, 1.03)


def second_moment(shape):
    """Mean square of the distance from the centre."""
    if isinstance(shape, DiskSpatialModel):
        return shape.r_0.value**2 / 2
    inner, outer = shape.radius.value, shape.radius.value + shape.width.value
    return 0.4 * (outer**5 - inner**5) / (outer**3 - inner**3)


@pytest.mark.parametrize("name", ["disk", "shell"])
@pytest.mark.parametrize("pixel", [0.02, 0.1])
def test_images_of_hard_shapes(name, pixel):
    """Moments of the derivatives are those of an ideal disk and a projected shell."""
    shape = hard_shapes()[name]
    geom = WcsGeom.create(npix=int(2 / pixel), binsz=pixel)
    names = {"disk": ["r_0"], "shell": ["radius", "width"]}[name]
    parameters = [shape.parameters[par] for par in ["lon_0", "lat_0", *names]]
    image = shape_image(shape, parameters, geom)
    assert image.is_hard
    first, pairs = image.derivatives(second=True)
    separation = geom.separation(shape.position).deg
    offsets = shape.position.spherical_offsets_to(geom.get_coord().skycoord)
    lon, lat = (offset.to_value("deg") for offset in offsets)
    # The image is normalised, and goes where the position goes.
    for change in first:
        assert abs(np.sum(change)) < 0.05
    assert_allclose(np.sum(first[0] * lon), 1, rtol=0.05)
    assert_allclose(np.sum(first[1] * lat), 1, rtol=0.05)
    for number, par in enumerate(parameters[2:], start=2):
        value, step, ends = par.value, 1e-4, []
        for sign in (-1, 1):
            par.value = value + sign * step
            ends.append(second_moment(shape))
        par.value = value
        expected = (ends[1] - ends[0]) / (2 * step)
        bend = (ends[1] + ends[0] - 2 * second_moment(shape)) / step**2
        assert_allclose(np.sum(first[number] * separation**2), expected, rtol=0.05)
        moment = np.sum(pairs[number, number] * separation**2)
        assert_allclose(moment, bend, rtol=0.15, atol=0.15)


@pytest.mark.parametrize("name", ["disk", "shell2"])
def test_fits_of_hard_shapes(name):
    """No point within an error is lower than the jumps that the message tells."""
    datasets = free_source(hard_shapes()[name], frozen=["e", "phi", "edge_width"])
    free = datasets.parameters.free_parameters
    truth = np.array([par.value for par in free])
    for par in free:
        par.value *= 1.08
    result = Fit(backend="newton").run(datasets)
    assert result.success
    assert "The statistic jumps by up to" in result.message
    stat = datasets.stat_sum()
    assert_allclose(result.total_stat, stat, atol=1e-3, rtol=0)
    values = np.array([par.value for par in free])
    errors = np.array([par.error for par in free])
    assert np.max(abs(values - truth) / errors) < 3.5
    rng = np.random.default_rng(2)
    covariance = datasets.models.covariance.get_subcovariance(free).data
    factor = np.linalg.cholesky(covariance)
    for _number in range(40):
        step = factor @ rng.normal(size=len(free)) * 0.3
        for par, value in zip(free, values + step, strict=True):
            par.value = value
        assert datasets.stat_sum() > stat - 0.1
