# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Bins whose model may be negative, which templates keep one by one.

Of a bin without counts the Cash statistic needs only the sum of the model, as long as
the model is positive. Where it is not, the statistic has a bend, and the bin counts by
itself.
"""

from dataclasses import dataclass, replace
import numpy as np
from scipy.sparse import vstack
from .collected import Rows

__all__ = []

#: What bins that are not followed may change the statistic by, relative.
NEGLIGIBLE = 1e-12


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


def with_negative_bins(templates, norms, reach=None):
    """Templates that keep each bin that is negative with some norms, or may soon be.

    Bounds tell for whole energy bins that they are positive. The others are evaluated,
    once for all norms nearby.

    Parameters
    ----------
    templates : `NormTemplates`
        Templates. They are not changed.
    norms : `~numpy.ndarray`
        Values of the norms, shape (n_norms,).
    reach : `~numpy.ndarray`, optional
        Change of the norms that is nearby. Default is None, no change.

    Returns
    -------
    templates : `NormTemplates`
        The same templates where all bins are known, else extended ones.
    """
    suspects = _suspects(templates, norms)
    if not suspects:
        return templates
    reach = np.zeros(templates.n_norms) if reach is None else reach
    rows, anchors = Rows(templates.n_norms), dict(templates.anchors)
    for plane in suspects:
        anchors[plane] = _collect_plane(templates, plane, norms, reach, rows)
    columns, matrix = rows.finish()
    columns = {
        name: np.concatenate([getattr(templates, name), values])
        for name, values in columns.items()
    }
    matrix = vstack([templates.matrix, matrix], format="csr")
    return replace(templates, matrix=matrix, anchors=anchors, **columns)


def _suspects(templates, norms):
    """Planes of which bounds do not tell that all summed bins are positive."""
    planes, anchors = templates.planes, templates.anchors
    if not planes.has_sums:
        return []
    # The bounds are for norms of 0 or more; a negative norm makes its plane a suspect.
    low = planes.low @ np.maximum(norms, 0) + planes.low_fixed
    total = np.maximum(planes.sums @ norms + planes.sums_fixed, 1)
    is_suspect = low * planes.n_bins < -NEGLIGIBLE * total
    is_suspect |= planes.is_summed @ (norms < 0.0).astype(float) > 0
    return [
        plane
        for plane in np.flatnonzero(is_suspect)
        if not (plane in anchors and anchors[plane].holds(norms))
    ]


def _collect_plane(templates, plane, norms, reach, rows):
    """Add the bins of a plane that may be negative; the rest has the anchor."""
    dataset = templates.datasets[templates.planes.dataset[plane]]
    energy = templates.planes.energy[plane]
    energies = slice(energy, energy + 1)
    weights = dataset.weights(energies)[0]
    is_summed = weights > 0
    # Bins that are kept one by one already are not among the sums.
    is_summed.ravel()[templates.bin[templates.plane == plane]] = False

    by_norm = {}
    npred, change = np.zeros((2, *weights.shape))
    for term in dataset.terms:
        values = term.values(energies)[0]
        if term.index is None:
            npred[term.into] += values
            continue
        template = by_norm.setdefault(term.index, np.zeros(weights.shape))
        template[term.into] += values
    for index, template in by_norm.items():
        npred += norms[index] * template
        change += abs(reach[index] * template)

    new = np.nonzero(is_summed & (npred <= change))
    idx = (np.full(new[0].size, energy), *new)
    rows.add(dataset, plane - energy, idx, np.zeros(new[0].size), weights[new])
    is_summed[new] = False
    # Relative changes of all other bins with each norm: as long as their sum stays
    # above -1, no bin can be negative, and the plane need not be evaluated again.
    low, high = np.zeros((2, templates.n_norms))
    for index, template in by_norm.items():
        ratio = template[is_summed] / npred[is_summed]
        low[index] = np.min(ratio, initial=0)
        high[index] = np.max(ratio, initial=0)
    return Anchor(norms=norms.copy(), low=low, high=high)
