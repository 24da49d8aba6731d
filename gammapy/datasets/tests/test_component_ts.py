# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Datasets.ts_of against test statistics that are worked out by hand."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.special import log_ndtr
from gammapy.datasets import (
    ComponentTS,
    Datasets,
    SpectrumDataset,
    SpectrumDatasetOnOff,
    component_ts,
)
from gammapy.datasets.component_ts import sigma_of
from gammapy.datasets.tests.test_shape_terms import rich_datasets
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    PowerLawSpectralModel,
    SkyModel,
    UniformPrior,
)
from gammapy.utils.testing import check_bad_input

AXIS = MapAxis.from_energy_edges([1, 2, 5, 10], unit="TeV")
GEOM = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[AXIS])
GEOM_TRUE = RegionGeom.create(
    "icrs;circle(0, 0, 1)", axes=[AXIS.copy(name="energy_true")]
)


def make_map(data):
    return RegionNDMap.from_geom(GEOM, data=np.reshape(data, (3, 1, 1)))


def exposure():
    return RegionNDMap.from_geom(GEOM_TRUE, data=1e12, unit="cm2 s")


def make_dataset(name, counts):
    """Three bins with a background of 10 each, of which the last is masked."""
    return SpectrumDataset(
        name=name,
        counts=make_map(counts),
        background=make_map([10.0, 10, 10]),
        exposure=exposure(),
        mask_safe=make_map([True, True, False]),
    )


def make_source(name="source", *, index_frozen=True, **kwargs):
    spectrum = PowerLawSpectralModel(index=2, amplitude="1e-11 cm-2 s-1 TeV-1")
    spectrum.index.frozen = index_frozen
    return SkyModel(spectrum, name=name, **kwargs)


def excess_stat(counts, background, shape):
    """Cash of a signal of given shape: minimum without signal less that with it."""

    def slope(norm):
        return np.sum(shape - counts * shape / (background + norm * shape))

    norm = brentq(slope, -0.9 * np.min(background / shape), 1e4)
    with_signal = background + norm * shape
    stat = [2 * np.sum(m - counts * np.log(m)) for m in (background, with_signal)]
    return stat[0], stat[1]


# Power law of index 2: the flux of a bin is 1 / E_min - 1 / E_max.
SHAPE = np.array([0.5, 0.3])


