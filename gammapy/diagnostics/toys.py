# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Statistic of cells for simulated counts that are fitted again."""

import copy
import numpy as np
from gammapy.modeling import Fit
from gammapy.modeling.utils import set_values
from gammapy.utils.parallel import run_multiprocessing
from gammapy.utils.pbar import progress_bar

__all__ = []

#: Share of bins with counts above which each bin has its own random number.
DENSE = 0.3

#: Parts of parallel toys: an interrupt loses one of them.
N_BATCHES = 5


class Counts:
    """Simulated counts of one dataset.

    Parameters
    ----------
    rows, values : `~numpy.ndarray`
        Bins with counts, and how many.
    off : `~numpy.ndarray`, optional
        Off counts in all bins. Default is None.
    """

    def __init__(self, rows, values, off=None):
        self.rows, self.values, self.off = rows, values, off


def draw(part, cumulative, random):
    """Draw the counts of one dataset.

    Parameters
    ----------
    part : `~gammapy.diagnostics.fitted_bins.FittedBins`
        Bins.
    cumulative : `~numpy.ndarray`
        Cumulative sums of the expected counts.
    random : `~numpy.random.Generator`
        Random numbers.

    Returns
    -------
    counts : `Counts`
        Counts.
    """
    if part.is_on_off:
        counts = random.poisson(part.npred)
        mu_off = (part.npred - part.mu_sig) / part.alpha
        off = random.poisson(np.maximum(mu_off, 0)).astype(float)
        return Counts(np.arange(counts.size), counts.astype(float), off)
    if part.index.size == 0:
        return Counts(np.zeros(0, dtype=int), np.zeros(0))
    if cumulative[-1] > DENSE * cumulative.size:
        counts = random.poisson(part.npred)
        rows = np.flatnonzero(counts)
        return Counts(rows, counts[rows].astype(float))
    # Where they are few: how many, then where.
    where = random.random(random.poisson(cumulative[-1])) * cumulative[-1]
    found = np.searchsorted(cumulative, where, side="right")
    rows, values = np.unique(found, return_counts=True)
    return Counts(rows, values.astype(float))


class Toys:
    """Simulations of all datasets, and the statistic of their cells.

    Parameters
    ----------
    model : `~gammapy.diagnostics.cell_statistics.CellModel`
        Model of the cells.
    """

    #: Number of fits that failed in this process.
    n_failed = 0

    def __init__(self, model):
        self.model = model
        self._cumulative = [np.cumsum(part.npred) for part in model.bins]

    def run(self, seed):
        """Statistic of each test for one simulation, shape (n_tests,).

        Parameters
        ----------
        seed : `~numpy.random.SeedSequence`
            Seed.

        Returns
        -------
        stat : `~numpy.ndarray`
            Statistic of each test.
        """
        random = np.random.default_rng(seed)
        counts = [
            draw(part, cumulative, random)
            for part, cumulative in zip(self.model.bins, self._cumulative, strict=True)
        ]
        npred = self.refitted(counts)
        cells = self.model.cells
        total = np.zeros(cells.n_cells)
        for number, (part, toy) in enumerate(zip(self.model.bins, counts, strict=True)):
            weighted = part.weights[toy.rows] * toy.values
            total += cells.total_of_some(number, toy.rows, weighted)
        off = self.model.off_counts([toy.off for toy in counts])
        stat = self.model.stat(total, npred, off)
        return np.array([np.sum(stat[ids]) for ids in cells.tests.values()])


class FullFits(Toys):
    """Simulations fitted as the data were, by `~gammapy.modeling.Fit`.

    Parameters
    ----------
    model : `~gammapy.diagnostics.cell_statistics.CellModel`
        Model of the cells.
    datasets : `~gammapy.datasets.Datasets`
        Datasets at their best fit. Copies of them are fitted.
    """

    def __init__(self, model, datasets):
        super().__init__(model)
        self._datasets = copy.deepcopy(datasets)
        self._values = list(self._datasets.parameters.value)

    def refitted(self, counts):
        """Model of the cells after the fit, shape (n_cells,).

        Parameters
        ----------
        counts : list of `Counts`
            Simulated counts.

        Returns
        -------
        npred : `~numpy.ndarray`
            Model; of on-off data the signal.
        """
        for dataset, part, toy in zip(
            self._datasets, self.model.bins, counts, strict=True
        ):
            values = np.zeros(part.index.size)
            values[toy.rows] = toy.values
            dataset.counts.data = part.cube(values)
            if part.is_on_off:
                dataset.counts_off.data = part.cube(toy.off)
        set_values(self._datasets.parameters, self._values)
        if len(self._datasets.parameters.free_parameters) > 0:
            result = Fit().optimize(self._datasets)
            self.n_failed += not result.success
        npred = []
        for dataset, part in zip(self._datasets, self.model.bins, strict=True):
            total = dataset.npred_signal() if part.is_on_off else dataset.npred()
            npred.append(part.weights * total.data.ravel()[part.index])
        return self.model.cells.total(npred)


def run_toys(toys, n_toys, seed, *, n_jobs=1, parallel_backend=None):
    """Statistic of each test for simulations.

    The seeds of the simulations do not depend on the number of processes.

    Parameters
    ----------
    toys : `Toys`
        Simulations.
    n_toys : int
        Number of simulations.
    seed : int
        Seed.
    n_jobs : int, optional
        Number of processes. Default is 1.
    parallel_backend : {"multiprocessing", "ray"}, optional
        What makes the processes. Default is None, that of `gammapy.utils.parallel`.

    Returns
    -------
    stat : `~numpy.ndarray`
        Statistic, shape (n_done, n_tests); after an interrupt of those that were done.
    n_failed : int
        Number of fits that failed.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted before the first is done.
    """
    seeds = np.random.SeedSequence(seed).spawn(n_toys)
    done, n_failed = [], 0
    try:
        if n_jobs == 1:
            for one in progress_bar(seeds, desc="Toys"):
                done.append(toys.run(one))
                n_failed = toys.n_failed
        else:
            for batch in np.array_split(np.arange(n_toys), N_BATCHES):
                parts = [idx for idx in np.array_split(batch, n_jobs) if idx.size]
                results = run_multiprocessing(
                    run_part,
                    [(toys, [seeds[number] for number in part]) for part in parts],
                    backend=parallel_backend,
                    pool_kwargs={"processes": n_jobs},
                    task_name="Toys",
                )
                for stat, failed in results:
                    done += stat
                    n_failed += failed
    except KeyboardInterrupt:
        if not done:
            raise
    return np.array(done), n_failed


def run_part(toys, seeds):
    """Some of the simulations, in a process of their own.

    Parameters
    ----------
    toys : `Toys`
        Simulations.
    seeds : list of `~numpy.random.SeedSequence`
        Their seeds.

    Returns
    -------
    stat : list of `~numpy.ndarray`
        Statistic of the tests.
    n_failed : int
        Number of fits that failed.
    """
    before = toys.n_failed
    stat = [toys.run(seed) for seed in seeds]
    return stat, toys.n_failed - before
