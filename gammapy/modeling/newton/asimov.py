# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Test statistic of norms in the data that they predict.

Asimov data are the predicted counts themselves (Cowan et al. 2011, Eur. Phys. J. C 71,
1554); in on-off datasets the on counts are, with the background profiled for the
signal.
"""

import numpy as np
from gammapy.stats.wstat_profile import WStatProfile
from .cash import cash_truncation

__all__ = []


def keeps_all_bins(templates):
    """Whether templates keep each bin one by one, so that counts may be others."""
    t = templates
    is_kept = t.cash_weights > 0
    if t.on_off is not None:
        is_kept[t.on_off.idx] = t.on_off.profile.is_measured
    return np.count_nonzero(is_kept) == t.planes.n_bins.sum()


def asimov_ts(templates, norms, null):
    """Test statistic of norms against others in their Asimov data.

    Parameters
    ----------
    templates : `NormTemplates`
        Templates for which `keeps_all_bins` holds.
    norms, null : `~numpy.ndarray`
        Norms that the counts are predicted with, and those that they are compared with,
        shape (n_norms,).

    Returns
    -------
    ts : float
        Statistic of the null hypothesis less that of the norms.
    """
    t = templates
    npred, other = t.npred(norms), t.npred(null)
    truncation, log_truncation = cash_truncation()
    counts = np.maximum(npred, 0)
    stats = []
    for model in (other, npred):
        is_cut = model <= truncation
        logs = np.full(model.shape, log_truncation)
        np.log(model, out=logs, where=~is_cut)
        stats.append(np.where(is_cut, truncation, model) - counts * logs)
    ts = 2 * t.cash_weights @ (stats[0] - stats[1])
    if t.on_off is not None:
        ts += _on_off_ts(t.on_off, npred[t.on_off.idx], other[t.on_off.idx])
    return ts


def _on_off_ts(rows, signal, other):
    known = rows.profile
    counts = np.maximum(signal + known.background(signal), 0)
    profile = WStatProfile(counts, known.n_off, known.alpha)
    null, best = (
        model + profile.values(model) + profile.bend_slopes * np.maximum(-model, 0)
        for model in (other, signal)
    )
    return 2 * np.sum((null - best)[known.is_measured])
