# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Goodness of fit: does the model describe the data?"""

import logging
import secrets
import numpy as np
from astropy.table import Table
from gammapy.datasets.core import local_datasets
from gammapy.stats.goodness import StatMoments, sum_p_value
from gammapy.utils.arguments import (
    check_choice,
    check_integer,
    check_n_jobs,
    check_number,
    check_type,
    did_you_mean,
    explain_options,
    parse_edges,
    parse_quantity,
    show,
)
from .cells import make_cells
from .fit_in_cells import FitInCells
from .fitted_bins import read_bins
from .goodness_result import GoodnessOfFit
from .questions import make_questions
from .toys import FullFits, run_toys

__all__ = ["GoodnessOfFitEstimator"]

log = logging.getLogger(__name__)

#: Degrees of freedom below which the distribution of a sum is simulated.
N_DOF_TOYS = 10

#: Toys where they are needed and no number is given.
N_TOYS = 1000

#: Toys above the data above which their share is the p-value.
N_ABOVE = 10


class GoodnessOfFitEstimator:
    r"""Test the goodness of fit of a model.

    Counts and model are compared in cells of at least ``min_npred`` predicted counts.
    The cells depend only on the model and the masks. The statistic of a cell is the
    Cash statistic relative to its saturated model, with the exact mean and variance for
    Poisson counts (Kaastra 2017, A&A 605, A51), or the on-off statistic with profiled
    background.

    The reduction of the statistic by the fit is subtracted, see
    `gammapy.diagnostics.absorbed`. It is not the number of parameters. Tests with fewer
    than 10 degrees of freedom, and all tests if ``n_toys`` is set, have p-values from
    simulated counts that are fitted again.

    The tests are: all cells; the spectrum of each dataset; the image in each energy
    group; the spectrum and the image in the region of each component (the pixels that
    contain 68 percent of its predicted counts); the spectrum in a ring around it; and
    spectra in annuli around the centre of each map.

    Parameters
    ----------
    min_npred : float, optional
        Smallest number of predicted counts of a cell. Default is 10.
    min_width : `~astropy.units.Quantity` or str, optional
        Smallest width of a cell on the sky. It should be about the resolution of the
        instrument: in smaller cells, the counts of a missing source are spread over
        many cells. Default is "0.2 deg".
    energy_edges : `~astropy.units.Quantity` or list of str, optional
        Edges of energy groups. They must be edges of energy bins of each dataset.
        Default is None: up to four groups of about equal width.
    components : list of str, optional
        Names of the components whose region and ring are tested; may be empty. Default
        is None, all sources.
    n_toys : int, optional
        Number of simulations for all tests. With 0, tests with few degrees of freedom
        have no p-value. Default is None: 1000 simulations for these tests only.
    refit : {"linear", "all"}
        How simulated counts are fitted. "linear" fits arrays: norms exactly and other
        parameters to first order. "all" runs `~gammapy.modeling.Fit` for each
        simulation. Default is "linear".
    random_state : int, optional
        Seed of the simulations. Default is None: a random seed, which is stored in the
        result.
    p_threshold : float, optional
        Probability below which the verdict is "not a good fit". Default is 0.01.
    n_jobs : int, optional
        Number of processes for the simulations. Default is
        `gammapy.utils.parallel.N_JOBS_DEFAULT`, which is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes the processes. Default is "multiprocessing".

    Raises
    ------
    ValueError, TypeError
        If an option is out of range or of the wrong kind.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import GoodnessOfFitEstimator
    >>> from gammapy.modeling import Fit
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> result = Fit().run(datasets)
    >>> goodness = GoodnessOfFitEstimator(random_state=0, n_toys=0).run(datasets)
    >>> goodness.table.colnames[:5]
    ['test', 'n_cells', 'stat', 'stat_expected', 'stat_std']
    """

    @explain_options
    def __init__(
        self,
        *,
        min_npred=10,
        min_width="0.2 deg",
        energy_edges=None,
        components=None,
        n_toys=None,
        refit="linear",
        random_state=None,
        p_threshold=0.01,
        n_jobs=None,
        parallel_backend=None,
    ):
        self.min_npred = check_number("min_npred", min_npred, above=0)
        self.min_width = parse_quantity("min_width", min_width, "deg")
        check_number("min_width", float(self.min_width.value), low=0)
        if energy_edges is not None:
            energy_edges = parse_edges("energy_edges", energy_edges)
        self.energy_edges = energy_edges
        if components is not None:
            check_type("components", components, (list, tuple), "a list of names")
            components = list(components)
        self.components = components
        if n_toys is not None:
            n_toys = check_integer("n_toys", n_toys, low=0, expected="a number of toys")
        self.n_toys = n_toys
        check_choice("refit", refit, ["linear", "all"])
        self.refit = refit
        if random_state is not None:
            random_state = check_integer(
                "random_state", random_state, low=0, expected="a seed"
            )
        self.random_state = random_state
        self.p_threshold = check_number("p_threshold", p_threshold, above=0)
        self.n_jobs = check_n_jobs(n_jobs, parallel_backend)
        self.parallel_backend = parallel_backend

    def run(self, datasets):
        """Test the fit of datasets.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets with models at their best fit, with the covariance of this fit, as
            after `~gammapy.modeling.Fit.run`. They are not changed. A list of datasets
            has no correlations between models.

        Returns
        -------
        goodness : `GoodnessOfFit`
            Result.

        Raises
        ------
        ValueError
            If there are no counts, all bins are masked, or a name or an energy edge is
            not known.
        TypeError
            If a dataset is not made of counts.
        """
        local = local_datasets(datasets)
        bins = read_bins(local)
        questions = make_questions(
            local,
            bins,
            energy_edges=self.energy_edges,
            components=self._components(bins),
        )
        min_width = self.min_width.to_value("deg")
        cells = make_cells(bins, questions, self.min_npred, min_width)
        fit = FitInCells.from_datasets(datasets, local, bins, cells)
        seed = secrets.randbits(32) if self.random_state is None else self.random_state
        rows, notes = self._rows(fit, seed), fit.notes()
        if n_toys := self._n_toys(rows):
            toys = FullFits(fit.model, local) if self.refit == "all" else fit.toys()
            notes += self._add_toys(rows, toys, n_toys, seed)
        else:
            notes += _notes_without_toys(fit, rows)
        for note in notes:
            log.warning(note)
        meta = self._meta(local, seed) | {"fall": fit.fall()}
        return GoodnessOfFit(Table(rows=rows), meta, notes)

    def _components(self, bins):
        """Names of the components; a ValueError for one that is not there."""
        known = list(dict.fromkeys(name for part in bins for name in part.images))
        for name in self.components or ():
            if name not in known:
                raise ValueError(
                    f"components: no source {show(name)} is in the maps"
                    f"{did_you_mean(name, known)}; there are {', '.join(known)}."
                )
        return known if self.components is None else self.components

    def _rows(self, fit, seed):
        """One row per test, from the moments of its cells."""
        rows = []
        for name, test in fit.tests(seed).items():
            is_judged = fit.state.has_covariance and test.n_dof >= N_DOF_TOYS
            rows.append(
                {
                    "test": name,
                    "n_cells": test.n_cells,
                    "stat": test.stat,
                    "stat_expected": test.moments.mean,
                    "stat_std": np.sqrt(max(test.moments.variance, 0)),
                    "n_absorbed": test.n_absorbed,
                    "n_toys": 0,
                    "p_value": test.p_value if is_judged else np.nan,
                }
            )
        return rows

    def _n_toys(self, rows):
        """Number of simulations that are to be made."""
        if self.n_toys is not None:
            return self.n_toys
        return N_TOYS if any(self._needs_toys(row) for row in rows) else 0

    def _needs_toys(self, row):
        if self.n_toys is not None:
            return True
        return row["n_cells"] - row["n_absorbed"] < N_DOF_TOYS

    def _add_toys(self, rows, toys, n_toys, seed):
        """Put what simulations say into the rows that need it; a list of notes."""
        stat, n_failed = run_toys(
            toys,
            n_toys,
            seed,
            n_jobs=self.n_jobs,
            parallel_backend=self.parallel_backend,
        )
        for row, values in zip(rows, stat.T, strict=True):
            if self._needs_toys(row):
                row.update(_toy_columns(row["stat"], values))
        return list(_toy_notes(rows, len(stat), n_toys, n_failed))

    def _meta(self, datasets, seed):
        """Options as plain data."""
        edges = self.energy_edges
        return {
            "datasets_names": datasets.names,
            "min_npred": self.min_npred,
            "min_width": str(self.min_width),
            "energy_edges": None
            if edges is None
            else [f"{edge:.6g}" for edge in edges],
            "components": self.components,
            "n_toys": self.n_toys,
            "refit": self.refit,
            "random_state": seed,
            "p_threshold": self.p_threshold,
        }


