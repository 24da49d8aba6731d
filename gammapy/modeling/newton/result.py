# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Result of a fit of norms."""

from dataclasses import dataclass, field, replace
import numpy as np

__all__ = []

#: Names in a message about norms that are not determined.
MOST_NAMES = 8


@dataclass
class NormFit:
    """Result of `fit_norms`.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Norms, shape (n_norms,), in the units of the parameters.
    covariance : `~numpy.ndarray`
        Their covariance, shape (n_norms, n_norms). It is 0 for fixed norms, NaN for
        those that the data do not determine. A norm at a bound has no correlations,
        and its error is the distance at which the statistic rises by 1.
    stat : float
        Statistic, that of `Datasets.stat_sum`; infinite when a bin with counts has no
        model whatever the free norms are.
    success : bool
        Whether it converged. Norms that are not determined do not matter.
    message : str
        What went wrong, or that nothing did.
    nfev : int
        Number of evaluations of the statistic.
    at_bound : `~numpy.ndarray` of bool
        Norms that a bound keeps from a lower statistic, shape (n_norms,).
    trace : list of tuple
        Statistic and norms after each step. Default is none.
    undetermined : `~numpy.ndarray` of bool, optional
        Norms that neither the used bins nor priors determine, shape (n_norms,): those
        without influence on any used bin keep their values, and so do differences of
        norms of equal templates. Their errors are NaN. Default is none of them.
    n_dof : int, optional
        Number of combinations of free norms that are determined: the degrees of freedom
        of the fit. Default is None, the number of norms that are determined.
    templates : `NormTemplates`, optional
        Templates that keep the bins that were negative on the way, too: a further fit
        begins with them sooner. Default is None.
    """

    values: np.ndarray
    covariance: np.ndarray
    stat: float
    success: bool
    message: str
    nfev: int
    at_bound: np.ndarray
    trace: list = field(default_factory=list, repr=False)
    undetermined: np.ndarray = None
    n_dof: int = None
    templates: object = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        if self.undetermined is None:
            self.undetermined = np.zeros(len(self.values), dtype=bool)
        if self.n_dof is None:
            self.n_dof = int(np.sum(~self.undetermined))

    @property
    def errors(self):
        """Errors of the norms from the covariance, shape (n_norms,)."""
        return np.sqrt(np.diag(self.covariance))

    def select(self, idx):
        """The same result with some of the norms only.

        Parameters
        ----------
        idx : slice or list of int
            Which norms, in which order.

        Returns
        -------
        fit : `NormFit`
            The result, with their values, covariance, ``at_bound`` and
            ``undetermined``.

        Examples
        --------
        >>> import numpy as np
        >>> from gammapy.modeling.newton import NormFit
        >>> fit = NormFit(
        ...     values=np.array([2.0, 1.1]),
        ...     covariance=np.diag([0.25, 0.01]),
        ...     stat=12.3,
        ...     success=True,
        ...     message="",
        ...     nfev=4,
        ...     at_bound=np.array([False, False]),
        ... )
        >>> fit.select([1]).errors.tolist()
        [0.1]
        """
        return replace(
            self,
            values=self.values[idx],
            covariance=self.covariance[idx][:, idx],
            at_bound=self.at_bound[idx],
            undetermined=self.undetermined[idx],
        )


def describe_undetermined(names):
    """Sentence about norms that are not determined."""
    shown = ", ".join(names[:MOST_NAMES])
    if len(names) > MOST_NAMES:
        shown += f" and {len(names) - MOST_NAMES} more"
    kept = "it keeps its value, without an error"
    if len(names) > 1:
        kept = "they keep their values, without errors"
    return f"The data do not determine {shown}: {kept}."