@pytest.mark.parametrize("datasets_names", [None, ["two"]])
def test_amplitude_of_joint_datasets(datasets_names):
    datasets = Datasets([make_dataset("one", [25, 18, 90])])
    datasets.append(make_dataset("two", [21, 11, 90]))
    source = make_source(datasets_names=datasets_names)
    datasets.models = [source]
    Fit("newton").run(datasets)
    found = datasets.ts_of("source")
    counts = np.array([25, 18, 21, 11.0])
    if datasets_names:
        counts = counts[2:]
    n_bins = len(counts)
    without, full = excess_stat(
        counts, np.full(n_bins, 10.0), np.tile(SHAPE, n_bins // 2)
    )
    assert_allclose(found.ts, without - full, rtol=1e-6)
    assert_allclose(found.stat_without - found.stat, found.ts)
    if not datasets_names:
        assert_allclose([found.stat_without, found.stat], [without, full], rtol=1e-9)
    assert found.n_free == 1
    assert_allclose(found.sigma, np.sqrt(found.ts))
    assert (found.name, found.success, found.note) == ("source", True, "")
    assert datasets.ts_of(source) == found


def test_on_off_is_li_and_ma():
    n_on, n_off, alpha = 32, 45, 0.25
    dataset = SpectrumDatasetOnOff(
        name="on-off",
        counts=make_map([n_on, 90, 90]),
        counts_off=make_map([n_off, 90, 90]),
        acceptance=make_map([1.0, 1, 1]),
        acceptance_off=make_map([4.0, 4, 4]),
        exposure=exposure(),
        mask_safe=make_map([True, False, False]),
    )
    dataset.models = make_source()
    # The fit has not been made: the component is fitted, and that is said.
    found = Datasets([dataset]).ts_of("source")
    share = (1 + alpha) * n_on / (n_on + n_off) / alpha
    share_off = (1 + alpha) * n_off / (n_on + n_off)
    # Li & Ma (1983), ApJ 272, 317, equation 17.
    li_ma = np.sqrt(2 * (n_on * np.log(share) + n_off * np.log(share_off)))
    assert_allclose(found.sigma, li_ma, rtol=1e-6)
    assert "not at their minimum" in found.note and found.success


def test_what_counts_as_a_degree_of_freedom():
    datasets = Datasets([make_dataset("one", [45, 30, 90])])
    datasets.append(make_dataset("two", [25, 18, 90]))
    one = make_source("one", index_frozen=False, datasets_names=["one"])
    two = make_source("two", datasets_names=["two"])
    two.spectral_model.index = one.spectral_model.index
    two.spectral_model.amplitude.min = 0
    datasets.models = [one, two]
    found = datasets.ts_of("two")
    assert found.n_free == 1
    assert "index: shared with other models and not counted." in found.note
    assert "amplitude cannot be below 0: about half" in found.note
    two.spectral_model.amplitude.frozen = True
    found = datasets.ts_of("two")
    assert found.n_free == 0 and np.isnan(found.sigma)
    assert "None of its own parameters is free" in found.note
    # Alone, the index is not defined without the amplitude.
    datasets.models = [one]
    found = datasets.ts_of("one")
    assert found.n_free == 2
    assert "index are not defined without it" in found.note


def test_what_the_data_do_not_determine():
    datasets = Datasets([make_dataset("one", [25, 18, 90])])
    datasets.append(make_dataset("two", [21, 11, 90]))
    datasets[1].mask_safe = make_map([False, False, False])
    datasets.models = [make_source(), make_source("unseen", datasets_names=["two"])]
    found = datasets.ts_of("unseen")
    assert found.n_free == 0
    assert_allclose(found.ts, 0, atol=1e-6)
    assert "amplitude: not determined by the data" in found.note


def test_background_is_taken_as_it_is():
    dataset = make_dataset("one", [15, 12, 90])
    dataset.models = [FoVBackgroundModel(dataset_name="one")]
    found = Datasets([dataset]).ts_of("one-bkg")
    assert_allclose(found.ts, 2 * (27 * np.log(27 / 20) - 7), rtol=1e-6)
    assert found.n_free == 1
    assert "the background is not scaled" in found.note


def test_priors():
    """Those of the component are no part of TS, those of others are."""
    dataset = make_dataset("one", [25, 18, 90])
    source, background = make_source(), FoVBackgroundModel(dataset_name="one")
    background.spectral_model.norm.prior = GaussianPrior(mu=1, sigma=0.02)
    dataset.models = [source, background]
    datasets = Datasets([dataset])
    found = datasets.ts_of("source")

    norms = np.linspace(0.9, 1.3, 4001)

    def lowest(signals):
        npred = [share * signals[:, np.newaxis] + 10 * norms for share in SHAPE]
        stat = ((norms - 1) / 0.02) ** 2
        for counts, part in zip([25, 18], npred, strict=True):
            stat = stat + 2 * (part - counts * np.log(part))
        return stat.min()

    wanted = lowest(np.zeros(1)) - lowest(np.linspace(20, 45, 501))
    assert_allclose(found.ts, wanted, rtol=1e-4)
    # The width of the prior of the amplitude would add its logarithm.
    best = 1e-12 * 28.7
    prior = GaussianPrior(mu=best, sigma=1e-13)
    source.parameters["amplitude"].prior = prior
    assert abs(source.parameters.prior_stat_sum()) > 10
    constrained = datasets.ts_of("source")
    assert_allclose(constrained.ts, found.ts, atol=0.1)


def test_minuit_where_there_is_no_other_way(caplog):
    dataset = make_dataset("one", [25, 18, 90])
    source = make_source(index_frozen=False)
    dataset.models = [source]
    datasets = Datasets([dataset])
    Fit("newton").run(datasets)
    wanted = datasets.ts_of("source")
    source.parameters["index"].prior = UniformPrior(min=-10, max=10)
    found = datasets.ts_of("source")
    assert_allclose(found.ts, wanted.ts, atol=1e-2)
    assert found.n_free == 2
    # Nothing says that the models are at their minimum.
    source.parameters["amplitude"].value = 1e-9
    found = datasets.ts_of("source")
    assert not found.success and "not at its minimum" in found.note


def state(datasets):
    """All that a fit would change."""
    return [
        [
            (id(par), par.value, par.error, par.scale, par.frozen)
            for par in datasets.parameters
        ],
        [id(model) for dataset in datasets for model in dataset.models],
        [id(one) for dataset in datasets for one in dataset.evaluators.values()],
        [dataset._background_cached is None for dataset in datasets],
        datasets.models.covariance.data.tolist(),
    ]


@pytest.fixture(scope="module")
def fitted():
    datasets = rich_datasets()
    Fit("newton").run(datasets)
    return datasets


def test_shapes_and_links(fitted):
    datasets, before = fitted, state(fitted)
    stat = datasets.stat_sum()
    found = datasets.ts_of("ellipse")
    assert state(datasets) == before
    assert datasets.stat_sum() == stat
    # By hand: without it, fitted again.
    others = datasets.copy()
    others.models = [
        model for model in datasets.models.copy() if model.name != "ellipse"
    ]
    result = Fit("newton").run(others)
    assert_allclose(found.ts, result.total_stat - stat, atol=2e-3)
    assert found.n_free == 8
    assert "lon_0, lat_0, sigma, e, phi" in found.note and found.success


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_changes_when_it_is_interrupted(fitted, monkeypatch, error):
    before = state(fitted)

    def interrupt(fit, datasets, label, fit_class):
        datasets.parameters[0].value *= 2
        datasets.models.covariance = 0 * datasets.models.covariance.data
        raise error("stop")

    monkeypatch.setattr(component_ts, "run_fit", interrupt)
    with pytest.raises(error, match="stop"):
        fitted.ts_of("point")
    assert state(fitted) == before


@pytest.mark.parametrize("n_free, ts", [(1, 9.0), (1, 1e4), (3, 30.0), (3, 4000.0)])
def test_sigma(n_free, ts):
    if n_free == 1:
        log_p = np.log(2) + log_ndtr(-np.sqrt(ts))
    else:
        # Q(3/2, x) = erfc(sqrt(x)) + 2 sqrt(x / pi) exp(-x)
        x = ts / 2
        erfc = np.log(2) + log_ndtr(-np.sqrt(ts))
        log_p = np.logaddexp(erfc, np.log(2) + np.log(x / np.pi) / 2 - x)
    wanted = brentq(lambda s: np.log(2) + log_ndtr(-s) - log_p, 0, 200)
    assert_allclose(sigma_of(ts, n_free), wanted, rtol=1e-5)


def test_sigma_of_nothing():
    assert np.isnan(sigma_of(5.0, 0))
    assert sigma_of(-0.5, 2) == 0


def test_text():
    found = ComponentTS("src", 12.25, 2, 3.06, 1.0, 13.25, note="Beware.")
    wanted = "src: TS = 12.2 for 2 degrees of freedom, 3.1 sigma. Beware."
    assert str(found) == wanted


def test_bad_input(fitted):
    ts_of = fitted.ts_of
    check_bad_input(lambda: ts_of("ellips"), ValueError, "did you mean 'ellipse'")
    check_bad_input(lambda: ts_of(3), TypeError, "a model or its name", "3")
    other = make_source("ellipse")
    check_bad_input(lambda: ts_of(other), ValueError, "another 'ellipse'")
