# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What results of fits hold, by name and with a type."""

import numpy as np
from astropy.table import Table
from .covariance import Covariance
from .fit_table import factor_covariance
from .information import likelihood_stat
from .norm_results import ModelsAtNorms, NewtonOptimizer

__all__ = []


class ResultFields:
    """Properties of `~gammapy.modeling.OptimizeResult`, whose file is the base's."""

    @property
    def norm_fit(self):
        """`~gammapy.modeling.newton.NormFit` of the backend "newton", else None."""
        # Of a result that was pickled earlier the optimiser has it.
        return self._norm_fit or _left(self, "fit")

    @property
    def used_bins(self):
        """What was fitted of each dataset, a list of dict; None but for "newton".

        See `~gammapy.modeling.templates.NormTemplates.used_bins`.
        """
        return self._used_bins or _left(self, "used")

    @property
    def factor_covariance(self):
        """Covariance of the factors that the optimiser varied; None without one.

        Shape (n_free, n_free), see `~gammapy.modeling.Parameter.factor`.
        """
        if self._factor_covariance is not None:
            return self._factor_covariance
        # Minuit goes on to change its own.
        return getattr(self._minuit, "covariance", None)

    @property
    def covariance(self):
        """Covariance of the values of the free parameters; None without one.

        Shape (n_free, n_free), in the units of the parameters.
        """
        if self.factor_covariance is None:
            return None
        free = self.parameters.free_unique_parameters
        matrix = np.array(self.factor_covariance)
        return Covariance.from_factor_matrix(free, matrix).data

    @property
    def minuit(self):
        """Minuit object.

        For the backend "newton" it is what took its place before results had
        `OptimizeResult.covariance` and ``used_bins``, for a release.
        """
        if self._norm_fit is None:
            return self._minuit
        return NewtonOptimizer(self._norm_fit, self._factor_covariance, self._used_bins)

    @property
    def undetermined(self):
        """Unique names of norms that neither data nor priors determine, list of str.

        They kept their values and have no errors. Newton's method finds them; the list
        is empty for other backends.

        Examples
        --------
        A background outside the mask of its dataset:

        >>> from gammapy.datasets import SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling import Fit
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> datasets = [
        ...     SpectrumDataset(name=name, counts=bkg * 1.2, background=bkg)
        ...     for name in ("one", "two")
        ... ]
        >>> for dataset in datasets:
        ...     dataset.models = FoVBackgroundModel(dataset_name=dataset.name)
        >>> datasets[1].mask_safe = bkg.copy(data=False)
        >>> Fit("newton").optimize(datasets).undetermined
        ['two-bkg.spectral.norm']
        """
        return list(self._undetermined)

    @property
    def n_free(self):
        """Number of free parameters that the fit determined, linked ones once.

        Norms that are `undetermined` do not count, those at a bound do.
        """
        if self._norm_fit is not None:
            return self._norm_fit.n_dof
        data = self._fitted_data
        if data is None:
            n_free = len(self.parameters.free_unique_parameters)
        else:
            n_free = data.n_free
        return n_free - len(self._undetermined)

    @property
    def aic(self):
        r"""Akaike information criterion, None where there is none.

        It is :math:`-2 \ln L + 2 k` with the `n_free` parameters k (Akaike 1974, IEEE
        Trans. Autom. Control 19, 716). What priors and penalties add to the statistic
        is not in it. As Gammapy's statistics lack a constant of the data, only the
        difference between fits of the same data, masks and statistic has a meaning.

        It is None for statistics that are no likelihood ("cash_weighted"), for datasets
        in processes of ray, and for results of scans.
        """
        stat = likelihood_stat(self)
        return None if stat is None else stat + 2 * self.n_free

    @property
    def bic(self):
        r"""Bayesian information criterion, None where there is none.

        It is :math:`-2 \ln L + k \ln n` (Schwarz 1978, Ann. Stat. 6, 461), with the
        number of events n inside the masks, of on-off data with the off events, and of
        flux points their number. All else is as for `aic`; without any events it is
        None, too.
        """
        stat = likelihood_stat(self)
        if stat is None or not self._fitted_data.n_events > 0:
            return None
        return float(stat + self.n_free * np.log(self._fitted_data.n_events))

    @property
    def models(self):
        """Best fit models."""
        if isinstance(self._models, ModelsAtNorms):
            self._models = self._models.copy()
        return self._models


class FitResultFields:
    """Properties of `~gammapy.modeling.FitResult`, whose file is the base's."""

    @property
    def used_bins(self):
        """What was fitted of each dataset, see `OptimizeResult`."""
        return self.optimize_result.used_bins

    @property
    def factor_covariance(self):
        """Covariance of the factors of the optimiser, see `OptimizeResult`."""
        return self.optimize_result.factor_covariance

    @property
    def n_free(self):
        """Number of free parameters that the fit determined, linked ones once.

        Norms that are `undetermined` do not count, those at a bound do.

        Examples
        --------
        Is the tilt of a background needed? Both criteria say no:

        >>> from gammapy.datasets import SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling import Fit
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
        >>> dataset.models = FoVBackgroundModel(dataset_name="run")
        >>> norm = Fit("newton").run([dataset])
        >>> dataset.models.parameters["tilt"].frozen = False
        >>> both = Fit("newton").run([dataset])
        >>> norm.n_free, both.n_free
        (1, 2)
        >>> print(f"{both.aic - norm.aic:.2f}, {both.bic - norm.bic:.2f}")
        2.00, 3.87
        """
        return self.optimize_result.n_free

    @property
    def aic(self):
        """Akaike information criterion, see `OptimizeResult`; None where none is."""
        return self.optimize_result.aic

    @property
    def bic(self):
        """Bayesian information criterion, see `OptimizeResult`; None where none is."""
        return self.optimize_result.bic

    @property
    def undetermined(self):
        """Unique names of norms that are not determined, see `OptimizeResult`.

        Examples
        --------
        >>> from gammapy.datasets import SpectrumDataset
        >>> from gammapy.maps import MapAxis, RegionNDMap
        >>> from gammapy.modeling import Fit
        >>> from gammapy.modeling.models import FoVBackgroundModel
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
        >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
        >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
        >>> dataset.models = FoVBackgroundModel(dataset_name="run")
        >>> Fit("newton").run([dataset]).undetermined
        []
        """
        return self.optimize_result.undetermined


def _left(result, name):
    """What the optimiser of a result that was pickled earlier has."""
    is_newton = isinstance(result._minuit, NewtonOptimizer)
    return getattr(result._minuit, name) if is_newton else None


def unfitted_result(result_class, datasets, backend, message="No free parameters."):
    """Result where nothing is to be fitted: the statistic is that of the models.

    Parameters
    ----------
    result_class : type
        `~gammapy.modeling.OptimizeResult`.
    datasets : `~gammapy.datasets.Datasets`
        Datasets.
    backend : str
        Backend that a fit would have used.
    message : str, optional
        Why nothing is fitted. Default is "No free parameters.".

    Returns
    -------
    result : `OptimizeResult`
        A successful result with one evaluation.
    """
    return result_class(
        models=datasets.models.copy(),
        nfev=1,
        total_stat=datasets.stat_sum(),
        trace=Table(),
        backend=backend,
        method="",
        success=True,
        message=message,
    )


def set_own_errors(result):
    """Give the models of a result the errors of its own fit, not of an earlier one."""
    parameters = result.models.parameters
    n_free = len(parameters.free_unique_parameters)
    result.models.covariance = Covariance.from_factor_matrix(
        parameters, factor_covariance(result, n_free)
    )
