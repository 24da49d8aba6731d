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
    npred = t.npred(norms)
    total = t.planes.sums_fixed.sum() + t.sums @ norms
    truncation, log_truncation = cash_truncation()
    weights = t.cash_weights
    # Sums have all bins, with the model as it is. Those that Gammapy truncates are
    # corrected one by one.
    is_cut = npred <= truncation
    total += np.sum((weights * (truncation - npred))[is_cut])
    logs = np.full(npred.shape, log_truncation)
    np.log(npred, out=logs, where=~is_cut)
    total -= np.sum(weights * t.counts * logs)
    if t.on_off is not None:
        total += t.on_off.stat(npred)
        total += t.planes.off[:, OFF_SUMS.index("constant")].sum()
    return 2 * total


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
