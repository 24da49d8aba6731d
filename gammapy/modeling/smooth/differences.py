# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Derivatives of arrays by differences that stay inside bounds."""

import itertools
import numpy as np

__all__ = []

# Weights of the first derivative: offset in steps, weight. They are exact up to the
# third order of the step (Abramowitz & Stegun 1964, table 25.2).
CENTRAL = ((-1, -0.5), (1, 0.5))
ONE_SIDED = ((0, -1.5), (1, 2.0), (2, -0.5))

# Weights of the second derivative.
CENTRAL_SECOND = ((-1, 1.0), (0, -2.0), (1, 1.0))
ONE_SIDED_SECOND = ((0, 2.0), (1, -5.0), (2, 4.0), (3, -1.0))


def derivatives(evaluate, values, steps, low, high, *, second=False):
    """First and second derivatives of an array.

    Parameters
    ----------
    evaluate : callable
        Gives the array at some values.
    values : `~numpy.ndarray`
        Where, shape (n,).
    steps : `~numpy.ndarray`
        Steps, above 0, shape (n,). One that does not fit between the bounds is made
        smaller.
    low, high : `~numpy.ndarray`
        Bounds, shape (n,). Nothing is evaluated beyond them.
    second : bool, optional
        Whether to give second derivatives. Default is False.

    Returns
    -------
    first : list of `~numpy.ndarray`
        Derivative with respect to each value.
    pairs : dict
        Second derivatives by (i, j) with j <= i; empty without ``second``.
    """
    table = _Table(evaluate, values, steps, low, high)
    number = range(len(values))
    first = [table.first(idx) for idx in number]
    if not second:
        return first, {}
    return first, {(i, j): table.second(i, j) for i in number for j in range(i + 1)}


class _Table:
    """Values of the function on a grid of steps, each one computed once."""

    def __init__(self, evaluate, values, steps, low, high):
        self.evaluate = evaluate
        self.values = np.array(values, dtype=float)
        self.steps = np.minimum(steps, (high - low) / 4)
        self.known = {}
        self.signs, self.is_central = [], []
        for value, step, lowest, highest in zip(
            self.values, self.steps, low, high, strict=True
        ):
            is_central = value - step >= lowest and value + step <= highest
            self.is_central.append(is_central)
            self.signs.append(1 if is_central or value + 3 * step <= highest else -1)

    def at(self, *offsets):
        """Array at some offsets, pairs of index and number of steps."""
        key = tuple(sorted((idx, number) for idx, number in offsets if number))
        if key not in self.known:
            values = self.values.copy()
            for idx, number in key:
                values[idx] += number * self.signs[idx] * self.steps[idx]
            self.known[key] = self.evaluate(values)
        return self.known[key]

    def weights(self, idx):
        """Weights of the first derivative."""
        scale = self.signs[idx] * self.steps[idx]
        rule = CENTRAL if self.is_central[idx] else ONE_SIDED
        return [(offset, weight / scale) for offset, weight in rule]

    def first(self, idx):
        """First derivative."""
        return sum(
            weight * self.at((idx, offset)) for offset, weight in self.weights(idx)
        )

    def second(self, i, j):
        """Second derivative."""
        if i == j:
            rule = CENTRAL_SECOND if self.is_central[i] else ONE_SIDED_SECOND
            total = sum(weight * self.at((i, offset)) for offset, weight in rule)
            return total / self.steps[i] ** 2
        if self.is_central[i] and self.is_central[j]:
            # Two new values instead of four: the rest of the square is known.
            ends = sum(self.at((k, sign)) for k in (i, j) for sign in (-1, 1))
            corners = self.at((i, 1), (j, 1)) + self.at((i, -1), (j, -1))
            total = corners - ends + 2 * self.at()
            return total / (2 * self.steps[i] * self.steps[j])
        return sum(
            weight * other * self.at((i, offset), (j, number))
            for (offset, weight), (number, other) in itertools.product(
                self.weights(i), self.weights(j)
            )
        )
