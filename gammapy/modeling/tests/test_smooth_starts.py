# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Hard starts of each shape: the minimum, or no success and why."""

import pytest
import numpy as np
import astropy.units as u
from gammapy.datasets import Datasets
from gammapy.datasets.tests.test_shape_terms import draw, make_dataset, make_source
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    DiskSpatialModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    GeneralizedGaussianSpatialModel,
    Models,
    PointSpatialModel,
    Shell2SpatialModel,
    ShellSpatialModel,
)
from gammapy.modeling.smooth.guard import _inverse
from gammapy.modeling.tests.smooth_problems import (
    compare_with_minuit,
    free_values,
    jumps,
    probe_nearby,
    set_free,
)

ELLIPSE = {"e": 0.8, "phi": "40 deg"}
KINDS = {
    "point": lambda: PointSpatialModel(),
    "gauss": lambda: GaussianSpatialModel(sigma="0.3 deg", **ELLIPSE),
    "general": lambda: GeneralizedGaussianSpatialModel(
        r_0="0.4 deg", eta=0.4, **ELLIPSE
    ),
    "soft": lambda: DiskSpatialModel(r_0="0.43 deg", edge_width=0.5, **ELLIPSE),
    "disk": lambda: DiskSpatialModel(r_0="0.45 deg", **ELLIPSE),
    "shell": lambda: ShellSpatialModel(radius="0.4 deg", width="0.15 deg"),
    "shell2": lambda: Shell2SpatialModel(r_0="0.5 deg", eta=0.3),
}
STARTS = [
    "tiny",
    "round",
    "upright",
    "turned",
    "dark",
    "at the edge",
    "not there",
    "twice",
    "far",
]

# The fast ones; all of the others are long tests.
FAST = [
    ("gauss", "tiny"),
    ("general", "round"),
    ("soft", "round"),
    ("general", "tiny"),
    ("gauss", "turned"),
    ("general", "upright"),
    ("point", "at the edge"),
    ("soft", "dark"),
    ("shell", "tiny"),
    ("shell2", "dark"),
    ("soft", "tiny"),
]
ALL = [(kind, start) for kind in KINDS for start in STARTS]


def make_field(kind):
    shape = KINDS[kind]()
    shape.lon_0.value, shape.lat_0.value = 0.12, -0.13
    for par in shape.parameters:
        par.frozen = par.name in ("edge_width", "eta")
    datasets = Datasets([make_dataset("one", n_pixels=20, scale=2.0)])
    background = FoVBackgroundModel(dataset_name="one")
    datasets.models = Models([make_source("src", shape), background])
    return draw(datasets)


def set_start(datasets, start):
    """Move the fit to a hard start; False where the shape has none of this kind."""
    model = datasets.models["src"]
    shape, amplitude = model.spatial_model, model.spectral_model.amplitude
    names = shape.parameters.names
    if start == "tiny":
        sizes = [name for name in ("sigma", "r_0", "width") if name in names]
        for name in sizes:
            shape.parameters[name].value = 1e-9
        return bool(sizes)
    if start in ("round", "upright", "turned"):
        if "e" not in names:
            return False
        if start == "round":
            shape.e.value = 0
        else:
            shape.phi.value = 0 if start == "upright" else 180
    elif start == "dark":
        amplitude.value = 0
    elif start == "at the edge":
        shape.lon_0.value, shape.lat_0.value = 0.98, 0.97
    elif start == "not there":
        value = amplitude.value
        amplitude.value, amplitude.min = 0, 0
        draw(datasets, 3)
        amplitude.value = 0.2 * value
    elif start == "twice":
        other = model.copy(name="other")
        for par in other.spatial_model.parameters:
            par.frozen = model.spatial_model.parameters[par.name].frozen
        datasets.models = Models([model, other, datasets.models["one-bkg"]])
    elif start == "far":
        Fit(backend="newton").run(datasets)
        errors = [par.error for par in datasets.parameters.free_parameters]
        signs = np.random.default_rng(1).choice([-1, 1], size=len(errors))
        set_free(datasets, free_values(datasets) + 12 * signs * errors)
        for par in (amplitude, *(shape.parameters)):
            if par.name in ("amplitude", "sigma", "r_0", "radius", "width"):
                par.value = max(par.value, 0.05 * par.scale)
        if "e" in names:
            shape.e.value = np.clip(shape.e.value, 0, 0.95)
    return True


