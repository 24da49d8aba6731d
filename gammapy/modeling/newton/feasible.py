# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Norms with which each bin with counts has a model, by linear programs."""

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import diags, hstack

__all__ = []

#: Bins that a linear program begins with, and that are added when they turn out low.
N_ROWS = 200

#: Part of the margin which a bin must have that is not in the program.
MARGIN = 0.1


def find_feasible(matrix, fixed, low, high, start):
    """Norms inside their bounds with which all bins are positive.

    They are as far inside as they can: the least value, in units of what a step of 1
    of the strongest norm changes, is the largest possible one, but not above 1.

    Parameters
    ----------
    matrix : `~scipy.sparse.csr_matrix`
        Templates in units of their scales, shape (n_rows, n_norms). Each row has an
        entry that is not 0.
    fixed : `~numpy.ndarray`
        What does not depend on the norms, shape (n_rows,).
    low, high : `~numpy.ndarray`
        Bounds of the norms, shape (n_norms,); they may be infinite.
    start : `~numpy.ndarray`
        Norms that tell which bins matter, shape (n_norms,).

    Returns
    -------
    norms : `~numpy.ndarray` or None
        The norms, shape (n_norms,). None when there are none.
    """
    # A bin that is positive at the lowest that the bounds allow cannot matter, and most
    # bins are such: backgrounds are positive, norms mostly have a bound of 0.
    positive, negative = matrix.maximum(0), matrix.minimum(0)
    is_open = positive.astype(bool) @ np.isinf(low)
    is_open |= negative.astype(bool) @ np.isinf(high)
    lowest = positive @ np.where(np.isinf(low), 0.0, low)
    lowest += negative @ np.where(np.isinf(high), 0.0, high)
    matters = is_open | ~(fixed + lowest > 0)
    matrix, fixed = matrix[matters], fixed[matters]
    # In units of its largest entry a faint bin counts as much as a bright one.
    size = abs(matrix).max(axis=1).toarray()[:, 0]
    matrix = diags(1 / size) @ matrix
    fixed = fixed / size
    # Few bins decide, so the program begins with few and is given those that it missed.
    used = np.zeros(fixed.size, dtype=bool)
    used[_lowest(fixed + matrix @ start)] = True
    while True:
        norms, margin = _solve(matrix[used], fixed[used], low, high)
        if not margin > 0:
            return None
        values = fixed + matrix @ norms
        is_missed = ~used & (values < MARGIN * margin)
        if not is_missed.any():
            return norms
        used[_lowest(np.where(used, np.inf, values))] = True


def _lowest(values):
    """Indices of the lowest values."""
    n_rows = min(N_ROWS, values.size)
    return np.argpartition(values, n_rows - 1)[:n_rows] if n_rows else []


def _solve(matrix, fixed, low, high):
    """Norms with the largest margin, and the margin; -inf when there is none."""
    n_rows, n_norms = matrix.shape
    # The last variable is the margin, which is made as large as possible. It is at most
    # 1, for without counts far away there may be no largest one.
    bounds = np.column_stack([np.append(low, -np.inf), np.append(high, 1.0)])
    result = linprog(
        c=np.append(np.zeros(n_norms), -1.0),
        A_ub=hstack([-matrix, np.ones((n_rows, 1))]),
        b_ub=fixed,
        bounds=bounds,
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10},
    )
    if result.status != 0:
        return np.zeros(n_norms), -np.inf
    return np.clip(result.x[:-1], low, high), result.x[-1]
