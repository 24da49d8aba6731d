# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Lowest point nearby where a statistic has small jumps."""

from dataclasses import replace
import numpy as np
from .minimise import scaled_matrix

__all__ = []

#: Lengths of the steps that are tried, in units of the errors.
LENGTHS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03, 0.01)

#: What is gained by a round of trials below which there is no other one.
GAIN = 2e-3

# Rounds, each along other directions, and sweeps at each length.
N_ROUNDS, N_SWEEPS = 4, 2

# A trial that is not higher than this may be the best with other norms and spectra.
MARGIN = 0.1

# Trials of half an error, of a parabola not much higher, tell the jumps from a bend.
HALF, BEND = 0.5, 0.3

#: Smallest eigenvalue of the scaled matrix along which trials are made.
SMALLEST = 1e-3


def search_nearby(minimiser, minimum):
    """Search for a lower point along the parameters in which a statistic jumps.

    A shape with hard edges makes steps in its image where the edges pass pixels. Its
    derivatives, which are means over a part of a pixel, lead to the valley, but not to
    the lowest of the many small hollows in it. These are tried one by one, at steps of
    an error and less (Hooke & Jeeves 1961, J. ACM 8, 212), in directions in which the
    other parameters follow, and then with norms and spectra fitted again.

    Parameters
    ----------
    minimiser : `~gammapy.modeling.smooth.minimise.Minimiser`
        Minimiser of the statistic.
    minimum : `~gammapy.modeling.smooth.minimise.Minimum`
        Where it ended.

    Returns
    -------
    minimum : `~gammapy.modeling.smooth.minimise.Minimum`
        The lowest point found. Its ``roughness`` is the largest difference of the
        statistic from a parabola within half an error.
    """
    search = _Search(minimiser, minimum)
    search.run()
    found = minimiser.derivatives_at_end()
    failure = "" if minimum.failure.startswith("No lower") else minimum.failure
    return replace(
        minimum,
        values=minimiser.values,
        derivatives=found,
        failure=failure,
        nfev=minimiser.nfev,
        roughness=search.roughness,
    )


class _Search:
    def __init__(self, minimiser, minimum):
        self.minimiser = minimiser
        self.start, self.found = minimum.values, minimum.derivatives
        self.roughness = 0.0
        statistic = minimiser.statistic
        self.groups = list(
            directions_of_shapes(statistic, self.found, statistic.is_hard)
        )

    def run(self):
        """Go to the lowest point, shape by shape."""
        rng = np.random.default_rng(0)
        for number in range(N_ROUNDS):
            before = self.minimiser.stat
            for directions in self.groups:
                if number > 0:
                    # Other directions of the same ellipsoid.
                    rotation = np.linalg.qr(rng.normal(size=(len(directions),) * 2))[0]
                    directions = rotation @ directions
                self._round(directions)
            if before - self.minimiser.stat < GAIN:
                break

    def _round(self, directions):
        for length in LENGTHS:
            for _number in range(N_SWEEPS):
                stat = self.minimiser.stat
                steps = [sign * length for sign in (1, -1)]
                for move in (step * row for row in directions for step in steps):
                    self._try(move, length)
                if self.minimiser.stat == stat:
                    break

    def _try(self, move, length):
        """Make a move if it, with other norms and spectra, lowers the statistic."""
        minimiser = self.minimiser
        values, stat = minimiser.values, minimiser.stat
        minimiser.move(values + move)
        if not np.isfinite(minimiser.stat):
            minimiser.values, minimiser.stat = values, stat
            return
        if length <= HALF:
            self._compare(minimiser.values, minimiser.stat)
        if minimiser.stat < stat + MARGIN:
            minimiser.refit_spectra()
        if not minimiser.stat < stat - GAIN:
            minimiser.values, minimiser.stat = values, stat

    def _compare(self, values, stat):
        """Difference from the parabola, near its vertex."""
        away = values - self.start
        bend = away @ self.found.hessian @ away / 2
        if bend < BEND:
            difference = stat - self.found.stat - self.found.gradient @ away - bend
            self.roughness = max(self.roughness, abs(difference))


def directions_of_shapes(statistic, found, is_wanted):
    """Principal directions of the parameters of each shape, one error long.

    Parameters
    ----------
    statistic : object
        Statistic, see `~gammapy.modeling.smooth.minimise.Minimiser`.
    found : `~gammapy.modeling.smooth.statistic.Derivatives`
        Derivatives, with the Hessian.
    is_wanted : `~numpy.ndarray` of bool
        Which parameters are meant, shape (n,).

    Yields
    ------
    directions : `~numpy.ndarray`
        Moves of all parameters, shape (n_directions, n).
    """
    numbers = np.where(is_wanted, statistic.shape_numbers, -1)
    for number in np.unique(numbers[numbers >= 0]):
        yield _directions(found, np.flatnonzero(numbers == number))


def _directions(found, idx):
    """Principal directions of some parameters, one error long.

    The others follow to where they have their minimum.
    """
    scaled, scales = scaled_matrix(found.hessian)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    inverse = (vectors / np.maximum(eigenvalues, SMALLEST)) @ vectors.T
    covariance = 2 * inverse * np.outer(scales, scales)
    block = covariance[np.ix_(idx, idx)]
    own, own_scales = scaled_matrix(block)
    lengths, axes = np.linalg.eigh(own)
    errors = np.zeros(len(idx))
    np.divide(1, own_scales, out=errors, where=own_scales > 0)
    moves = np.sqrt(np.maximum(lengths, 0)) * axes * errors[:, np.newaxis]
    return (covariance[:, idx] @ np.linalg.pinv(block, hermitian=True) @ moves).T
