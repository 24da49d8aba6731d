# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Minimum of a quadratic function inside bounds."""

import numpy as np

__all__ = []

#: Where to go along a direction without curvature, for its length is not known.
FAR = 100.0

#: Number of unknowns above which it is worth to look for what can be eliminated.
N_LARGE = 50


def minimise_quadratic(gradient, hessian, low, high, *, noise=1e-7):
    """Minimum of g x + x H x / 2 between bounds around 0.

    Parameters
    ----------
    gradient, hessian : `~numpy.ndarray`
        Shapes (n,) and (n, n). The matrix has no negative eigenvalues and a diagonal
        of about 2.
    low, high : `~numpy.ndarray`
        Bounds, not above and not below 0.
    noise : float, optional
        Slope that rounding may leave along directions without curvature.
        Default is 1e-7.

    Returns
    -------
    x : `~numpy.ndarray`
        The minimum, shape (n,). Along directions without curvature it goes some way
        down.
    """
    x = np.zeros(gradient.shape)
    is_held = (low == 0) & (gradient >= 0) | (high == 0) & (gradient <= 0)
    is_held |= low == high
    # An active set: go to the minimum of the free coordinates, hold the one that meets
    # its bound first, and let one go when its slope points inside.
    for _ in range(10 * x.size + 10):
        slope = gradient + hessian @ x
        free = np.flatnonzero(~is_held)
        step = np.zeros(x.shape)
        step[free] = _solve(hessian[np.ix_(free, free)], -slope[free], noise)
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step < 0, (low - x) / step, (high - x) / step)
        room[step == 0] = np.inf
        blocking = np.argmin(room) if x.size else None
        if x.size and room[blocking] < 1:
            x = x + room[blocking] * step
            x[blocking] = low[blocking] if step[blocking] < 0 else high[blocking]
            is_held[blocking] = True
            continue
        # Whole step: all that is free is at its minimum. Is what is held held rightly?
        x = np.clip(x + step, low, high)
        slope = gradient + hessian @ x
        pull = np.where(x <= low, -slope, slope) * is_held * (low < high)
        if not np.any(pull > 1e-12 * (1 + abs(gradient))):
            break
        # One at a time, or the set could go round in circles.
        is_held[np.argmax(pull)] = False
    return x


def _solve(matrix, right, noise):
    """Solve linear equations of a matrix that may be singular.

    Norms of single datasets, which have nothing to do with each other, are eliminated
    (Schur complement), so that the time is linear in their number.
    """
    single = _single_norms(matrix)
    if not single.any():
        return _solve_all(matrix, right, noise)
    diagonal = np.diag(matrix)[single]
    mixed = matrix[np.ix_(~single, single)] / diagonal
    common = matrix[np.ix_(~single, ~single)] - mixed @ matrix[np.ix_(single, ~single)]
    solved = np.empty(right.shape)
    rest = right[~single] - mixed @ right[single]
    solved[~single] = _solve_all(common, rest, noise)
    solved[single] = right[single] / diagonal - solved[~single] @ mixed
    return solved


def _single_norms(matrix):
    """Rows of a large matrix that have elements in common with few others alone."""
    single = np.zeros(len(matrix), dtype=bool)
    if len(matrix) < N_LARGE:
        return single
    is_used = matrix != 0
    rows = np.flatnonzero(is_used.sum(axis=1) < len(matrix) / 2)
    is_alone = is_used[np.ix_(rows, rows)].sum(axis=1) == 1
    single[rows[is_alone & (np.diag(matrix)[rows] > 1e-6)]] = True
    return single


def _solve_all(matrix, right, noise):
    if right.size == 0:
        return right
    eigenvalues, vectors = np.linalg.eigh(matrix)
    parts = vectors.T @ right
    is_null = eigenvalues < 1e-12
    # What rounding leaves along a direction without curvature is no reason to move.
    weak = np.where(abs(parts) > noise, parts, 0.0)
    steepest = np.max(abs(weak[is_null]), initial=0.0)
    if steepest > 0:
        weak *= max(1e3, FAR / steepest)
    eigenvalues = np.where(is_null, 1.0, eigenvalues)
    return vectors @ np.where(is_null, weak, parts / eigenvalues)
