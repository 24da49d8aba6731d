# Licensed under a 3-clause BSD style license - see LICENSE.rst
r"""Models that are linear in their free parameters, as templates.

When only norms are free, the predicted counts of bin :math:`i` are

.. math::
    m_i = F_i + \sum_k \theta_k T_{ki}

with the norms :math:`\theta_k`, and templates :math:`T_{ki}` and a fixed part
:math:`F_i` that are computed once. The Cash statistic needs the sums of the templates,
and bin by bin only the bins with counts.
"""

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
import numpy as np
from scipy.sparse import csr_matrix, vstack
from gammapy.utils.arguments import check_list, check_type
from gammapy.utils.compilation import get_fit_statistics_compiled
from .linearity import (
    NotLinearError,
    parameter_name,
    unique_models,
    why_not_linear,
    why_not_prior,
)
from .parameter import Parameter
from .terms import DatasetTerms, norms_not_zero
from .utils import _parse_datasets, bad_counts

__all__ = ["NormTemplates"]

#: Datasets with fewer bins are kept bin by bin, sums would not make them faster.
N_BINS_SUMMED = 2000

#: A bin is kept from being summed when it may get negative within so many errors.
REACH = 3

#: Part of the templates in the bins that are kept from which on they are an array.
MIN_DENSITY = 0.25

#: Numbers of such an array that are multiplied at a time.
SIZE_PART = 40_000

#: What bins that are not followed may change the statistic by, relative.
NEGLIGIBLE = 1e-12

#: Negative part of the sum of a template that convolutions leave in empty bins.
ROUNDING = 1e-12

#: Norms as large as this, in units of what takes all counts, are of no interest.
LARGEST = 1e3


class _Rows:
    """Bins that are kept one by one, while they are collected."""

    def __init__(self, n_norms):
        self.n_norms = n_norms
        self.n_rows = 0
        self.columns = {_: [] for _ in ("counts", "weights", "fixed", "plane", "bin")}
        self.triplets = ([], [], [])

    def add(self, dataset, first_plane, idx, counts, weights):
        """Add the bins with these indices in the cube of a dataset."""
        fixed = np.zeros(idx[0].size)
        for term in dataset.terms:
            inside, values = term.at(idx)
            if term.index is None:
                fixed[inside] += values
                continue
            self.triplets[0].append(values)
            self.triplets[1].append(inside + self.n_rows)
            self.triplets[2].append(np.full(inside.size, term.index))
        rows = {
            "counts": counts.astype(float),
            "weights": weights,
            "fixed": fixed,
            "plane": first_plane + idx[0],
            "bin": np.ravel_multi_index(idx[1:], dataset.shape[1:]),
        }
        for name, values in rows.items():
            self.columns[name].append(values)
        self.n_rows += idx[0].size

    def finish(self):
        """Columns and matrix."""
        columns = {
            name: np.concatenate(values) if values else np.zeros(0)
            for name, values in self.columns.items()
        }
        for name in ("plane", "bin"):
            columns[name] = columns[name].astype(int)
        return columns, _to_csr(self.triplets, (self.n_rows, self.n_norms))


def _to_csr(triplets, shape):
    values, rows, columns = [
        np.concatenate(_) if len(_) else np.zeros(0) for _ in triplets
    ]
    matrix = csr_matrix((values, (rows.astype(int), columns.astype(int))), shape=shape)
    matrix.sum_duplicates()
    return matrix


@dataclass
class Planes:
    """Sums over each energy bin of each dataset, and bounds of what was summed."""

    dataset: np.ndarray  # shape (n_planes,)
    energy: np.ndarray  # shape (n_planes,)
    sums: csr_matrix  # shape (n_planes, n_norms)
    low: csr_matrix
    is_summed: csr_matrix
    sums_fixed: np.ndarray
    low_fixed: np.ndarray
    n_bins: np.ndarray

    def select(self, keep):
        """Some of the planes."""
        return replace(self, **{name: _[keep] for name, _ in vars(self).items()})