def check(kind, start, *, minuit):
    datasets = make_field(kind)
    truth = free_values(datasets)
    good = Fit(backend="newton").run(datasets)
    set_free(datasets, truth)
    if not set_start(datasets, start):
        pytest.skip("no such parameter")
    if minuit:
        result, gain = compare_with_minuit(datasets)
    else:
        result = Fit(backend="newton").run(datasets)
        gain = result.total_stat - probe_nearby(datasets)
    if not result.success:
        # It says why, and leaves nothing worse than it was.
        assert "Newton's method stopped (" in result.message
        return
    assert gain < max(1e-2, jumps(result))
    if start not in ("not there", "twice", "at the edge", "far"):
        size = max(1e-2, jumps(result) + jumps(good))
        assert abs(result.total_stat - good.total_stat) < size


@pytest.mark.parametrize("kind, start", FAST)
def test_hard_starts(kind, start):
    check(kind, start, minuit=False)


@pytest.mark.long
@pytest.mark.parametrize("kind, start", ALL)
def test_all_hard_starts(kind, start):
    check(kind, start, minuit=True)


@pytest.mark.parametrize("seed, gain, best_lon", [(27, 3.16, 0.067), (7, 0.118, 0.045)])
@pytest.mark.parametrize("offset", [-0.03, 0.03])
def test_both_sides_of_a_pixel(seed, gain, best_lon, offset):
    """A point is shared between pixels: each side of a centre has a minimum."""
    datasets = make_field("point")
    model = datasets.models["src"]
    shape = model.spatial_model
    model.spectral_model.amplitude.value *= 0.3
    shape.lon_0.value, shape.lat_0.value = 0.055, -0.005
    draw(datasets, seed)
    shape.lon_0.value = 0.05 + offset
    start = free_values(datasets)
    result = Fit(backend="newton").run(datasets)
    best = free_values(datasets)
    lowest = []
    for lon in (0.02, 0.08):
        set_free(datasets, start)
        shape.lon_0.value = lon
        Fit(backend="minuit").run(datasets)
        lowest.append(datasets.stat_sum())
    set_free(datasets, best)
    assert result.success
    np.testing.assert_allclose(max(lowest) - min(lowest), gain, atol=0.02)
    assert result.total_stat < min(lowest) + 1e-3
    np.testing.assert_allclose(shape.lon_0.value, best_lon, atol=2e-3)


def test_tiny_disks_are_flat():
    """Nothing is divided by zero; a flat ellipse has a known area."""
    for e in (0, 0.5, 0.9):
        norms = [
            DiskSpatialModel._evaluate_norm_factor(r_0 * u.rad, e)
            for r_0 in (1e-11, 0.99e-4, 1.01e-4)
        ]
        areas = np.pi * np.sqrt(1 - e**2) * np.array([1e-11, 0.99e-4, 1.01e-4]) ** 2
        np.testing.assert_allclose(norms * areas, 1, rtol=3e-8)


def test_needles_are_not_resolved():
    """A size far below a pixel, or a minor axis far below the major one."""
    datasets = make_field("gauss")
    free = datasets.parameters.free_parameters
    statistic = datasets._smooth_statistic(free)
    names = [par.name for par in free]
    e, sigma = names.index("e"), names.index("sigma")
    values = free_values(datasets)
    assert not statistic.is_unresolved(values).any()
    for idx, value in ((e, 0.999), (e, 1.0), (sigma, 0.004)):
        moved = values.copy()
        moved[idx] = value
        assert np.flatnonzero(statistic.is_unresolved(moved)).tolist() == [idx]
    # A bound of the user's own is none of the map.
    free[e].max = 0.9
    values[e] = 0.9
    assert not statistic.is_unresolved(values).any()


def test_derivatives_that_are_not_numbers_are_named():
    """Others have errors as if that parameter were frozen: 1 and 0.5."""
    hessian = np.diag([2.0, np.nan, 8.0])
    hessian[0, 1] = hessian[1, 0] = np.nan
    inverse, flat, named = _inverse(hessian)
    np.testing.assert_allclose(np.diag(inverse)[[0, 2]], [1, 0.25])
    assert flat.tolist() == named.tolist() == [1]
    hessian[1, 1] = 1.0
    assert _inverse(hessian)[1].tolist() == [0, 1, 2]
