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
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
import numpy as np
from scipy.sparse import csr_matrix
from gammapy.maps.energy_bins import bins_within, parse_energy_range
from gammapy.utils.deprecation import GammapyDeprecationWarning
from ..linearity import NotLinearError, why_not_linear
from ..utils import _parse_datasets
from .cash import cash_truncation
from .collected import Planes
from .matrix import pair_sums, touched
from .negative_bins import with_negative_bins
from .on_off import OnOffRows
from .sums import measured_background, npred_of_planes, stat_of_bins
from .used_bins import used_bins

__all__ = []

#: Part of the templates in the bins that are kept above which they are an array.
MIN_DENSITY = 0.25

#: Norms as large as this, in units of what takes all counts, are of no interest.
LARGEST = 1e3


@dataclass(frozen=True)
class NormTemplates:
    r"""Templates of the norms of datasets.

    The predicted counts are :math:`m_i = F_i + \sum_k \theta_k T_{ki}`. Bins with
    counts are kept one by one; of all others only sums are needed as long as they are
    positive. `extended` gives templates that keep those that may not be, too, and
    `stat_sum` is what `Datasets.stat_sum` gives, for any norms.

    Make them with `from_datasets`. They are a snapshot of the datasets: whoever changes
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
    datasets : list of `~gammapy.modeling.newton.terms.DatasetTerms`
        The terms of the model of each dataset.
    planes : `Planes`
        Sums for each energy bin of each dataset.
    counts, weights, fixed : `~numpy.ndarray`
        Counts, weight and fixed part of the bins that are kept. Shape (n_rows,).
    plane, bin : `~numpy.ndarray`
        Where these bins are: index of the plane, and flat index in it.
    counts_off, alpha : `~numpy.ndarray`
        Off counts and ratio of the acceptances of these bins; the ratio is NaN in
        datasets that are no on-off ones. Shape (n_rows,).
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
    counts_off: np.ndarray
    alpha: np.ndarray
    matrix: csr_matrix
    anchors: dict = field(default_factory=dict)

    @classmethod
    def from_datasets(
        cls, datasets, parameters=None, *, scales=None, reuse=None, changed=()
    ):
        """Make templates: each component is evaluated once.

        Parameters
        ----------
        datasets : `~gammapy.datasets.Datasets`
            Datasets with models. They are left as they are.
        parameters, scales, reuse, changed : optional
            As of `~gammapy.datasets.Datasets.norm_templates`.

        Returns
        -------
        templates : `NormTemplates`
            Templates.

        Raises
        ------
        NotLinearError
            If the model is not linear in these parameters, see `why_not_linear`.
        """
        datasets = _parse_datasets(datasets)[0]
        if not hasattr(datasets, "norm_templates"):
            reason = why_not_linear(datasets, parameters)
            raise NotLinearError(f"Not linear in norms: {reason}.")
        return datasets.norm_templates(
            parameters, scales=scales, reuse=reuse, changed=changed
        )

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
            counts_off=self.counts_off[rows],
            alpha=self.alpha[rows],
            matrix=self.matrix[rows],
            anchors={number[idx]: a for idx, a in self.anchors.items() if keep[idx]},
        )

    def extended(self, norms, reach=None):
        """Templates that keep each bin that is negative with some norms, or may be.

        Whoever goes on with these does not look for the same bins again.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).
        reach : `~numpy.ndarray`, optional
            Change of the norms that is nearby. Default is None, no change.

        Returns
        -------
        templates : `NormTemplates`
            These templates where they keep all such bins, else others.
        """
        return with_negative_bins(self, np.asarray(norms, dtype=float), reach)

    def watch(self, norms, reach=None):
        """Number of bins that `extended`, which is to be taken instead, keeps besides.

        Parameters
        ----------
        norms, reach : `~numpy.ndarray`
            As for `extended`.

        Returns
        -------
        n_new : int
            Number of bins.
        """
        text = "NormTemplates.watch is deprecated since 2.2: use extended."
        warnings.warn(text, GammapyDeprecationWarning, stacklevel=2)
        return self.extended(norms, reach).counts.size - self.counts.size

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

        Negative bins count as 0, as in `MapDataset.npred`; the background of on-off
        datasets is the profiled one.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).

        Returns
        -------
        npred : `~numpy.ndarray`
            Sums, shape (n_datasets,).
        """
        return self._sum_datasets(npred_of_planes(self.extended(norms), norms))

    def measured_background(self, norms):
        """Counts, off counts, alpha and background of each on-off dataset.

        Parameters
        ----------
        norms : `~numpy.ndarray`
            Values of the norms, shape (n_norms,).

        Returns
        -------
        entries : dict
            Entries of a row of nuisance values, see
            `gammapy.modeling.measured_background`.
        """
        return measured_background(self.extended(norms), norms)

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
        return used_bins(self, norms)

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

    @cached_property
    def _array(self):
        """The matrix as an array when it is not sparse, which is many times faster."""
        is_dense = self.matrix.nnz > MIN_DENSITY * math.prod(self.matrix.shape)
        return self.matrix.toarray("F") if is_dense else self.matrix

    @cached_property
    def on_off(self):
        """The bins of on-off datasets, ``OnOffRows``; None when there are none."""
        if np.isnan(self.alpha).all():
            return None
        return OnOffRows(self.counts, self.counts_off, self.alpha)

    @cached_property
    def cash_weights(self):
        """Weights of the bins that are kept, 0 in on-off datasets, shape (n_rows,)."""
        return np.where(np.isnan(self.alpha), self.weights, 0.0)

    @cached_property
    def has_cash(self):
        """Whether some bins that are kept have the Cash statistic."""
        return bool(self.cash_weights.any())

    @cached_property
    def has_model(self):
        """Which of the bins that are kept can have a model, shape (n_rows,).

        Elsewhere the model is 0 but for rounding, or so small with any norms that
        Gammapy's truncation of the logarithm makes it a constant.
        """
        touched = self.is_touched(slice(None)).getnnz(axis=1) > 0
        return touched | (self.fixed > cash_truncation()[0])

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
        n_counts = np.sum(self.weights * self.counts) + 1
        smallest = cash_truncation()[0] / (LARGEST * n_counts)
        return touched(self.matrix[rows], abs(self.sums), smallest)

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
        return pair_sums(self._array, values)

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
        return stat_of_bins(self.extended(norms), norms) + self.prior_stat_sum(norms)

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