class _Sums:
    """Sums and bounds of the planes, while they are collected."""

    def __init__(self, n_norms):
        self.n_norms = n_norms
        self.triplets = {_: ([], [], []) for _ in ("sums", "low", "is_summed")}
        self.columns = {
            _: [] for _ in ("dataset", "energy", "sums_fixed", "low_fixed", "n_bins")
        }
        self.n_planes = 0

    def add(self, number, dataset, energies, weights, is_summed):
        """Add some energy bins of a dataset, whose bins are summed or kept."""
        planes = np.arange(weights.shape[0]) + self.n_planes
        sums_fixed, low_fixed = np.zeros((2, planes.size))
        for term in dataset.terms:
            entries = {"sums": term.sums(energies, weights)}
            if is_summed:
                entries["low"] = term.low(energies, weights)
                entries["is_summed"] = np.ones(planes.size)
            if term.index is None:
                sums_fixed += entries["sums"]
                low_fixed += entries.get("low", 0.0)
                continue
            for name, values in entries.items():
                self.triplets[name][0].append(values)
                self.triplets[name][1].append(planes)
                self.triplets[name][2].append(np.full(planes.size, term.index))
        columns = {
            "dataset": np.full(planes.size, number),
            "energy": np.arange(energies.start, energies.stop),
            "sums_fixed": sums_fixed,
            "low_fixed": low_fixed,
            "n_bins": np.count_nonzero(weights, axis=(1, 2)),
        }
        for name, values in columns.items():
            self.columns[name].append(values)
        self.n_planes += planes.size

    def finish(self):
        """The planes."""
        shape = (self.n_planes, self.n_norms)
        matrices = {name: _to_csr(_, shape) for name, _ in self.triplets.items()}
        columns = {name: np.concatenate(_) for name, _ in self.columns.items()}
        return Planes(**columns, **matrices)


@dataclass
class Anchor:
    """Norms at which the summed bins of a plane are positive, and how fast they fall.

    ``low`` and ``high`` are bounds of the relative change of a bin with each norm.
    """

    norms: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def holds(self, norms):
        """Whether all bins are positive at other norms, too."""
        step = norms - self.norms
        return 1 + np.sum(np.minimum(step * self.low, step * self.high)) >= 0


