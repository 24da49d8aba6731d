# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What residuals say in a few lines, on a field whose numbers are known by hand."""

import json
import pytest
import numpy as np
from numpy.testing import assert_allclose
import astropy.units as u
from gammapy.datasets import (
    Datasets,
    MapDataset,
    SpatialResiduals,
    SpectralResiduals,
)
from gammapy.diagnostics import HotSpotEstimator, ResidualsSummary
from gammapy.maps import Map, MapAxis, WcsGeom
from gammapy.modeling.models import (
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.modeling.parameter_table import names_at_limit, parameters_table
from gammapy.utils.deprecation import GammapyDeprecationWarning
from gammapy.utils.testing import check_bad_input

AXIS = MapAxis.from_energy_edges([1, 2, 5, 10], unit="TeV")
AXIS_TRUE = AXIS.copy(name="energy_true")
GEOM = WcsGeom.create(npix=21, binsz=0.1, frame="galactic", axes=[AXIS])
HOT = (0.2 * u.deg, 0.5 * u.deg)


def make_model(name, lon):
    spatial = PointSpatialModel(lon_0=lon, lat_0="0 deg", frame="galactic")
    spectral = PowerLawSpectralModel(amplitude="0 cm-2 s-1 TeV-1")
    return SkyModel(spectral, spatial, name=name)


@pytest.fixture(scope="module")
def datasets():
    """3 counts in each bin, as the background has, but for 40 in one above 2 TeV."""
    counts = Map.from_geom(GEOM, data=3.0)
    counts.set_by_coord((*HOT, 3 * u.TeV), 40)
    exposure = Map.from_geom(GEOM.to_image().to_cube([AXIS_TRUE]), unit="cm2 s")
    dataset = MapDataset(
        counts=counts,
        background=Map.from_geom(GEOM, data=3.0),
        exposure=exposure,
        mask_safe=Map.from_geom(GEOM, data=True, dtype=bool),
        mask_fit=GEOM.energy_mask(energy_min=2 * u.TeV),
        name="field",
    )
    background = FoVBackgroundModel(dataset_name="field")
    background.spectral_model.norm.max = 1
    datasets = Datasets([dataset])
    datasets.models = Models(
        [make_model("near", "0.2 deg"), make_model("far", "-0.9 deg"), background]
    )
    return datasets


def summarise(datasets, **options):
    groups = {"energy_edges": options.pop("energy_edges", None)}
    return ResidualsSummary(
        spatial=SpatialResiduals.from_datasets(
            datasets, kernel=None, **groups, **options
        ),
        spectral=SpectralResiduals.from_datasets(datasets, **options),
        models=datasets.models,
    )


def cash(counts, npred):
    """Significance of more counts than predicted."""
    return np.sqrt(2 * (counts * np.log(counts / npred) - counts + npred))


def test_values(datasets):
    summary = summarise(datasets)
    worst = summary.worst_pixel
    assert_allclose(worst.sqrt_ts, cash(43, 6))
    assert_allclose([worst.position.l.deg, worst.position.b.deg], [0.2, 0.5])
    assert (worst.nearest, worst.is_left_out) == ("near", False)
    assert_allclose(worst.separation, 0.5, rtol=1e-3)
    total = 3 * 21**2
    sqrt_ts = cash(total + 37, total)
    assert_allclose(summary.worst_bin.sqrt_ts, sqrt_ts)
    assert_allclose(summary.worst_bin.energy_min.to_value("TeV"), 2)
    assert_allclose(summary.worst_bin.energy_max.to_value("TeV"), 5)
    # The other bin has as many counts as are predicted, the third one is masked.
    assert_allclose(summary.sum_ts, sqrt_ts**2)
    assert summary.n_bins == 2
    assert (summary.n_parameters, summary.n_free) == (13, 9)
    assert summary.at_limit == ["field-bkg.spectral.norm"]
    assert summary.distribution["n_trials"][0] == 21**2
    assert summary.hot_spots is None
    assert summary.datasets_names == ["field"]


def test_text(datasets):
    summary = summarise(datasets, exclude=["near"])
    lines = str(summary).splitlines()
    assert lines == summary.lines
    assert lines[0] == "Datasets: field"
    assert lines[1] == "Maps: 2 - 10 TeV, single pixels"
    # One of 441 pixels is not 0.
    mean = cash(43, 6) / 441
    assert lines[2].startswith(f"Significance: mean {mean:.2f} +- ")
    assert lines[3] == (
        f"Worst pixel: +{cash(43, 6):.1f} sigma at 0.200, +0.500 deg (galactic); "
        "nearest component: near (left out), 0.50 deg away"
    )
    sqrt_ts = summary.worst_bin.sqrt_ts
    assert lines[4] == (
        f"Spectrum: 2 - 10 TeV, sum of ts {sqrt_ts**2:.1f} in 2 bins; "
        f"worst +{sqrt_ts:.1f} sigma at 2 - 5 TeV"
    )
    assert lines[5] == (
        "Parameters: 13, of which 9 are free; at a bound: field-bkg.spectral.norm"
    )


def test_energy_groups(datasets):
    """The pixel is that of all groups; each group has its own spread."""
    summary = summarise(datasets, energy_edges=[2, 5, 10] * u.TeV)
    assert_allclose(summary.worst_pixel.sqrt_ts, cash(40, 3))
    assert len(summary.distribution) == 2
    begin = [line.split(",")[0] for line in summary.lines if "Maps" in line]
    assert begin == ["Maps: 2 - 5 TeV", "Maps: 5 - 10 TeV"]


def test_plain_data(datasets):
    data = json.loads(json.dumps(summarise(datasets).to_dict()))
    assert data["datasets_names"] == ["field"]
    assert data["maps"]["worst"]["nearest"] == "near"
    assert_allclose(data["maps"]["worst"]["lon"], 0.2)
    assert data["maps"]["groups"][0]["energies"] == "2 - 10 TeV"
    assert data["spectrum"]["worst"]["energies"] == "2 - 5 TeV"
    assert data["parameters"]["at_limit"] == ["field-bkg.spectral.norm"]
    assert data["hot_spots"] is None
    spectral = SpectralResiduals.from_datasets(datasets)
    data = ResidualsSummary(spectral=spectral).to_dict()
    assert data["maps"] is None and data["parameters"] is None


def test_parts(datasets):
    """Each part alone; models are those of the maps where none are given."""
    spatial = SpatialResiduals.from_datasets(datasets, kernel=None)
    summary = ResidualsSummary(spatial=spatial)
    assert summary.n_free == 9
    assert summary.worst_bin is None and summary.sum_ts is None
    assert not any(line.startswith("Spectrum") for line in summary.lines)
    spectral = SpectralResiduals.from_datasets(datasets)
    summary = ResidualsSummary(spectral=spectral)
    assert summary.worst_pixel is None and summary.distribution is None
    assert summary.n_free is None and summary.at_limit == []


def test_stays_as_it_is(datasets):
    models = datasets.models.copy()
    spectral = SpectralResiduals.from_datasets(datasets)
    summary = ResidualsSummary(spectral=spectral, models=models)
    text = str(summary)
    models["field-bkg"].spectral_model.norm.max = 9
    assert str(summary) == text


def test_nothing_known():
    """No pixel and no bin has a model."""
    dataset = MapDataset(counts=Map.from_geom(GEOM), name="empty")
    dataset.background = Map.from_geom(GEOM)
    spatial = SpatialResiduals.from_datasets(dataset, kernel=None)
    spatial.sqrt_ts.data[...] = np.nan
    summary = ResidualsSummary(spatial=spatial)
    assert summary.worst_pixel is None
    assert not any("Worst" in line for line in summary.lines)


def test_bad_input(datasets):
    check_bad_input(lambda: ResidualsSummary(), ValueError, "spatial, spectral", "pass")
    spectral = SpectralResiduals.from_datasets(datasets)

    def make(**options):
        return lambda: ResidualsSummary(**{"spectral": spectral} | options)

    check_bad_input(make(spectral=3), TypeError, "spectral", "3")
    check_bad_input(make(hot_spots="many"), TypeError, "hot_spots", "many")
    check_bad_input(make(models=["near"]), TypeError, "models", "near")


def test_search_around_maps(datasets):
    """Radii are 1, 2 and 4 times that of the maps, up to a quarter of their width."""

    def radii_of(radius, **options):
        residuals = SpatialResiduals.from_datasets(
            datasets,
            correlation_radius=radius,
            kernel="gauss",
            exclude=["far"],
            energy_edges=[2, 5, 10] * u.TeV,
        )
        estimator = HotSpotEstimator.from_residuals(residuals, **options)
        assert estimator.kernel == options.get("kernel", "gauss")
        assert estimator.exclude == ["far"]
        assert_allclose(estimator.energy_edges.to_value("TeV"), [2, 5, 10])
        return [radius.to_value("deg") for radius in estimator.correlation_radii]

    # The map is 2.1 deg wide.
    assert_allclose(radii_of("0.1 deg"), [0.1, 0.2, 0.4])
    assert_allclose(radii_of("0.2 deg"), [0.2, 0.4])
    assert_allclose(radii_of("0.6 deg"), [0.6])
    assert_allclose(radii_of("0.1 deg", correlation_radii=["0.3 deg"]), [0.3])
    assert_allclose(radii_of("0.1 deg", kernel="tophat"), [0.1, 0.2, 0.4])


def test_search_with_other_kernels(datasets):
    weights = Map.create(npix=3, binsz=0.1, frame="galactic")
    weights.data += 1
    residuals = SpatialResiduals.from_datasets(datasets, kernel=weights)
    make = HotSpotEstimator.from_residuals
    check_bad_input(lambda: make(residuals), ValueError, "map", "kernel")
    assert make(residuals, kernel=weights).kernel is weights
    check_bad_input(lambda: make(datasets), TypeError, "residuals")
    single = SpatialResiduals.from_datasets(datasets, kernel=None)
    assert make(single).kernel is None


def test_parameters(datasets):
    models = datasets.models.copy()
    norm = models["field-bkg"].spectral_model.norm
    norm.value, norm.max, norm.error = 0.123456789, 0.13, 0.1
    table = parameters_table(models)
    assert table.colnames == models.to_parameters_table().colnames
    assert "0.123456789" in "".join(table.pformat(max_lines=-1, max_width=-1))
    # Closer than a hundredth of its error, or not.
    assert names_at_limit(models) == []
    norm.error = 1
    assert names_at_limit(models) == ["field-bkg.spectral.norm"]
    norm.frozen = True
    assert names_at_limit(models) == []


def test_worst_bin():
    """The largest deviation of either sign, and none where all is masked."""
    counts = Map.from_geom(GEOM, data=1.0)
    counts.data[1] = 0
    dataset = MapDataset(
        counts=counts, background=Map.from_geom(GEOM, data=1.0), name="dark"
    )
    residuals = SpectralResiduals.from_datasets(dataset)
    row = residuals.worst_bin()
    assert row["e_min"] == 2
    assert_allclose(row["sqrt_ts"], -np.sqrt(2 * 21**2))
    assert_allclose(residuals.sum_ts, 2 * 21**2)
    residuals._arrays["coverage"][...] = 0
    assert residuals.worst_bin() is None
    assert residuals.sum_ts == 0


def test_old_names_of_hot_spots(datasets):
    """They are those of `FitReport`, `FitHistory` and the others now."""
    spectral = SpectralResiduals.from_datasets(datasets)
    with pytest.warns(GammapyDeprecationWarning, match='"spots" was deprecated.*2.2'):
        summary = ResidualsSummary(spectral=spectral, spots=None)
    with pytest.warns(GammapyDeprecationWarning, match="use 'hot_spots'"):
        assert summary.spots is None
