# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pytest
from numpy.testing import assert_allclose, assert_equal
import astropy.units as u
from astropy.time import Time
from gammapy.data import GTI
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.estimators import FluxPoints, FluxPointsEstimator, LightCurveEstimator
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import PowerLawSpectralModel, SkyModel

EDGES = [0.299, 0.44, 0.646, 0.949, 1.39, 2.04, 3] * u.TeV
AXIS = MapAxis.from_energy_edges(EDGES)
REGION = "icrs;circle(0, 0, 0.1)"


def make_dataset(name="run", energy_min=0.5, energy_max=3.1):
    exposure = RegionNDMap.create(
        REGION, axes=[AXIS.copy(name="energy_true")], unit="m2 s"
    )
    exposure.data += 1e10
    dataset = SpectrumDataset(
        counts=RegionNDMap.create(REGION, axes=[AXIS], data=40.0),
        background=RegionNDMap.create(REGION, axes=[AXIS], data=20.0),
        exposure=exposure,
        gti=GTI.create(0 * u.h, 1 * u.h, Time("2020-01-01")),
        name=name,
    )
    geom = dataset.counts.geom
    dataset.mask_fit = geom.energy_mask(energy_min * u.TeV, energy_max * u.TeV)
    return dataset


def make_source():
    spectral_model = PowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1")
    return SkyModel(spectral_model, name="source")


def estimate(datasets, cls=FluxPointsEstimator, edges=(0.5, 0.95, 3), **options):
    datasets = Datasets(datasets)
    datasets.models = [make_source()]
    return cls(energy_edges=edges * u.TeV, source="source", **options).run(datasets)


@pytest.mark.parametrize("fit", [None, Fit("minuit")])
def test_first_bin_is_cut(fit, caplog, tmp_path):
    options = {} if fit is None else {"fit": fit}
    points = estimate([make_dataset()], debug=True, **options)
    message = "points: 0.44 - 0.949 TeV has data only in 0.646 - 0.949 TeV. Their"
    assert [record.getMessage().count(message) for record in caplog.records] == [1]

    # The edges stay contiguous, and the flux is that of the whole bin.
    energies = points.geom.axes["energy"].edges
    assert_allclose(energies, [0.44, 0.949, 3] * u.TeV)
    shape = (1 / 0.646 - 1 / 0.949) / (1 / 0.44 - 1 / 0.949)
    flux = 20 / (1e14 * shape)  # 20 excess counts with 1e14 cm2 s
    assert_allclose(points.flux.data[0, 0, 0], flux, rtol=1e-3)

    nuisance = points.nuisance
    assert nuisance["e_min_used"].unit == "TeV"
    assert_allclose(nuisance["e_min_used"], [0.646, 0.949])
    assert_allclose(nuisance["e_max_used"], [0.949, 3])
    points.write(tmp_path / "points.fits")
    copied = FluxPoints.read(tmp_path / "points.fits").nuisance
    assert_equal(copied["e_min_used"].tolist(), nuisance["e_min_used"].tolist())


def test_last_bin_is_cut(caplog):
    estimate([make_dataset(energy_min=0.44, energy_max=2.5)])
    assert "0.949 - 3 TeV has data only in 0.949 - 2.04 TeV" in caplog.text


@pytest.mark.parametrize(
    "datasets",
    [
        [make_dataset(energy_min=0.44)],
        [make_dataset(), make_dataset("other", energy_min=0.3)],
    ],
)
def test_whole_bins_are_not_named(datasets, caplog):
    estimate(datasets)
    assert not caplog.records


def test_bin_without_data(caplog):
    points = estimate([make_dataset(energy_min=0.95)], debug=True)
    assert "The masks cut" in caplog.text and "0.44 -" not in caplog.text
    assert_equal(points.nuisance["e_min_used"].tolist()[0], float("nan"))


def test_light_curve_names_the_interval(caplog):
    estimate([make_dataset()], cls=LightCurveEstimator)
    assert "2020-01-01T00:00:00.000 to 2020-01-01T01:00:00.000: The mas" in caplog.text
