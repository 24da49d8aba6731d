# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Whether the end of a fit is a minimum, and its covariance."""

from dataclasses import dataclass
import numpy as np
from .minimise import POSITIVE, scaled_matrix

__all__ = []

#: Largest expected distance of the statistic from its minimum.
EDM = 1e-4

#: Largest difference from the statistic of the datasets.
DIFFERENCE = 1e-3

#: Largest jumps of the statistic beside which parameters have a meaning.
ROUGHNESS = 3.0

# Share of a parameter in a direction without curvature, above which it is named.
SHARE = 0.3

# The same, above which its error is not meaningful.
TRACE = 1e-3


@dataclass
class Judgement:
    """What is known of the end of a fit.

    Attributes
    ----------
    covariance : `~numpy.ndarray`
        Inverse of half the Hessian, shape (n, n), NaN for parameters along which it is
        not positive. A parameter at a bound is not correlated; its error is how far the
        statistic takes to rise by 1.
    at_bound : `~numpy.ndarray` of bool
        Parameters that a bound keeps from a lower statistic.
    edm : float
        Expected distance of the statistic from its minimum, along the directions that
        have one.
    undetermined : `~numpy.ndarray` of bool
        Parameters without errors: those along which the Hessian is not positive, and
        those that act on nothing in the used bins, which is no reason.
    is_flat : bool
        Whether the Hessian is not positive along some of them.
    reasons : list of str
        Why this is no minimum; empty when it is one.
    """

    covariance: np.ndarray
    at_bound: np.ndarray
    edm: float
    undetermined: np.ndarray
    is_flat: bool
    reasons: list


def judge(statistic, values, found, stat_sum, *, roughness=0.0):
    """Judge the end of a fit.

    Parameters
    ----------
    statistic : object
        Statistic, see `~gammapy.modeling.smooth.minimise.Minimiser`.
    values : `~numpy.ndarray`
        Where the fit ended.
    found : `~gammapy.modeling.smooth.statistic.Derivatives`
        Derivatives there, with the Hessian.
    stat_sum : float
        Statistic of the datasets there, computed apart.
    roughness : float, optional
        Size of the jumps of the statistic. Default is 0.

    Returns
    -------
    judgement : `Judgement`
        The result.
    """
    low, high = statistic.bounds
    at_low, at_high = values <= low, values >= high
    periodic = np.isfinite(statistic.periods)
    at_bound = (at_low & (found.gradient > 0)) | (at_high & (found.gradient < 0))
    at_bound &= ~periodic
    names = np.array(statistic.names, dtype=object)
    idle = ~(found.hessian.any(axis=1) | (found.gradient != 0) | statistic.is_shape)
    inner = np.flatnonzero(~at_bound & ~idle)
    covariance = np.zeros(found.hessian.shape)
    covariance[idle] = covariance[:, idle] = np.nan
    undetermined = np.zeros(len(values), dtype=bool)
    inverse, flat, named = _inverse(found.hessian[np.ix_(inner, inner)])
    covariance[np.ix_(inner, inner)] = inverse
    undetermined[inner[flat]] = True
    covariance[undetermined] = covariance[:, undetermined] = np.nan
    covariance[np.diag_indices(len(values))] += np.where(at_bound, _rises(found), 0)
    slopes = found.gradient[inner]
    edm = slopes @ inverse @ slopes / 4
    reasons = []
    if len(flat):
        reasons.append(
            f"the statistic has no minimum along {', '.join(names[inner[named]])}: "
            "freeze, bound or constrain some of them"
        )
    elif roughness > ROUGHNESS:
        reasons.append(
            f"the statistic jumps by {roughness:.2g} where hard edges pass pixels: "
            "take smaller pixels or softer edges"
        )
    elif not edm < EDM + roughness:
        reasons.append(f"the statistic may be lower by {edm:.2g} (edm)")
    undetermined |= idle
    unresolved = names[statistic.is_unresolved(values)]
    reasons += [f"{name} is below the resolution of the map" for name in unresolved]
    n_truncated = statistic.n_truncated(values)
    if n_truncated:
        reasons.append(f"the model is 0 in {n_truncated} bins with counts")
    if not abs(found.stat - stat_sum) < DIFFERENCE:
        reasons.append(
            f"the statistic of the datasets is {stat_sum:.4f}, not {found.stat:.4f}"
        )
    is_flat = len(flat) > 0
    return Judgement(covariance, at_bound, edm, undetermined, is_flat, reasons)


def _rises(found):
    """Squares of the distances at which parabolas have risen by 1."""
    slope, curvature = abs(found.gradient), np.maximum(np.diag(found.hessian), 0)
    with np.errstate(divide="ignore"):
        return (2 / (slope + np.sqrt(slope**2 + 2 * curvature))) ** 2


def _inverse(hessian):
    """Inverse of half a matrix along its positive directions; parameters of others.

    Returns
    -------
    inverse, flat, named : tuple of `~numpy.ndarray`
        The inverse; indices of parameters without an error, and of those among them
        that matter most.
    """
    is_broken = ~np.isfinite(np.diag(hessian))
    if not (is_broken.any() or np.isfinite(hessian).all()):
        is_broken[:] = True
    if is_broken.any():
        # Others are as if these were frozen.
        kept, broken = np.flatnonzero(~is_broken), np.flatnonzero(is_broken)
        part, flat, named = _inverse(hessian[np.ix_(kept, kept)])
        inverse = np.full(hessian.shape, np.nan)
        inverse[np.ix_(kept, kept)] = part
        flat, named = (np.union1d(broken, kept[own]) for own in (flat, named))
        return inverse, flat, named
    scaled, scales = scaled_matrix(hessian)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    is_flat = eigenvalues <= POSITIVE
    shares = np.max(abs(vectors[:, is_flat]), axis=1, initial=0)
    eigenvalues[is_flat] = np.inf
    inverse = (vectors / eigenvalues) @ vectors.T
    inverse *= 2 * np.outer(scales, scales)
    return inverse, np.flatnonzero(shares > TRACE), np.flatnonzero(shares > SHARE)
