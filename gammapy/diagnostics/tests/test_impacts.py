# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Impacts against numbers that are worked out by hand and by other minimisers."""

import pytest
import numpy as np
from numpy.testing import assert_allclose
from scipy.optimize import minimize
import astropy.units as u
from gammapy.datasets import Datasets, SpectrumDataset, SpectrumDatasetOnOff
from gammapy.datasets.tests.test_shape_terms import rich_datasets
from gammapy.diagnostics import ImpactEstimator, Impacts, impact_refits
from gammapy.estimators import FluxPointsEstimator
from gammapy.maps import MapAxis, RegionGeom, RegionNDMap
from gammapy.modeling import Fit
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    PowerLawSpectralModel,
    SkyModel,
    TemplateNPredModel,
    UniformPrior,
)
from gammapy.modeling.utils import set_values
from gammapy.utils.testing import check_bad_input, requires_data

AXIS = MapAxis.from_energy_bounds("1 TeV", "16 TeV", nbin=4)
GEOM = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[AXIS])
BACKGROUND = np.array([10.0, 20, 25, 20])
SHAPES = np.array([[12.0, 12, 6, 1], [1.0, 4, 10, 12]])


def make_map(data):
    return RegionNDMap.from_geom(GEOM, data=np.reshape(data, (4, 1, 1)).astype(float))


def norm_datasets(scale, noise=0.0):
    """Background and two templates, whose counts are the model but for some noise."""
    shapes = scale * np.array([BACKGROUND, *SHAPES])
    model = shapes.sum(axis=0)
    counts = np.round(model + noise * np.sqrt(model) * [1, -1, 1, -1])
    if not noise:
        counts = model
    dataset = SpectrumDataset(
        name="run", counts=make_map(counts), background=make_map(shapes[0])
    )
    models = [
        TemplateNPredModel(make_map(shape), name=name, datasets_names=["run"])
        for name, shape in zip("ab", shapes[1:], strict=True)
    ]
    datasets = Datasets([dataset])
    datasets.models = [*models, FoVBackgroundModel(dataset_name="run")]
    Fit("newton").run(datasets)
    return datasets, counts, shapes[[1, 2, 0]]


def rows_of(impacts):
    return {row["name"]: row for row in impacts.table}


def short(rows):
    return {name.split(".")[0]: row for name, row in rows.items()}


def test_linear_by_hand():
    datasets, counts, shapes = norm_datasets(100.0)
    impacts = ImpactEstimator("a.norm").run(datasets)
    # Half the Hessian of the Cash statistic where the counts are the model.
    covariance = np.linalg.inv((shapes / counts) @ shapes.T)
    errors = np.sqrt(np.diag(covariance))
    (target,) = impacts.targets
    assert_allclose(target["error"], errors[0], rtol=1e-4)
    assert_allclose(target["value"], 1, rtol=1e-4)
    alone = 1 / np.sqrt(np.sum(shapes[0] ** 2 / counts))
    assert_allclose(target["error_alone"], alone, rtol=1e-4)
    rows = short(rows_of(impacts))
    for name, number in (("b", 1), ("run-bkg", 2)):
        wanted = covariance[0, number] / errors[number]
        assert_allclose(rows[name]["impact"], wanted, rtol=1e-4)
        assert_allclose(rows[name]["correlation"], wanted / errors[0], rtol=1e-4)
        assert_allclose(rows[name]["error"], errors[number], rtol=1e-4)
    # What the background, templates among them, makes up of the variance.
    group = rows["background"]["impact"]
    assert_allclose(group**2 + alone**2, errors[0] ** 2, rtol=1e-4)
    names, models, matrix = impacts.correlation()
    assert models == ["a", "b", "run-bkg"]
    assert_allclose(matrix, covariance / np.outer(errors, errors), rtol=1e-4)
    assert np.isnan(rows["b"]["impact_refit"])


def minimum(counts, shapes, held):
    """Norms at the minimum of the Cash statistic with some of them held."""
    free = [number for number in range(3) if number not in held]

    def full(values):
        norms = np.zeros(3)
        norms[free] = values
        for number, value in held.items():
            norms[number] = value
        return norms

    def stat(values):
        npred = full(values) @ shapes
        if np.any(npred <= 0):
            return 1e6 - 1e3 * npred.min()
        return 2 * np.sum(npred - counts * np.log(npred))

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    fit = minimize(stat, np.full(len(free), 4.0), method="Nelder-Mead", options=options)
    return full(fit.x)


