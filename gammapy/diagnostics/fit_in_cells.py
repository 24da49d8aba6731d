# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""A fit in cells: statistic of each test, and its expected value."""

from dataclasses import dataclass
import numpy as np
from gammapy.stats.goodness import StatMoments, sum_p_value
from .absorbed import Absorbed
from .cell_statistics import CellModel
from .derivatives import differentiate
from .fit_state import FitState, Information
from .toy_fits import LinearFits

__all__ = []


@dataclass
class CellTest:
    """Statistic of the cells of one test.

    Parameters
    ----------
    n_cells : int
        Number of cells.
    stat : float
        Sum of their statistic against the saturated model.
    moments : `~gammapy.stats.goodness.StatMoments`
        Moments of that sum after the fit; of one that was not fitted where it is not
        known what the fit absorbed.
    n_absorbed : float
        What the fit took away of the mean, NaN if it is not known.
    """

    n_cells: int
    stat: float
    moments: StatMoments
    n_absorbed: float

    @property
    def n_dof(self):
        """Degrees of freedom that are left."""
        return self.n_cells - self.n_absorbed

    @property
    def p_value(self):
        """Probability of a sum that is as large or larger, from the moments."""
        return float(sum_p_value(self.stat, self.moments))


@dataclass
class FitInCells:
    """Model, derivatives and covariance of a fit, with cells.

    Parameters
    ----------
    model : `~gammapy.diagnostics.cell_statistics.CellModel`
        Model of the cells.
    state : `~gammapy.diagnostics.fit_state.FitState`
        Free parameters.
    derivatives : list of `~gammapy.diagnostics.derivatives.Derivatives`
        Derivatives in the bins of each dataset.
    information : `~gammapy.diagnostics.fit_state.Information`
        What the counts say of the parameters.
    """

    model: CellModel
    state: FitState
    derivatives: list
    information: Information

    @classmethod
    def from_datasets(cls, datasets, local, bins, cells):
        """Evaluate the model and its derivatives.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets` or list
            What the user gave, which knows the joint covariance.
        local : `~gammapy.datasets.Datasets`
            The same datasets.
        bins : list of `~gammapy.diagnostics.fitted_bins.FittedBins`
            Their bins.
        cells : `~gammapy.diagnostics.cells.Cells`
            Cells.

        Returns
        -------
        fit : `FitInCells`
            Fit.
        """
        state = FitState.from_datasets(datasets, local)
        derivatives = differentiate(local, bins, state.parameters)
        information = Information.from_bins(bins, derivatives, len(state.names))
        return cls(CellModel(bins, cells), state, derivatives, information)

    def notes(self):
        """Notes about the fit, a list of str."""
        return self.state.notes(self.information)

    def fall(self):
        """How much one more step would lower the statistic, None without errors."""
        if not self.state.has_covariance:
            return None
        return self.state.fall(self.information)

    def tests(self, random_state):
        """Statistic and moments of each test.

        Parameters
        ----------
        random_state : int
            Seed of the simulations that the moments of on-off and weighted data need.

        Returns
        -------
        tests : dict of `CellTest`
            By name.
        """
        model = self.model
        stat = model.stat(model.counts, model.npred)
        moments = np.array(model.moments(random_state))
        absorbed = self._absorbed()
        found = {}
        for name, cells in model.cells.tests.items():
            own, lost = moments[:, cells].sum(axis=1), np.array(absorbed.moments(cells))
            n_absorbed = lost[0]
            if not self.state.has_covariance:
                lost, n_absorbed = 0, np.nan
            left = StatMoments(*(own - lost))
            found[name] = CellTest(cells.size, np.sum(stat[cells]), left, n_absorbed)
        return found

    def toys(self):
        """Simulations that are fitted on arrays, `LinearFits`."""
        state = self.state
        return LinearFits(
            self.model,
            self.derivatives,
            state.errors(self.information),
            bounds=(state.low, state.high),
            prior=(state.prior_slope, state.prior_curvature),
        )

    def _absorbed(self):
        """What the fit takes away, for any cells."""
        variance = self.model.variance
        is_there = variance > 0
        inverse = is_there / np.sqrt(np.where(is_there, variance, 1))
        slopes = self._cell_slopes(power=1) * inverse[:, np.newaxis]
        if not any(part.is_weighted for part in self.model.bins):
            return Absorbed(slopes, self.state.covariance)
        other = self._cell_slopes(power=2) * inverse[:, np.newaxis]
        weighted = other, self.information.of_slope
        return Absorbed(slopes, self.state.covariance, weighted)

    def _cell_slopes(self, power):
        """Derivatives summed into the cells with powers of the weights."""
        cells = self.model.cells
        slopes = np.zeros((cells.n_cells, len(self.state.names)))
        weighted = [
            (part.weights**power)[:, np.newaxis] * change.matrix
            for part, change in zip(self.model.bins, self.derivatives, strict=True)
        ]
        for change, own in zip(self.derivatives, cells.sums(weighted), strict=True):
            slopes[:, change.columns] += own
        return slopes
