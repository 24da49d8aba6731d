# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What sections of a report share: datasets, and results that are computed once."""

from functools import cached_property
from gammapy.datasets import SpatialResiduals
from gammapy.diagnostics import (
    GoodnessOfFitEstimator,
    HotSpotEstimator,
    ImpactEstimator,
    ScoreTestEstimator,
)
from gammapy.modeling.models import SkyModel

__all__ = []

#: Names of the parameters that are the result of a fit of a source.
RESULTS = ("amplitude", "norm")


class NotApplicable(ValueError):
    """The datasets have nothing for a section to show."""


class ReportContext:
    """Datasets and results of a report. Results that were not passed are computed.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets with models. They are not changed.
    given : dict
        Results by name, None for those to be computed.
    region : `~regions.SkyRegion`, optional
        Region of interest. Default is None.
    parameter : str, optional
        Parameter whose impacts are ranked. Default is None, the amplitude of the first
        source.
    options : dict
        Options, among them random_state, n_toys and p_threshold.
    files : list of `~pathlib.Path`
        Files that the datasets were read from.
    """

    def __init__(self, datasets, given, *, region, parameter, options, files=()):
        self.datasets = datasets
        self.region = region
        self.parameter = parameter
        self.options = options
        self.files = list(files)
        self.fit_result = given["fit_result"]
        self.history = given["history"]
        self.flux_points = given["flux_points"]
        self._given = given

    @property
    def models(self):
        """Models of the datasets, with the joint covariance."""
        return self.datasets.models

    @property
    def p_threshold(self):
        """P-value below which a deviation is significant."""
        return self.options["p_threshold"]

    @property
    def n_toys(self):
        """Number of simulations, None for the defaults."""
        return self.options["n_toys"]

    @property
    def has_maps(self):
        """Whether all datasets are maps."""
        return not any(dataset.counts.geom.is_region for dataset in self.datasets)

    def _check_maps(self):
        if not self.has_maps:
            raise NotApplicable("The datasets are spectra, without maps.")

    @cached_property
    def spatial_residuals(self):
        """Maps of residuals."""
        self._check_maps()
        return SpatialResiduals.from_datasets(self.datasets)

    @cached_property
    def goodness(self):
        """Goodness of fit."""
        if self._given["goodness"] is not None:
            return self._given["goodness"]
        options = self._with_toys()
        return GoodnessOfFitEstimator(
            random_state=self.options["random_state"],
            p_threshold=self.p_threshold,
            **options,
        ).run(self.datasets)

    @cached_property
    def hot_spots(self):
        """Hot spots."""
        if self._given["hot_spots"] is not None:
            return self._given["hot_spots"]
        self._check_maps()
        options = self._with_toys()
        return HotSpotEstimator(
            random_state=self.options["random_state"], **options
        ).run(self.datasets)

    @cached_property
    def score_tests(self):
        """Score tests, with new sources at the hot spots of maps."""
        if self._given["score_tests"] is not None:
            return self._given["score_tests"]
        spots = self.hot_spots if self.has_maps else None
        return ScoreTestEstimator(
            hot_spots=spots, p_threshold=self.p_threshold, **self._processes()
        ).run(self.datasets)

    @cached_property
    def impacts(self):
        """Impacts on the parameter of interest, None where there is none."""
        if self._given["impacts"] is not None:
            return self._given["impacts"]
        name = self.parameter or first_result(self.models)
        return None if name is None else ImpactEstimator(name).run(self.datasets)

    def _with_toys(self):
        options = self._processes()
        return options if self.n_toys is None else options | {"n_toys": self.n_toys}

    def _processes(self):
        return {name: self.options[name] for name in ("n_jobs", "parallel_backend")}


def first_result(models):
    """Free amplitude or norm of the first source that has one with an error.

    Parameters
    ----------
    models : `~gammapy.modeling.models.DatasetModels`
        Models.

    Returns
    -------
    parameter : `~gammapy.modeling.Parameter` or None
        Parameter.
    """
    for model in models:
        if not isinstance(model, SkyModel):
            continue
        for par in model.parameters.free_parameters:
            if par.name in RESULTS and par.error > 0:
                return par
    return None