def _toy_columns(stat, toys):
    """P-value of a test from simulations.

    The p-value is the fraction of simulations with a statistic at least as large. If
    these are too few, it is computed from the first three moments of the simulations.
    """
    moments = StatMoments.of_sample(toys)
    n_above = np.sum(toys >= stat)
    p_value = (n_above + 1) / (len(toys) + 1)
    if n_above < N_ABOVE and moments.variance > 0:
        p_value = min(p_value, float(sum_p_value(stat, moments)))
    return {
        "stat_expected": moments.mean,
        "stat_std": np.sqrt(moments.variance),
        "n_toys": len(toys),
        "p_value": p_value,
    }


def _toy_notes(rows, n_done, n_toys, n_failed):
    """Notes about the simulations."""
    if n_done < n_toys:
        yield f"Interrupted after {n_done} of {n_toys} toys, which are used."
    if n_failed:
        yield f"The fits of {n_failed} of {n_done} toys failed; they are included."
    smallest = N_ABOVE / (n_done + 1)
    if min(row["p_value"] for row in rows if row["n_toys"]) < smallest:
        yield f"P-values below {smallest:.2g} are extrapolated from moments of toys."


def _notes_without_toys(fit, rows):
    """Notes if there are no simulations."""
    notes = []
    if fit.state.has_covariance and any(np.isnan(row["p_value"]) for row in rows):
        notes.append(
            f"Tests with fewer than {N_DOF_TOYS} degrees of freedom have no p-value "
            "without toys: set n_toys."
        )
    if fit.model.has_several_alphas:
        notes.append(
            "Alpha differs within cells of on-off data, so p-values are "
            "approximate: set n_toys."
        )
    return notes