@pytest.mark.parametrize("scale, is_parabolic", [(2000.0, True), (0.3, False)])
def test_refits(scale, is_parabolic):
    datasets, counts, shapes = norm_datasets(scale, noise=0.5)
    impacts = ImpactEstimator("a.norm", method="refit").run(datasets)
    best = minimum(counts, shapes, {})
    assert_allclose(impacts.targets[0]["value"], best[0], rtol=1e-4)
    rows = short(rows_of(impacts))
    for name, number in (("b", 1), ("run-bkg", 2)):
        row = rows[name]
        shifts = [
            minimum(counts, shapes, {number: best[number] + sign * row["error"]})[0]
            - best[0]
            for sign in (1, -1)
        ]
        found = [row["impact_refit"], row["impact_refit_down"]]
        assert_allclose(found, shifts, rtol=1e-3)
        if is_parabolic:
            assert_allclose(found, [row["impact"], -row["impact"]], rtol=0.02)
    both = rows["background"]
    rtol = 0.02 if is_parabolic else 0.6
    assert_allclose(both["impact_refit"], both["impact"], rtol=rtol)
    flags = {row["flag"] for row in rows.values()}
    assert flags == {""} if is_parabolic else "not parabolic" in flags
    assert ("by refit from the covariance" in impacts.verdict) is not is_parabolic


def source_datasets(*, index=2.4):
    """A power law on a background, in four bins."""
    axis = AXIS.copy(name="energy_true")
    geom_true = RegionGeom.create("icrs;circle(0, 0, 1)", axes=[axis])
    datasets = Datasets()
    for name, scale in (("one", 4.0), ("two", 2.0)):
        exposure = RegionNDMap.from_geom(geom_true, data=scale * 4e12, unit="cm2 s")
        background = make_map(scale * BACKGROUND)
        dataset = SpectrumDataset(name=name, background=background, exposure=exposure)
        datasets.append(dataset)
    spectrum = PowerLawSpectralModel(
        index=index, amplitude="2e-11 cm-2 s-1 TeV-1", reference="2 TeV"
    )
    backgrounds = [FoVBackgroundModel(dataset_name=name) for name in datasets.names]
    datasets.models = [SkyModel(spectrum, name="source"), *backgrounds]
    rng = np.random.default_rng(1)
    for dataset in datasets:
        dataset.counts = make_map(rng.poisson(dataset.npred().data))
    Fit("newton").run(datasets)
    return datasets


@pytest.fixture(scope="module")
def datasets():
    return source_datasets()


def test_flux(datasets):
    impacts = ImpactEstimator("source", energy_min="2 TeV", energy_max="8 TeV").run(
        datasets
    )
    spectrum = datasets.models["source"].spectral_model
    index, amplitude = spectrum.index.value, spectrum.amplitude.value
    # F = A E_0 / (index - 1) (x_1^(1 - index) - x_2^(1 - index)), x = E / E_0
    x = np.array([1.0, 4.0])
    powers = x ** (1 - index)
    share = 2 / (index - 1) * (powers[0] - powers[1])
    logs = powers * np.log(x)
    slope = -share / (index - 1) - 2 / (index - 1) * (logs[0] - logs[1])
    (target,) = impacts.targets
    assert_allclose(target["value"], amplitude * share, rtol=1e-6)
    gradient = {"index": amplitude * slope, "amplitude": share}
    models = datasets.models
    free = list(models.parameters.free_parameters)
    covariance = models.covariance.get_subcovariance(
        models.parameters.free_parameters
    ).data
    along = covariance @ [gradient.get(par.name, 0) for par in free]
    slopes = np.array([gradient.get(par.name, 0) for par in free])
    assert_allclose(target["error"], np.sqrt(slopes @ along), rtol=1e-5)
    rows = rows_of(impacts)
    names, _models, _matrix = impacts.correlation()
    for number, name in enumerate(names):
        wanted = along[number] / np.sqrt(covariance[number, number])
        assert_allclose(rows[name]["impact"], wanted, rtol=1e-5)
    assert target["unit"] == "cm-2 s-1" and target["energies"] == ["2 TeV", "8 TeV"]
    # What the flux is made of is in no group.
    assert "spectra" not in rows and "background" in rows


def test_flux_by_refit(datasets):
    options = {"energy_min": "2 TeV", "energy_max": "8 TeV", "method": "refit"}
    impacts = ImpactEstimator("source", **options).run(datasets)
    row = rows_of(impacts)["one-bkg.spectral.norm"]
    others = datasets.copy()
    others.models = datasets.models.copy()
    flux = []
    for sign in (0, 1, -1):
        norm = others.models["one-bkg"].parameters["norm"]
        norm.frozen = True
        norm.value = row["value"] + sign * row["error"]
        Fit().run(others)
        spectrum = others.models["source"].spectral_model
        flux.append(spectrum.integral(2 * u.TeV, 8 * u.TeV).to_value("cm-2 s-1"))
    found = [row["impact_refit"], row["impact_refit_down"]]
    assert_allclose(found, np.array(flux[1:]) - flux[0], rtol=3e-3)


