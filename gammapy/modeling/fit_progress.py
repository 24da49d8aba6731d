# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Progress of a fit, and its state when it is interrupted."""

import logging
import time
from contextlib import contextmanager
from functools import cache, wraps
import numpy as np
from gammapy.utils import pbar

__all__ = []

log = logging.getLogger(__name__)

#: Seconds before a bar is shown.
DELAY = 3.0


class FitProgress:
    """Steps of a fit, shown as a progress bar if it takes more than a few seconds.

    Like all progress bars it is shown if ``gammapy.utils.pbar.SHOW_PROGRESS_BAR`` is
    set.

    Parameters
    ----------
    label : str
        What is shown before the bar.

    Attributes
    ----------
    n_steps : int
        Number of steps, or of evaluations by Minuit.
    stat : float
        Lowest statistic.
    gain : float
        Expected decrease of the fit statistic, NaN if it is not known.
    """

    def __init__(self, label):
        self.label = label
        self.n_steps, self.stat, self.gain = 0, np.inf, np.nan
        self._start = time.monotonic()
        self._bar = None

    def step(self, stat, gain=np.nan):
        """Take note of a step."""
        self.n_steps += 1
        if not stat >= self.stat:
            self.stat = stat
        self.gain = gain
        # A bar around this fit is shown instead.
        is_free = self._bar is not None or not pbar.is_counting()
        if pbar.SHOW_PROGRESS_BAR and is_free and self.seconds > DELAY:
            self._show()

    @property
    def seconds(self):
        """Seconds since the start."""
        return time.monotonic() - self._start

    def _show(self):
        if self._bar is None:
            initial = self.n_steps - 1
            self._bar = pbar.ProgressBar(None, desc=self.label, initial=initial)
        self._bar.update(1)
        # Without tqdm there is something in its place that shows nothing.
        if hasattr(self._bar, "set_postfix_str"):
            self._bar.set_postfix_str(self.describe(), refresh=False)

    def describe(self):
        """Statistic and expected gain."""
        text = f"stat {self.stat:.2f}"
        return text if np.isnan(self.gain) else f"{text}, expected gain {self.gain:.2g}"

    def close(self):
        """Let go of the bar."""
        if hasattr(self._bar, "close"):
            self._bar.close()


@contextmanager
def fit_progress(label="Fit"):
    """Progress of a fit that restores its parameters when it is interrupted.

    Parameters
    ----------
    label : str, optional
        What is shown before the bar. Default is "Fit".

    Yields
    ------
    progress : `FitProgress`
        To be told of each step.
    """
    progress = FitProgress(label)
    try:
        yield progress
    except KeyboardInterrupt:
        log.warning(
            f"{label} interrupted after {progress.n_steps} steps in "
            f"{progress.seconds:.0f} s at {progress.describe()}. The parameters were "
            "reset."
        )
        raise
    finally:
        progress.close()


@cache
def with_progress(optimize):
    """Optimiser that shows how far it is, the same object each time.

    Parameters
    ----------
    optimize : callable
        Optimiser of the registry of `~gammapy.modeling.Fit`: function of parameters and
        of a statistic.

    Returns
    -------
    optimize : callable
        The same, with a statistic that counts.
    """

    @wraps(optimize)
    def counted(parameters, function, **kwargs):
        statistic = CountedStatistic(function)
        try:
            return optimize(parameters=parameters, function=statistic, **kwargs)
        finally:
            statistic.close()

    return counted


class CountedStatistic:
    """Statistic that counts how often it is asked for, until it is closed.

    What an optimiser leaves refers to it, and may go to another process: there it is
    the statistic itself.

    Parameters
    ----------
    function : callable
        Statistic.
    """

    def __init__(self, function):
        self.function = function
        self._progress = FitProgress("Fit")

    def __call__(self):
        stat = self.function()
        if self._progress is not None:
            self._progress.step(stat)
        return stat

    @property
    def __self__(self):
        """Datasets whose statistic it is."""
        return self.function.__self__

    def __reduce__(self):
        return _same, (self.function,)

    def close(self):
        """Count no more."""
        self._progress.close()
        self._progress = None


def _same(function):
    return function
