# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Covariance of norms at the minimum, and which of them the data do not determine."""

import numpy as np
from .kinks import distance_at_kink

__all__ = []


#: Eigenvalue of the scaled Hessian below which a combination of norms is not known.
DEGENERATE = 1e-10

# Share of a norm in such a combination above which it is not known itself.
SHARE = 1e-3


def covariance_of(statistic, point, hessian, scales, inner):
    """Covariance, and which and how many norms the data do not determine.

    Parameters
    ----------
    statistic : `~gammapy.modeling.newton.statistic.Statistic`
        Statistic.
    point : `~gammapy.modeling.newton.statistic.Point`
        Minimum.
    hessian : `~numpy.ndarray`
        Second derivatives there, shape (n_norms, n_norms).
    scales : `~numpy.ndarray`
        Errors, roughly, shape (n_norms,).
    inner : `~numpy.ndarray` of bool
        Norms that are free and not at a bound, shape (n_norms,).

    Returns
    -------
    covariance, unknown, n_unknown : tuple
        Shapes (n_norms, n_norms) and (n_norms,), and the number of combinations of
        norms that are not determined. At a kink the part of the covariance is that of
        a parabola which rises by 1 where the statistic does.
    """
    covariance = np.zeros(hessian.shape)
    unknown = np.zeros(inner.shape, dtype=bool)
    if not inner.any():
        return covariance, unknown, 0
    idx = np.flatnonzero(inner)
    scale = scales[idx]
    scaled = hessian[np.ix_(idx, idx)] * np.outer(scale, scale) / 2
    eigenvalues, vectors = np.linalg.eigh(scaled)
    # Directions without curvature leave the norms in them open; all others keep the
    # covariance that they have without these directions.
    is_null = eigenvalues < DEGENERATE
    parts = vectors[:, ~is_null]
    inverse = (parts / eigenvalues[~is_null]) @ parts.T
    covariance[np.ix_(idx, idx)] = inverse * np.outer(scale, scale)
    if np.count_nonzero(is_null) == 1 and statistic.templates.on_off is not None:
        direction = np.zeros(inner.shape)
        direction[idx] = scale * vectors[:, is_null][:, 0]
        distance = distance_at_kink(statistic, point, direction)
        if np.isfinite(distance):
            covariance += distance**2 * np.outer(direction, direction)
            return covariance, unknown, 0
    unknown[idx] = np.any(abs(vectors[:, is_null]) > SHARE, axis=1)
    covariance[unknown] = np.nan
    covariance[:, unknown] = np.nan
    return covariance, unknown, int(np.sum(is_null))