@dataclass
class NormTemplates:
    r"""Templates of the norms of datasets.

    The predicted counts are :math:`m_i = F_i + \sum_k \theta_k T_{ki}`. Bins with
    counts are kept one by one; of all others only sums are needed as long as they are
    positive. `watch` finds those that may not be and keeps them, too, so that
    `stat_sum` is what `Datasets.stat_sum` gives, for any norms.

    Make them with `from_datasets`. They are a picture of the datasets: whoever changes
    counts, masks, background, models or other parameters makes new ones. They hold on
    to the arrays of predicted counts that the datasets had at the time.

    Parameters
    ----------
    parameters : list of `~gammapy.modeling.Parameter`
        The norms. Only their identity is used, never their present value.
    names : list of str
        Names of the norms for messages.
    values, minima, maxima : `~numpy.ndarray`
        Norms when the templates were made, and their bounds. Shape (n_norms,).
    prior_mean, prior_precision : `~numpy.ndarray`
        Gaussian priors, the precision is :math:`w/\sigma^2`. Shape (n_norms,).
    constant : float
        What priors add to the statistic, whatever the norms are.
    datasets : list of `DatasetTerms`
        The terms of the model of each dataset.
    planes : `Planes`
        Sums for each energy bin of each dataset.
    counts, weights, fixed : `~numpy.ndarray`
        Counts, weight and fixed part of the bins that are kept. Shape (n_rows,).
    plane, bin : `~numpy.ndarray`
        Where these bins are: index of the plane, and flat index in it.
    matrix : `~scipy.sparse.csr_matrix`
        Templates in these bins, shape (n_rows, n_norms).
    anchors : dict of `Anchor`, optional
        By index of the plane, norms at which its summed bins are positive.
        Default is none.

    Examples
    --------
    A background norm of all energies, and that of the high ones:

    >>> from gammapy.datasets import Datasets, SpectrumDataset
    >>> from gammapy.maps import MapAxis, RegionNDMap
    >>> from gammapy.modeling.models import FoVBackgroundModel
    >>> from gammapy.modeling.newton import fit_norms
    >>> from gammapy.modeling.templates import NormTemplates
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
    >>> bkg = RegionNDMap.create("icrs;circle(0, 0, 1)", axes=[axis], data=10)
    >>> dataset = SpectrumDataset(name="run", counts=bkg * 1.2, background=bkg)
    >>> dataset.models = FoVBackgroundModel(dataset_name="run")
    >>> dataset.counts.data[2:] *= 1.5
    >>> templates = NormTemplates.from_datasets(Datasets([dataset]))
    >>> fit_norms(templates).values.round(6).tolist()
    [1.5]
    >>> high = templates.slice_by_energy("3 TeV", "10 TeV")
    >>> fit_norms(high).values.round(6).tolist()
    [1.8]
    """

    parameters: list
    names: list
    values: np.ndarray
    minima: np.ndarray
    maxima: np.ndarray
    prior_mean: np.ndarray
    prior_precision: np.ndarray
    constant: float
    datasets: list
    planes: Planes
    counts: np.ndarray
    weights: np.ndarray
    fixed: np.ndarray
    plane: np.ndarray
    bin: np.ndarray
    matrix: csr_matrix
    anchors: dict = field(default_factory=dict)
    _cached_array: object = field(default=None, init=False, repr=False)
    _cached_has_model: object = field(default=None, init=False, repr=False)

    @classmethod
    def from_datasets(
        cls, datasets, parameters=None, *, scales=None, reuse=None, changed=()
    ):
        """Make templates: each component is evaluated once.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets with models. They are left as they are.
        parameters : list of `~gammapy.modeling.Parameter`, optional
            Norms to make templates of, free or frozen. All others stay at their
            present value. Default is the free ones.
        scales : dict, optional
            Norms of whole components, by name: each multiplies the counts that the
            component has now. They come before the parameters, and take the place of
            the spectral parameters of their component, with its priors.
            Default is None.
        reuse : `NormTemplates`, optional
            Templates of the same datasets and norms, made before other parameters
            changed. Default is None.
        changed : list of str
            Names of the models that changed since then; all others are taken from
            ``reuse``.

        Returns
        -------
        templates : `NormTemplates`
            Templates.

        Raises
        ------
        NotLinearError
            If the model is not linear in these parameters, see `why_not_linear`, or
            not finite.
        ValueError
            If there is nothing to fit, or counts or bounds make no sense.
        TypeError
            If an argument is of the wrong kind.
        """
        datasets, known = _parse_datasets(datasets)
        if parameters is None:
            parameters = known.free_parameters
        _check_parameters(parameters)
        if reuse is not None:
            check_type("reuse", reuse, NormTemplates, "NormTemplates")
        scales = scales or {}
        models = unique_models(datasets)
        norms = [*scales.values(), *parameters]
        names = [f"{par.name!r} of {name!r}" for name, par in scales.items()]
        names += [parameter_name(models, par) for par in parameters]
        reasons = [why_not_linear(datasets, parameters)]
        reasons += [why_not_prior(*_) for _ in zip(norms, names, strict=True)]
        for reason in filter(None, reasons):
            raise NotLinearError(f"Not linear in norms: {reason}.")
        described = _describe_norms(norms, names, _occurrences(models, scales))
        indices = {id(par): idx for idx, par in enumerate(norms)}
        rows, sums = _Rows(len(norms)), _Sums(len(norms))
        kept = []
        with norms_not_zero(parameters):
            for number, dataset in enumerate(datasets):
                old = () if reuse is None else reuse.datasets[number].terms
                known = [term for term in old if term.name not in changed]
                terms = DatasetTerms.from_dataset(dataset, indices, scales, known)
                kept.append(terms)
                _collect(number, kept[-1], dataset.counts.data, rows, sums)
        columns, matrix = rows.finish()
        templates = cls(
            parameters=norms,
            datasets=kept,
            planes=sums.finish(),
            matrix=matrix,
            **described,
            **columns,
        )
        if not templates.planes.n_bins.any():
            names = [dataset.name for dataset in datasets]
            raise ValueError(f"The masks of datasets {names} hide all of their bins.")
        return templates

    @property
    def n_norms(self):
        """Number of norms."""
        return len(self.parameters)

    @cached_property
    def sums(self):
        """Sum of each template, shape (n_norms,)."""
        return np.asarray(self.planes.sums.sum(axis=0)).ravel()

    def slice_by_energy(self, energy_min, energy_max):
        """Templates of the energy bins inside a range.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity` or str
            Energy range. Bins belong to it when both their edges do.

        Returns
        -------
        templates : `NormTemplates`
            Templates, which share the arrays of these ones.

        Raises
        ------
        ValueError
            If no bin of any dataset is inside.
        """
        from gammapy.maps.energy_bins import bins_within, parse_energy_range

        bounds = parse_energy_range(energy_min, energy_max)
        inside = [bins_within(dataset.axis, *bounds) for dataset in self.datasets]
        planes = self.planes
        keep = np.array(
            [inside[d][e] for d, e in zip(planes.dataset, planes.energy, strict=True)]
        )
        if not keep.any():
            raise ValueError(f"No energy bin lies inside {energy_min} to {energy_max}.")
        return self.select_planes(keep)

    def select_planes(self, keep):
        """Templates of some energy bins of datasets.

        Parameters
        ----------
        keep : `~numpy.ndarray` of bool
            Which of the ``planes`` to keep, shape (n_planes,).

        Returns
        -------
        templates : `NormTemplates`
            Templates, which share the arrays of these ones.
        """
        number = np.cumsum(keep) - 1
        rows = keep[self.plane]
        return replace(
            self,
            planes=self.planes.select(keep),
            counts=self.counts[rows],
            weights=self.weights[rows],
            fixed=self.fixed[rows],
            plane=number[self.plane[rows]],
            bin=self.bin[rows],
            matrix=self.matrix[rows],
            anchors={number[_]: a for _, a in self.anchors.items() if keep[_]},
        )

    def counts_sums(self):
        """Counts inside the masks, weighted.

        Returns
        -------
        counts : `~numpy.ndarray`
            Sums, shape (n_datasets,).
        """
        counts = self.weights * self.counts
        return self._sum_datasets(np.bincount(self.plane, counts, self._n_planes))

    def npred_sums(self, norms):
        """Predicted counts inside the masks, weighted.

        Negative bins count as 0, as in `MapDataset.npred`.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).

        Returns
        -------
        npred : `~numpy.ndarray`
            Sums, shape (n_datasets,).
        """
        self.watch(norms)
        total = self.planes.sums_fixed + self.planes.sums @ norms
        missing = self.weights * np.maximum(-self.npred(norms), 0)
        total += np.bincount(self.plane, missing, self._n_planes)
        return self._sum_datasets(total)

    def used_bins(self, norms):
        """What is inside the mask of each dataset.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).

        Returns
        -------
        used : list of dict
            For each dataset the entries "counts" and "npred" (sums), "n_bins",
            "energy_min" and "energy_max" (of the energy bins that are not masked
            altogether; NaN when all are).
        """
        counts, npred = self.counts_sums(), self.npred_sums(norms)
        used = []
        for idx, dataset in enumerate(self.datasets):
            n_bins = self.planes.n_bins[self.planes.dataset == idx]
            energies = self.planes.energy[self.planes.dataset == idx][n_bins > 0]
            edges = dataset.axis.edges
            ends = np.full(2, np.nan) * edges.unit
            if energies.size:
                ends = edges[[energies[0], energies[-1] + 1]]
            used.append(
                {
                    "energy_min": ends[0],
                    "energy_max": ends[1],
                    "counts": float(counts[idx]),
                    "npred": float(npred[idx]),
                    "n_bins": int(n_bins.sum()),
                }
            )
        return used

    def template_sums(self, index):
        """Sums of the template of a norm, weighted.

        Parameters
        ----------
        index : int
            Index of the norm.

        Returns
        -------
        sums : `~numpy.ndarray`
            Counts for a norm of 1, shape (n_datasets,).
        """
        return self._sum_datasets(self.planes.sums[:, [index]].toarray()[:, 0])

    @property
    def _n_planes(self):
        return self.planes.n_bins.size

    def _sum_datasets(self, values):
        return np.bincount(self.planes.dataset, values, len(self.datasets))

    @property
    def _array(self):
        """The matrix as an array when it is not sparse, which is many times faster."""
        if self._cached_array is None:
            is_dense = self.matrix.nnz > MIN_DENSITY * math.prod(self.matrix.shape)
            self._cached_array = self.matrix.toarray("F") if is_dense else self.matrix
        return self._cached_array

    @property
    def has_model(self):
        """Which of the bins that are kept can have a model, shape (n_rows,).

        Elsewhere the model is 0 but for rounding, or so small with any norms that
        Gammapy's truncation of the logarithm makes it a constant.
        """
        if self._cached_has_model is None:
            touched = self.is_touched(slice(None)).getnnz(axis=1) > 0
            self._cached_has_model = touched | (self.fixed > cash_truncation()[0])
        return self._cached_has_model

    def is_touched(self, rows):
        """Whether the norms matter in some bins.

        Parameters
        ----------
        rows : `~numpy.ndarray` of int or slice
            Indices of bins that are kept, shape (n,).

        Returns
        -------
        is_touched : `~scipy.sparse.csr_matrix` of bool
            Shape (n, n_norms).
        """
        matrix = self.matrix[rows]
        size = abs(self.sums)
        if matrix.nnz:
            size = np.maximum(size, abs(matrix).max(axis=0).toarray()[0])
        n_counts = np.sum(self.weights * self.counts) + 1
        smallest = cash_truncation()[0] / (LARGEST * n_counts)
        size = size[matrix.indices]
        matters = matrix.data > smallest * size
        matters |= matrix.data < -ROUNDING * size
        touched = csr_matrix((matters, matrix.indices, matrix.indptr), matrix.shape)
        touched.eliminate_zeros()
        return touched

    def npred(self, norms):
        """Predicted counts of the bins that are kept, negative ones too.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).

        Returns
        -------
        npred : `~numpy.ndarray`
            Predicted counts, shape (n_rows,).
        """
        return self.fixed + self._array @ norms

    def change(self, step):
        """Change of the predicted counts of the bins that are kept.

        Parameters
        ----------
        step : `~numpy.ndarray`
            Change of the norms, shape (n_norms,).

        Returns
        -------
        change : `~numpy.ndarray`
            Change of the counts, shape (n_rows,).
        """
        return self._array @ step

    def spread(self, reach, rows):
        """Largest change of some bins when each norm changes by its reach.

        Parameters
        ----------
        reach : `~numpy.ndarray`
            Change of each norm, shape (n_norms,).
        rows : `~numpy.ndarray` of int
            Indices of bins that are kept, shape (n,).

        Returns
        -------
        spread : `~numpy.ndarray`
            Change of the counts, shape (n,), 0 or more.
        """
        return abs(self.matrix[rows]) @ reach

    def project(self, values):
        """Sum over the bins that are kept of values times each template.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Values, shape (n_rows,).

        Returns
        -------
        sums : `~numpy.ndarray`
            Sums, shape (n_norms,).
        """
        return self._array.T @ values

    def project_pairs(self, values):
        """Sum over the bins that are kept of values times each pair of templates.

        Parameters
        ----------
        values : `~numpy.ndarray`
            Values, shape (n_rows,).

        Returns
        -------
        sums : `~numpy.ndarray`
            Sums, shape (n_norms, n_norms).
        """
        array = self._array
        if array is not self.matrix:
            # In parts that stay in the cache of the processor: three times faster.
            size = max(1, SIZE_PART // max(1, self.n_norms))
            sums = np.zeros((self.n_norms, self.n_norms))
            for first in range(0, values.size, size):
                part = slice(first, first + size)
                sums += (array[part].T * values[part]) @ array[part]
            return sums
        weighted = self.matrix.copy()
        weighted.data *= np.repeat(values, np.diff(self.matrix.indptr))
        return (self.matrix.T @ weighted).toarray()

    def stat_sum(self, norms):
        """Statistic of the datasets with other norms.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,), in the units of the parameters.

        Returns
        -------
        stat : float
            What `Datasets.stat_sum` gives with these norms.
        """
        norms = np.asarray(norms, dtype=float)
        self.watch(norms)
        truncation, log_truncation = cash_truncation()
        npred = self.npred(norms)
        is_cut = npred <= truncation
        total = self.planes.sums_fixed.sum() + self.sums @ norms
        total += np.sum((self.weights * (truncation - npred))[is_cut])
        logs = np.full(npred.shape, log_truncation)
        np.log(npred, out=logs, where=~is_cut)
        total -= np.sum(self.weights * self.counts * logs)
        return 2 * total + self.prior_stat_sum(norms)

    def prior_stat_sum(self, norms):
        """What the priors add to the statistic.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).

        Returns
        -------
        stat : float
            The sum of all priors, those of frozen parameters included.
        """
        pulls = self.prior_precision * (norms - self.prior_mean) ** 2
        return self.constant + np.sum(pulls)

    def watch(self, norms, reach=None):
        """Keep each bin that is negative with these norms, or may soon be.

        Bounds tell for whole energy bins that they are positive. The others are
        evaluated, once for all norms nearby.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).
        reach : `~numpy.ndarray`, optional
            Change of the norms that is nearby. Default is None, no change.

        Returns
        -------
        n_new : int
            Number of bins that were not kept before.
        """
        planes = self.planes
        low = planes.low @ np.maximum(norms, 0) + planes.low_fixed
        total = np.maximum(planes.sums @ norms + planes.sums_fixed, 1)
        is_suspect = low * planes.n_bins < -NEGLIGIBLE * total
        is_suspect |= planes.is_summed @ (norms < 0.0).astype(float) > 0
        suspects = np.flatnonzero(is_suspect)
        suspects = [
            _
            for _ in suspects
            if not (_ in self.anchors and self.anchors[_].holds(norms))
        ]
        if len(suspects) == 0:
            return 0
        reach = np.zeros(self.n_norms) if reach is None else reach
        rows = _Rows(self.n_norms)
        for plane in suspects:
            self._watch_plane(plane, norms, reach, rows)
        self._append(rows)
        return rows.n_rows

    def _watch_plane(self, plane, norms, reach, rows):
        dataset = self.datasets[self.planes.dataset[plane]]
        energy = self.planes.energy[plane]
        energies = slice(energy, energy + 1)
        weights = dataset.weights(energies)[0]
        is_summed = weights > 0
        is_summed.ravel()[self.bin[self.plane == plane]] = False

        templates = {}
        npred, change = np.zeros((2, *weights.shape))
        for term in dataset.terms:
            values = term.values(energies)[0]
            if term.index is None:
                npred[term.into] += values
                continue
            template = templates.setdefault(term.index, np.zeros(weights.shape))
            template[term.into] += values
        for index, template in templates.items():
            npred += norms[index] * template
            change += abs(reach[index] * template)

        new = np.nonzero(is_summed & (npred <= change))
        idx = (np.full(new[0].size, energy), *new)
        rows.add(dataset, plane - energy, idx, np.zeros(new[0].size), weights[new])
        is_summed[new] = False
        low, high = np.zeros((2, self.n_norms))
        for index, template in templates.items():
            ratio = template[is_summed] / npred[is_summed]
            low[index] = np.min(ratio, initial=0)
            high[index] = np.max(ratio, initial=0)
        self.anchors[plane] = Anchor(norms=norms.copy(), low=low, high=high)

    def _append(self, rows):
        columns, matrix = rows.finish()
        for name, values in columns.items():
            setattr(self, name, np.concatenate([getattr(self, name), values]))
        self.matrix = vstack([self.matrix, matrix], format="csr")
        self._cached_array = self._cached_has_model = None


def cash_truncation():
    """Smallest model of the Cash statistic and its logarithm, as Gammapy takes them.

    The compiled function has the logarithm with the precision of a float32.
    """
    compiled = get_fit_statistics_compiled()
    truncation = compiled["TRUNCATION_VALUE"]
    stat = compiled["cash_sum_compiled"](np.ones(1), np.zeros(1))
    return truncation, truncation - stat / 2


def _collect(number, dataset, counts, rows, sums):
    """Add the bins and the sums of one dataset."""
    is_summed = counts.size > N_BINS_SUMMED
    for energies in dataset.chunks():
        weights = dataset.weights(energies)
        part = counts[energies]
        is_broken = ~((part >= 0) & (part < np.inf)) & (weights > 0)
        if is_broken.any():
            n_broken, lowest = np.sum(is_broken), np.min(part[is_broken])
            raise ValueError(bad_counts(dataset.name, n_broken, lowest))
        first_plane = sums.n_planes - energies.start
        sums.add(number, dataset, energies, weights, is_summed)
        keep = weights > 0
        if is_summed:
            keep &= part > 0
        idx = np.unravel_index(np.flatnonzero(keep), keep.shape)
        into = (idx[0] + energies.start, *idx[1:])
        rows.add(dataset, first_plane, into, part[idx], weights[idx])


def _check_parameters(parameters):
    """Raise a TypeError when something is no list of parameters."""
    if hasattr(parameters, "__len__") and len(parameters) == 0:
        return  # the statistic alone is wanted
    expected = "a list of parameters"
    for parameter in check_list("parameters", parameters, expected):
        check_type("parameters", parameter, Parameter, expected)


def _occurrences(models, scales):
    """How often each parameter occurs: in each model to which it is linked."""
    occurrences = Counter()
    for model in models:
        parameters = list(model.parameters)
        if model.name in scales:
            own = {id(par) for par in model.spectral_model.parameters}
            parameters = [par for par in parameters if id(par) not in own]
            parameters.append(scales[model.name])
        occurrences.update(parameters)
    return occurrences


def _describe_norms(parameters, names, occurrences):
    """Names, values, bounds and priors of the norms."""
    values = np.array([par.value for par in parameters], dtype=float)
    bounds = [_bounds(par, name) for par, name in zip(parameters, names, strict=True)]
    minima, maxima = np.array(bounds, dtype=float).reshape(-1, 2).T
    for name, value in zip(names, values, strict=True):
        if not np.isfinite(value):
            raise ValueError(f"{name} is {value}; set it to a number to start from.")
    mean, precision = np.zeros((2, len(parameters)))
    constant = 0.0
    indices = {id(par): idx for idx, par in enumerate(parameters)}
    # A linked parameter counts once for each of its models, as in Datasets.stat_sum.
    for par, number in occurrences.items():
        if par.prior is None:
            continue
        if id(par) not in indices:
            constant += number * par.prior_stat_sum()
            continue
        idx, prior = indices[id(par)], par.prior
        mean[idx], sigma = prior.mu.value, prior.sigma.value
        precision[idx] = number * prior.weight / sigma**2
        constant += number * prior.weight * prior.evaluate(mean[idx], mean[idx], sigma)
    return {
        "names": names,
        "values": values,
        "minima": minima,
        "maxima": maxima,
        "prior_mean": mean,
        "prior_precision": precision,
        "constant": float(constant),
    }


def _bounds(parameter, name):
    low = -np.inf if np.isnan(parameter.min) else parameter.min
    high = np.inf if np.isnan(parameter.max) else parameter.max
    if parameter.scale_transform != "lin":
        # Its square root or logarithm is what other optimisers vary.
        low = max(low, 0.0)
    if low > high or low == np.inf or high == -np.inf:
        raise ValueError(
            f"The bounds of {name} are reversed: min is {parameter.min} and max is "
            f"{parameter.max}."
        )
    return low, high