def test_flux_points(datasets):
    edges = [1, 4, 16] * u.TeV
    impacts = ImpactEstimator("source", energy_edges=edges).run(datasets)
    estimator = FluxPointsEstimator(
        source="source", energy_edges=edges, reoptimize=True
    )
    table = estimator.run(datasets).to_table(sed_type="likelihood")
    found = [(target["value"], target["error"]) for target in impacts.targets]
    wanted = np.transpose([table["norm"], table["norm_err"]])
    assert_allclose(found, wanted, rtol=1e-3)
    for target in impacts.targets:
        parts = impacts.ranking(target=target["name"])
        assert set(parts["name"]) == {
            "one-bkg.spectral.norm",
            "two-bkg.spectral.norm",
        }
        # Both backgrounds are independent but for the source.
        (group,) = impacts.ranking(target=target["name"], kind="group")
        variance = target["error_alone"] ** 2 + group["impact"] ** 2
        assert_allclose(variance, target["error"] ** 2, rtol=1e-6)
    text = str(impacts)
    assert "norm of source, 1-4 TeV" in text and "target" in text


def test_pulls():
    datasets = source_datasets()
    datasets._covariance = None
    one, two = (datasets.models[f"{name}-bkg"] for name in datasets.names)
    one.parameters["norm"].value, one.parameters["norm"].error = 1.1, 0.04
    two.parameters["tilt"].frozen = False
    two.parameters["tilt"].value, two.parameters["tilt"].error = -0.06, 0.03
    index = datasets.models["source"].parameters["index"]
    index.value, index.error = 2.4, 0.05
    index.prior = GaussianPrior(mu=2.2, sigma=0.1)

    def pulls(**options):
        rows = rows_of(ImpactEstimator("source.amplitude", **options).run(datasets))
        return {name: (row["pull"], row["pull_err"]) for name, row in rows.items()}

    found = pulls()
    assert_allclose(found["one-bkg.spectral.norm"], (2.5, 1))
    assert_allclose(found["two-bkg.spectral.tilt"], (-2, 1))
    assert_allclose(found["source.spectral.index"], (2, 0.5))
    found = pulls(background_scatter=0.03)
    assert_allclose(found["one-bkg.spectral.norm"], (2, 0.8))
    assert_allclose(found["two-bkg.spectral.tilt"], (-2, 1))
    index.prior = None
    assert np.isnan(pulls()["source.spectral.index"]).all()


def test_groups(datasets):
    of = datasets.models["source"].parameters["amplitude"]
    index = datasets.models["source"].parameters["index"]
    groups = {"runs": ["*-bkg"], "one": ["one-bkg.norm"], "index": [index]}
    rows = rows_of(ImpactEstimator(of, groups=groups).run(datasets))
    parameter = rows["one-bkg.spectral.norm"]["impact"]
    assert_allclose(rows["one"]["impact"], abs(parameter))
    both = [rows[f"{name}-bkg.spectral.norm"]["impact"] for name in ("one", "two")]
    assert rows["runs"]["impact"] > max(np.abs(both))
    names = rows_of(ImpactEstimator(of, groups=["spectra"]).run(datasets))
    assert_allclose(names["spectra"]["impact"], rows["index"]["impact"])
    estimator = ImpactEstimator(of, groups={"x": ["nothing"]})
    text = "'nothing' of 'x' is no free parameter"
    check_bad_input(lambda: estimator.run(datasets), ValueError, text)


def state(datasets):
    return [
        [
            (id(par), par.value, par.error, par.scale, par.frozen)
            for par in datasets.parameters
        ],
        [id(model) for dataset in datasets for model in dataset.models],
        datasets.models.covariance.data.tolist(),
        datasets.stat_sum(),
    ]


@pytest.mark.parametrize("of", ["source.amplitude", "source"])
def test_nothing_changes(datasets, of):
    before = state(datasets)
    options = {} if "." in of else {"energy_edges": [1, 16] * u.TeV}
    ImpactEstimator(of, method="refit", **options).run(datasets)
    assert state(datasets) == before


