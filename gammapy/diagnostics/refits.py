# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Fits of the same datasets with some of their free parameters held at values."""

from dataclasses import dataclass
import numpy as np
from gammapy.modeling import Fit
from gammapy.modeling.automatic import choose_profile
from gammapy.modeling.newton.minimise import fit_norms
from gammapy.modeling.smooth_backend import SmoothFitter
from gammapy.modeling.utils import set_values

__all__ = []


@dataclass(frozen=True)
class Refit:
    """What a fit found.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Values of all free parameters, shape (n,).
    stat : float
        Statistic.
    success : bool
        Whether it worked.
    message : str
        What went wrong, or that nothing did.
    """

    values: np.ndarray
    stat: float
    success: bool
    message: str


class NormRefits:
    """Fits of norms, from templates that are made once.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets, whose parameters are set.
    """

    def __init__(self, datasets):
        self.parameters = list(datasets.parameters.free_parameters)
        self._templates = datasets.norm_templates(self.parameters)

    def fit(self, start, held=()):
        """Fit with some parameters held.

        Parameters
        ----------
        start : `~numpy.ndarray`
            Values to start from, shape (n,), and at which parameters are held.
        held : list of int
            Numbers of the parameters that are not fitted.

        Returns
        -------
        refit : `Refit`
            What it found.
        """
        fixed = {self.parameters[number]: start[number] for number in held}
        fit = fit_norms(self._templates, start=start, fixed=fixed)
        return Refit(fit.values, fit.stat, fit.success, fit.message)


class SmoothRefits:
    """The same for shapes and spectra, with the responses looked up once."""

    def __init__(self, datasets):
        self.parameters = list(datasets.parameters.free_parameters)
        self._fitter = SmoothFitter(datasets, self.parameters)

    def fit(self, start, held=()):
        """Fit with some parameters held, see `NormRefits.fit`."""
        set_values(self.parameters, start)
        self._fitter.is_held = np.isin(np.arange(len(self.parameters)), held)
        fit = self._fitter.fit()
        return Refit(fit.values, fit.stat, fit.success, fit.message)


class OptimizerRefits:
    """The same for all else, by what `~gammapy.modeling.Fit` takes."""

    def __init__(self, datasets):
        self.parameters = list(datasets.parameters.free_parameters)
        self._datasets = datasets

    def fit(self, start, held=()):
        """Fit with some parameters held, see `NormRefits.fit`."""
        set_values(self.parameters, start)
        for number in held:
            self.parameters[number].frozen = True
        try:
            result = Fit().fit_nuisance(self._datasets)
        finally:
            for number in held:
                self.parameters[number].frozen = False
        values = np.array([par.value for par in self.parameters])
        return Refit(values, result.total_stat, result.success, result.message)


def make_refits(datasets):
    """Refits by Newton's method where it applies.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets, whose parameters are set.

    Returns
    -------
    refits : `NormRefits`, `SmoothRefits` or `OptimizerRefits`
        With a method ``fit``.
    """
    choice = choose_profile(Fit(), datasets)
    if choice.backend != "newton":
        return OptimizerRefits(datasets)
    return SmoothRefits(datasets) if choice.is_fast else NormRefits(datasets)
