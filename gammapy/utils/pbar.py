# Licensed under a 3-clause BSD style license - see LICENSE.rst

#: Seconds between two states of a bar, None for those of tqdm. A command whose output
#: goes to a file sets it, for a file keeps all states.
INTERVAL = None

#: Bars that count right now; one of them is shown.
_running = []


class ProgressBar(tqdm):
    """Progress bar. Inside another progress bar it is not shown.

    Two progress bars would overwrite each other, so only the outer one is shown.

    Parameters
    ----------
    iterable : list, optional
        Elements to count. Default is None: `ProgressBar.update` counts, until
        `ProgressBar.close`.
    disable : bool, optional
        Whether to hide it. Default is None: depends on `SHOW_PROGRESS_BAR`.
    **kwargs : dict
        Other arguments of ``tqdm``.

    Examples
    --------
    >>> from gammapy.utils.pbar import ProgressBar
    >>> [run for run in ProgressBar([20136, 20137], desc="Runs")]
    [20136, 20137]
    """

    def __init__(self, iterable=None, *, disable=None, **kwargs):
        if disable is None:
            disable = not SHOW_PROGRESS_BAR
        if INTERVAL is not None:
            kwargs.setdefault("mininterval", INTERVAL)
        super().__init__(iterable, disable=disable or is_counting(), **kwargs)
        if iterable is None and not self.disable:
            _running.append(self)

    def __iter__(self):
        if self.disable:
            yield from super().__iter__()
            return
        _running.append(self)
        try:
            yield from super().__iter__()
        finally:
            _let_go(self)

    def close(self):
        """Let go of the line."""
        _let_go(self)
        # Without tqdm there is something in its place that has no end.
        getattr(super(), "close", lambda: None)()


def _let_go(bar):
    # By identity, for bars compare as their positions.
    _running[:] = [other for other in _running if other is not bar]


def is_counting():
    """Whether a bar is shown.

    Returns
    -------
    is_counting : bool
        Whether there is one.

    Examples
    --------
    >>> from gammapy.utils.pbar import is_counting
    >>> is_counting()
    False
    """
    return bool(_running)


def progress_bar(iterable, desc=None):
    """Progress bar over the elements of a list, see `ProgressBar`.

    Parameters
    ----------
    iterable : iterable
        What is counted; it is made a list of.
    desc : str, optional
        What is shown before the bar. Default is None, nothing.

    Returns
    -------
    bar : `ProgressBar`
        To be iterated over.

    Examples
    --------
    >>> from gammapy.utils.pbar import progress_bar
    >>> list(progress_bar([20136, 20137], desc="Runs"))
    [20136, 20137]
    """
    items = list(iterable)
    return ProgressBar(items, total=len(items), desc=desc)
