# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What templates say of datasets at some norms: statistic and predicted counts."""

import numpy as np
from .cash import cash_truncation
from .on_off import OFF_SUMS

__all__ = []


def stat_of_bins(templates, norms):
    """Statistic of all bins.

    Parameters
    ----------
    templates : `NormTemplates`
        Templates that keep all bins which are negative with these norms.
    norms : `~numpy.ndarray`
        Values of the norms, shape (n_norms,).

    Returns
    -------
    stat : float
        Statistic without priors.
    """
    t = templates
    return _stats(t, t.npred(norms), t.sums @ norms)


def _stats(t, npred, sums):
    """Statistics for models of the kept bins, shapes (..., n_rows) and (...)."""
    total = t.planes.sums_fixed.sum() + sums
    if t.has_cash:
        truncation, log_truncation = cash_truncation()
        weights = t.cash_weights
        # Sums have all bins, with the model as it is. Those that Gammapy truncates are
        # corrected one by one.
        is_cut = npred <= truncation
        total = total + np.where(is_cut, truncation - npred, 0.0) @ weights
        logs = np.full(npred.shape, log_truncation)
        np.log(npred, out=logs, where=~is_cut)
        total = total - logs @ (weights * t.counts)
    if t.on_off is not None:
        total = total + t.on_off.stat(npred)
        total = total + t.planes.off[:, OFF_SUMS.index("constant")].sum()
    return 2 * total


def stats_along(templates, values):
    """Statistic at values of the only norm.

    Parameters
    ----------
    templates : `NormTemplates`
        Templates of one norm.
    values : `~numpy.ndarray`
        Values of the norm, shape (n_values,).

    Returns
    -------
    stats : `~numpy.ndarray`
        Statistic with priors, shape (n_values,); infinite where a bin with counts that
        a norm can give a model has none, as `fit_norms` has it.
    """
    t = templates
    for value in values:
        t = t.extended([value])
    values = np.asarray(values, dtype=float)
    template = t.change(np.ones(1))
    npred = t.fixed + values[:, np.newaxis] * template
    stats = _stats(t, npred, t.sums[0] * values)
    stats += t.constant + t.prior_precision[0] * (values - t.prior_mean[0]) ** 2
    if t.has_cash:
        seen = (t.cash_weights > 0) & (t.counts > 0) & t.has_model
        stats[np.any(npred[:, seen] <= cash_truncation()[0], axis=1)] = np.inf
    return stats


def npred_of_planes(templates, norms):
    """Predicted counts of each plane, weighted; negative bins count as 0.

    Parameters are those of `stat_of_bins`.
    """
    t = templates
    npred = t.npred(norms)
    total = t.planes.sums_fixed + t.planes.sums @ norms
    # Planes have sums with negative bins, which are taken out again.
    missing = t.cash_weights * np.maximum(-npred, 0)
    if t.on_off is not None:
        missing[t.on_off.idx] = t.on_off.missing(npred)
        total = total + t.planes.off[:, OFF_SUMS.index("background")]
    return total + np.bincount(t.plane, missing, total.size)


def measured_background(templates, norms):
    """Entries of a nuisance row on the on-off datasets.

    Parameters are those of `stat_of_bins`; the entries are those of
    `gammapy.modeling.measured_background.measured_background`.
    """
    t = templates
    if t.on_off is None:
        return {}
    n_planes = t.planes.n_bins.size
    rows = np.bincount(
        t.plane[t.on_off.idx], t.on_off.background(t.npred(norms)), n_planes
    )
    counts, entries = t.counts_sums(), {}
    for number, dataset in enumerate(t.datasets):
        if dataset.off is None:
            continue
        own = t.planes.dataset == number
        sums = dict(zip(OFF_SUMS, t.planes.off[own].sum(axis=0), strict=True))
        total_off = sums["acceptance_off"]
        values = {
            "counts": counts[number],
            "counts_off": sums["counts_off"],
            "alpha": sums["acceptance"] / total_off if total_off > 0 else np.nan,
            "background": sums["background"] + rows[own].sum(),
        }
        entries |= {
            f"{key}.{dataset.name}": float(value) for key, value in values.items()
        }
    return entries
