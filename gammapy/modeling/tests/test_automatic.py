# Licensed under a 3-clause BSD style license - see LICENSE.rst
import pickle
import pytest
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from gammapy.datasets import Datasets, SpectrumDataset
from gammapy.maps import MapAxis, RegionNDMap
from gammapy.modeling import Fit, newton, norm_minimum, nuisance, templates
from gammapy.modeling.automatic import GIVEN, STEPS, choose, choose_for_scan
from gammapy.modeling.linearity import NotLinearError
from gammapy.modeling.models import FoVBackgroundModel
from gammapy.modeling.newton import fit_norms
from gammapy.modeling.norm_results import NewtonOptimizer

#: 48 counts where 40 are expected: norm and variance of a single Poisson norm.
NORM, VARIANCE = 1.2, 1.2**2 / 48


@pytest.fixture
def datasets():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    dataset.models = FoVBackgroundModel(dataset_name="run")
    return Datasets([dataset])


class Estimator:
    """As an estimator that somebody adds."""

    tag = "MyEstimator"

    def __init__(self, fit):
        self.fit = fit

    def run(self, datasets):
        choice = choose(self.fit, datasets, datasets.parameters.free_parameters)
        choice.log(self.tag)
        return (fit_norms(choice.templates) if choice.templates else None), choice


def test_three_lines_of_an_estimator(datasets, caplog):
    caplog.set_level("DEBUG")
    fit, choice = Estimator(Fit()).run(datasets)
    assert_allclose([fit.values[0], fit.covariance[0, 0]], [NORM, VARIANCE])
    assert choice.backend == "newton"
    assert "MyEstimator: backend 'newton', all that is fitted is norms" in caplog.text
    fit, choice = Estimator(Fit("minuit")).run(datasets)
    assert (fit, choice.backend, choice.reason) == (None, "minuit", GIVEN)
    datasets.models["run-bkg"].spectral_model.tilt.frozen = False
    fit, choice = Estimator(Fit()).run(datasets)
    assert fit is None
    assert "'tilt' of 'run-bkg' is free and not a norm" in choice.reason
    with pytest.raises(NotLinearError, match="'tilt' of 'run-bkg'"):
        Estimator(Fit("newton")).run(datasets)


def test_all_steps_are_asked(datasets):
    free = datasets.parameters.free_parameters
    fit = Fit("newton", confidence_opts={"backend": "scipy"})
    assert choose(fit, datasets, free).backend == "newton"
    choice = choose(fit, datasets, free, steps=STEPS)
    assert choice.templates is None
    assert choice.reason == "another backend was given for some of its steps"


def test_choices_of_scans(datasets):
    norm, tilt = (datasets.parameters[name] for name in ("norm", "tilt"))
    choice = choose_for_scan(Fit(), datasets, [norm], [])
    assert choice.templates.parameters == [norm]
    assert choice.reason == "all that varies is norms"
    choice = choose_for_scan(Fit(), datasets, [tilt], [norm])
    assert (choice.backend, choice.templates) == ("newton", None)
    assert choice.at_each_value
    choice = choose_for_scan(Fit("minuit"), datasets, [tilt], [norm])
    assert (choice.backend, choice.at_each_value) == ("minuit", False)


@pytest.mark.parametrize("backend", ["newton", "minuit"])
def test_results_have_typed_fields(datasets, backend):
    result = Fit(backend).run(datasets)
    made = result.optimize_result
    assert_allclose(made.covariance, [[VARIANCE]], rtol=1e-3)
    scale = datasets.parameters["norm"].scale
    assert_allclose(made.factor_covariance, [[VARIANCE / scale**2]], rtol=1e-3)
    assert_allclose(result.parameters["norm"].error, np.sqrt(VARIANCE), rtol=1e-3)
    if backend == "minuit":
        assert made.norm_fit is None and made.used_bins is None
        return
    (used,) = made.used_bins
    assert (used["counts"], used["n_bins"]) == (48, 4)
    # Results that are kept hold no templates.
    assert made.norm_fit.templates is None


def test_options_of_a_fit_stay(datasets):
    fit = Fit("newton")
    before = dict(fit.covariance_opts)
    fit.run(datasets)
    assert fit.covariance_opts == before
    fit.covariance_opts["strategy"] = 2
    with pytest.raises(TypeError, match="no option 'strategy'"):
        fit.run(datasets)


def test_results_pickled_earlier(datasets):
    """Then the optimiser of the backend was behind ``minuit``."""
    result = Fit("newton").optimize(datasets)
    fit, matrix = result.norm_fit, result.factor_covariance
    old = NewtonOptimizer(fit, matrix, result.used_bins)
    for name in ("_norm_fit", "_used_bins", "_factor_covariance"):
        delattr(result, name)
    result._minuit = old
    # Of this protocol the names of modules can be changed: these are the paths of then.
    data = pickle.dumps(result, protocol=2)
    for new, before in (
        (b"gammapy.modeling.norm_results\n", b"gammapy.modeling.newton_backend\n"),
        (b"gammapy.modeling.newton.result\n", b"gammapy.modeling.norm_minimum\n"),
    ):
        assert new in data
        data = data.replace(new, before)
    again = pickle.loads(data)
    assert again.norm_fit.values == fit.values
    assert_array_equal(again.factor_covariance, matrix)
    assert again.used_bins == result.used_bins
    assert_allclose(again.covariance, [[VARIANCE]])


def test_old_paths():
    assert templates.NormTemplates.from_datasets
    assert norm_minimum.NormFit is newton.NormFit
    assert set(newton.__all__) == {"NormFit", "confidence_norm", "fit_norms"}
    assert all(hasattr(nuisance, name) for name in nuisance.__all__)


def test_unique_models(datasets):
    other = datasets[0].copy(name="other")
    shared = FoVBackgroundModel(dataset_name="run")
    shared.datasets_names = ["run", "other"]
    both = Datasets([datasets[0], other])
    for dataset in both:
        dataset.models = [shared]
    assert both.unique_models == [shared]
