# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""The residual methods: a new one is a class, or one object, and its entry here.

With n the counts and m the predicted counts of a bin, most of them are the excess
n - m in some unit.
"""

from dataclasses import dataclass
import numpy as np
from .counts_statistic import CashCountsStatistic
from .significance import as_floats, compute_sqrt_ts, mend_edges

__all__ = ["METHODS", "ResidualMethod"]


@dataclass(frozen=True)
class ResidualMethod:
    """A way to compare counts with a model: the excess in a unit that `scale` gives.

    Parameters
    ----------
    name : str
        Name, as it is given to ``method``.
    label : str
        Text for axes and colour bars.
    formula : str
        What it computes, with the counts n and the predicted counts m.
    is_in_sigma : bool, optional
        Whether its unit is a standard deviation. Default is False.

    Examples
    --------
    >>> from gammapy.stats.residual_methods import METHODS
    >>> METHODS["diff/model"].formula
    '(n - m) / m'
    >>> float(METHODS["diff/model"].compute(6, 4))
    0.5
    """

    name: str
    label: str
    formula: str
    is_in_sigma: bool = False

    #: Whether it is in counts, which maps show per pixel.
    is_in_counts = False
    #: Whether it is the significance, which sums of several kinds have their own of.
    is_significance = False

    def scale(self, npred, variance):
        """What the excess is divided by.

        Parameters
        ----------
        npred, variance : `~numpy.ndarray`
            Predicted counts, and variance of the counts under the model.

        Returns
        -------
        scale : `~numpy.ndarray` or float
            Unit of the residual.
        """
        raise NotImplementedError

    def compute(self, counts, npred, variance=None):
        """Residuals, see `~gammapy.stats.residuals.compute_residuals`.

        Parameters
        ----------
        counts, npred : `~numpy.ndarray`
            Counts and predicted counts.
        variance : `~numpy.ndarray`, optional
            Variance of ``counts`` under the model. Default is None: ``npred``.

        Returns
        -------
        residuals : `~numpy.ndarray`
            Residuals, without unit.
        """
        counts, npred, variance = as_floats(counts, npred, variance)
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = self.scale(npred, npred if variance is None else variance)
            residuals = (counts - npred) / scale
        return mend_edges(residuals, counts, npred)

    def errors(self, counts, npred, variance=None, stat=None):
        """Errors, see `~gammapy.stats.residuals.compute_residual_errors`.

        Parameters
        ----------
        counts, npred : `~numpy.ndarray`
            Counts and predicted counts, of one shape.
        variance : `~numpy.ndarray`, optional
            Variance of ``counts`` under the model. Default is None: ``npred``.
        stat : object with methods ``compute_errn`` and ``compute_errp``, optional
            Statistic of the counts. Default is Cash.

        Returns
        -------
        errn, errp : tuple of `~numpy.ndarray`
            Downward and upward error, both positive.
        """
        valid = np.isfinite(counts) & (npred >= 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Weighted counts are 1 / weight of plain ones.
            weight = np.ones(counts.shape) if variance is None else variance / npred
            weight = np.where(npred > 0, weight, 1.0)
            if stat is None:
                plain = np.where(valid, counts / weight, 0)
                stat = CashCountsStatistic(np.nan_to_num(plain), npred)
            scale = self.scale(npred, npred * weight)
            errors = [
                error * weight / scale
                for error in (stat.compute_errn(), stat.compute_errp())
            ]
        return tuple(
            np.where(valid & np.isfinite(error), error, np.nan) for error in errors
        )


class Difference(ResidualMethod):
    """Excess in counts."""

    is_in_counts = True

    def scale(self, npred, variance):
        return 1.0

    def compute(self, counts, npred, variance=None):
        # Without a model it is finite, too.
        counts, npred, _variance = as_floats(counts, npred, variance)
        return counts - npred


class RelativeDifference(ResidualMethod):
    """Excess in units of the model."""

    def scale(self, npred, variance):
        return npred


class ScaledDifference(ResidualMethod):
    """Excess in standard deviations of the counts under the model."""

    def scale(self, npred, variance):
        return np.sqrt(variance)


class Significance(ResidualMethod):
    """Signed square root of the likelihood ratio, whose error is 1 by definition."""

    is_significance = True

    def compute(self, counts, npred, variance=None):
        return compute_sqrt_ts(counts, npred, variance=variance)

    def errors(self, counts, npred, variance=None, stat=None):
        errors = np.where(np.isfinite(counts) & (npred >= 0), 1.0, np.nan)
        return errors, errors


_ALL = (
    Difference("diff", "Counts - model", "n - m"),
    RelativeDifference("diff/model", "(Counts - model) / model", "(n - m) / m"),
    ScaledDifference(
        "diff/sqrt(model)",
        r"(Counts - model) / $\sqrt{\mathrm{model}}$",
        "(n - m) / sqrt(m)",
        is_in_sigma=True,
    ),
    Significance(
        "significance",
        r"Significance [$\sigma$]",
        "sign(n - m) sqrt(2 [n ln(n / m) - n + m])",
        is_in_sigma=True,
    ),
)

#: Residual methods by name.
METHODS = {method.name: method for method in _ALL}