def test_nothing_changes_when_it_is_interrupted(datasets, monkeypatch):
    before = state(datasets)

    def interrupt(copies):
        copies.parameters[0].value *= 2
        raise KeyboardInterrupt

    monkeypatch.setattr(impact_refits, "make_refits", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ImpactEstimator("source.index", method="refit").run(datasets)
    assert state(datasets) == before


def test_processes_do_not_matter(datasets):
    options = {"method": "refit", "groups": []}
    one, two = (
        ImpactEstimator("source.index", n_jobs=n_jobs, **options).run(datasets).table
        for n_jobs in (1, 2)
    )
    for name in one.colnames:
        if one[name].dtype.kind == "f":
            assert_allclose(one[name], two[name], rtol=1e-8, atol=1e-12)
        else:
            assert list(one[name]) == list(two[name])


def test_other_minimisers(datasets):
    """Where Newton's method does not apply the numbers are the same."""
    options = {"method": "refit", "groups": [], "n_refit": 1}
    estimator = ImpactEstimator("source.amplitude", **options)
    wanted = estimator.run(datasets)
    others = datasets.copy()
    others.models = datasets.models.copy()
    Fit("newton").run(others)
    others.models["source"].parameters["index"].prior = UniformPrior(min=0, max=9)
    found = estimator.run(others)
    error = wanted.targets[0]["error"]
    for name in ("impact_refit", "impact_refit_down"):
        rows, expected = rows_of(found), rows_of(wanted)
        for key, row in rows.items():
            assert_allclose(row[name], expected[key][name], atol=0.02 * error)


@pytest.fixture(scope="module")
def shapes():
    datasets = rich_datasets()
    Fit("newton").run(datasets)
    return datasets


def check_shapes(datasets, keys=None, n_refit=None):
    """Compare with fits with a parameter moved and frozen."""
    options = {"method": "refit", "groups": [], "n_refit": n_refit}
    impacts = ImpactEstimator("ellipse.amplitude", **options).run(datasets)
    rows = rows_of(impacts)
    others = datasets.copy()
    others.models = datasets.models.copy()
    amplitude = others.models["ellipse"].parameters["amplitude"]
    best, start = amplitude.value, list(others.parameters.value)
    for key in keys or impacts.ranking(n_refit)["name"]:
        model, _kind, name = key.split(".")
        par = others.models[model].parameters[name]
        set_values(others.parameters, start)
        par.frozen = True
        par.value += rows[key]["error"]
        Fit("newton").optimize(others)
        shift = amplitude.value - best
        error = impacts.targets[0]["error"]
        assert_allclose(rows[key]["impact_refit"], shift, atol=0.01 * error)
        par.frozen = False
    return rows


def test_shapes(shapes):
    rows = check_shapes(shapes, n_refit=1)
    (row,) = [row for row in rows.values() if np.isfinite(row["impact_refit"])]
    assert abs(row["correlation"]) > 0.5
    up, down = row["impact_refit"], -row["impact_refit_down"]
    assert_allclose((up + down) / 2, row["impact"], rtol=0.05)


@pytest.mark.long
def test_all_shapes(shapes):
    keys = [f"ellipse.spatial.{name}" for name in ("lon_0", "sigma", "e", "phi")]
    keys += [f"ellipse.spectral.{name}" for name in ("alpha", "beta")]
    keys += ["round.spatial.sigma", "one-bkg.spectral.norm", "one-bkg.spectral.tilt"]
    rows = check_shapes(shapes, keys)
    # Correlations with other models are there, though an index is linked.
    assert abs(rows["one-bkg.spectral.norm"]["correlation"]) > 0.2


def test_flags():
    datasets = source_datasets()
    norm = datasets.models["one-bkg"].parameters["norm"]
    other = datasets.models["two-bkg"].parameters["norm"]
    norm.max = norm.value + norm.error / 2
    datasets._covariance = None
    other.error = 0
    estimator = ImpactEstimator("source.amplitude", method="refit", groups=[])
    rows = rows_of(estimator.run(datasets))
    row = rows["one-bkg.spectral.norm"]
    assert row["flag"] == "beyond a bound"
    assert np.isnan(row["impact_refit"]) and row["impact_refit_down"] > 0
    row = rows["two-bkg.spectral.norm"]
    assert row["flag"] == "no error" and np.isnan(row["impact"])
    norm.max = norm.value
    row = rows_of(estimator.run(datasets))["one-bkg.spectral.norm"]
    assert row["flag"] == "at a bound"


def test_not_at_a_minimum(caplog):
    datasets = source_datasets()
    index = datasets.models["source"].parameters["index"]
    index.value += 2 * index.error
    estimator = ImpactEstimator("source.amplitude", method="refit")
    impacts = estimator.run(datasets)
    assert "not at a minimum" in impacts.notes[0]
    assert "not at a minimum" in caplog.text
    assert ImpactEstimator("source.amplitude").run(datasets).notes == []


def test_list_without_correlations(datasets):
    impacts = ImpactEstimator("source.amplitude").run(list(datasets))
    assert "pass the Datasets that were fitted" in impacts.notes[0]


def test_write_and_read(datasets, tmp_path):
    impacts = ImpactEstimator("source.amplitude").run(datasets)
    impacts.write(tmp_path / "impacts.ecsv")
    other = Impacts.read(tmp_path / "impacts.ecsv")
    assert str(other) == str(impacts)
    assert other.targets == impacts.targets
    assert_allclose(other.correlation()[2], impacts.correlation()[2])
    data = impacts.to_dict()["correlations"]["source.spectral.amplitude"]
    assert len(data["names"]) == len(data["matrix"]) == 4
    assert len(impacts.ranking(2)) == 2
    sizes = abs(impacts.ranking()["impact"])
    assert np.all(np.diff(sizes) <= 0)
    assert impacts.verdict.startswith("source.spectral.amplitude = ")
    assert "the group background makes up" in impacts.verdict


def test_only_one_parameter():
    datasets = source_datasets()
    for par in datasets.parameters:
        par.frozen = par.name != "amplitude"
    Fit("newton").run(datasets)
    impacts = ImpactEstimator("source.amplitude", method="refit").run(datasets)
    assert len(impacts.table) == 0
    assert "no parameter moves it" in impacts.verdict
    (target,) = impacts.targets
    assert_allclose(target["error"], target["error_alone"])


def test_bad_input(datasets):
    def run(of, **options):
        return lambda: ImpactEstimator(of, **options).run(datasets)

    check_bad_input(run("source.amplitudes"), ValueError, "did you mean")
    check_bad_input(run("norm"), ValueError, "several parameters", "one-bkg")
    check_bad_input(run("source.reference"), ValueError, "is frozen")
    check_bad_input(run(3), TypeError, "'source.amplitude'")
    other = PowerLawSpectralModel().index
    check_bad_input(run(other), ValueError, "not of the models of the datasets")
    energies = {"energy_min": "2 TeV", "energy_max": "8 TeV"}
    check_bad_input(run("sources", **energies), ValueError, "did you mean 'source'")
    check_bad_input(run("one-bkg", **energies), ValueError, "has no flux")
    check_bad_input(run("source", energy_min="2 TeV"), ValueError, "energy_max")
    energies = {"energy_min": "8 TeV", "energy_max": "2 TeV"}
    check_bad_input(run("source", **energies), ValueError, "is not above")
    check_bad_input(run("source.index", method="fit"), ValueError, "'refit'")
    check_bad_input(run("source.index", groups=["all"]), ValueError, "no group 'all'")
    edges = [1, 3, 16] * u.TeV
    check_bad_input(run("source", energy_edges=edges), ValueError, "3")


def test_no_covariance():
    datasets = source_datasets()
    datasets._covariance = None
    for par in datasets.parameters:
        par.error = 0
    run = ImpactEstimator("source.amplitude").run
    check_bad_input(lambda: run(datasets), ValueError, "run Fit().run")


def test_result_at_a_bound():
    datasets = source_datasets()
    index = datasets.models["source"].parameters["index"]
    index.max = index.value - index.error
    Fit("newton").run(datasets)
    impacts = ImpactEstimator("source.index").run(datasets)
    assert "source.spectral.index is at a bound" in impacts.notes[0]
    assert np.all(impacts.ranking()["correlation"] == 0)


@requires_data()
def test_on_off():
    path = "$GAMMAPY_DATA/joint-crab/spectra/hess"
    files = [f"{path}/pha_obs{number}.fits" for number in (23523, 23526)]
    datasets = Datasets([SpectrumDatasetOnOff.read(file) for file in files])
    spectrum = PowerLawSpectralModel(amplitude="3e-11 cm-2 s-1 TeV-1", index=2.6)
    datasets.models = SkyModel(spectrum, name="Crab")
    Fit("newton").run(datasets)
    impacts = ImpactEstimator("Crab.amplitude", method="refit").run(datasets)
    (row,) = impacts.ranking()
    others = datasets.copy()
    others.models = datasets.models.copy()
    index, amplitude = (others.parameters[name] for name in ("index", "amplitude"))
    index.frozen = True
    best, shifts = amplitude.value, []
    for sign in (1, -1):
        index.value = row["value"] + sign * row["error"]
        Fit("minuit").optimize(others)
        shifts.append(amplitude.value - best)
    error = impacts.targets[0]["error"]
    found = [row["impact_refit"], row["impact_refit_down"]]
    assert_allclose(found, shifts, atol=0.01 * error)
