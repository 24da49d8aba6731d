# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Minima on the other sides of kinks."""

from dataclasses import replace
from .search import GAIN, directions_of_shapes

__all__ = []

#: Lengths of the steps across kinks, in units of the errors.
LENGTHS = (1.0, -1.0, 2.0, -2.0)

#: Share of the rise of a parabola below which the other side may have its own minimum.
RISE = 0.7

# Times that a lower minimum is looked for, and starts that are tried each time.
N_ROUNDS, N_STARTS = 4, 2

# Steps of such a start. It is near a minimum, or there is none.
N_STEPS = 20


def search_beyond_kinks(minimiser, minimum):
    """Look for a lower minimum where a source has passed to another pixel.

    A point source is shared between pixels, so the statistic has a kink wherever it
    passes the centre of one. If it has a ridge there, both sides have a minimum. Where
    the statistic one or two errors away is well below the parabola of this minimum,
    a fit starts there.

    Parameters
    ----------
    minimiser : `~gammapy.modeling.smooth.minimise.Minimiser`
        Minimiser of the statistic.
    minimum : `~gammapy.modeling.smooth.minimise.Minimum`
        Where it ended.

    Returns
    -------
    minimum : `~gammapy.modeling.smooth.minimise.Minimum`
        The lowest one found.
    """
    for _number in range(N_ROUNDS):
        lower = _lower_minimum(minimiser, minimum)
        if lower is None:
            break
        minimum = lower
    return replace(minimum, nfev=minimiser.nfev)


def _lower_minimum(minimiser, minimum):
    """Minimum that is lower than the present one, else None."""
    best = minimum.derivatives.stat
    for start in _starts(minimiser, minimum):
        minimiser.move(start)
        found = minimiser.run(max_iter=N_STEPS)
        if found.derivatives.stat < best - GAIN:
            return found
    minimiser.move(minimum.values)
    return None


def _starts(minimiser, minimum):
    """Values beyond kinks where the statistic is low, the lowest ones first."""
    found, statistic = minimum.derivatives, minimiser.statistic
    starts = []
    for directions in directions_of_shapes(statistic, found, statistic.has_kinks):
        for move in (length * row for row in directions for length in LENGTHS):
            minimiser.move(minimum.values + move)
            away = minimiser.values - minimum.values
            rise = away @ found.hessian @ away / 2
            if minimiser.stat - found.stat < found.gradient @ away + RISE * rise:
                starts.append((minimiser.stat, minimiser.values))
    starts.sort(key=lambda start: start[0])
    return [values for _stat, values in starts[:N_STARTS]]
