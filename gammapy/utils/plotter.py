# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Plotters of objects.

The plotters import the objects that they draw, so the objects cannot import the
plotters. They name their plotter, and it is loaded when it is needed.
"""

from importlib import import_module

__all__ = ["LazyPlotter", "load_plotter"]

#: Module of the plotter of each kind of object, below gammapy.visualization.
PLOTTERS = {
    "DatasetsPlotter": "residuals.datasets",
    "FitHistoryPlotter": "diagnostics.history",
    "FluxPointsPlotter": "flux_points",
    "GoodnessOfFitPlotter": "diagnostics.goodness",
    "HotSpotsPlotter": "sky.spots",
    "ImpactsPlotter": "diagnostics.impacts",
    "MapDatasetPlotter": "residuals.dataset",
    "ModelsPlotter": "sky.models",
    "PSMapPlotter": "diagnostics.ps_map",
    "ProfileResidualsPlotter": "residuals.profiles",
    "ScoreTestsPlotter": "diagnostics.score_tests",
    "SpatialResidualsPlotter": "residuals.spatial",
    "SpectralResidualsPlotter": "residuals.spectral",
    "SpectrumDatasetPlotter": "residuals.dataset",
}


def load_plotter(name):
    """Class of a plotter.

    Parameters
    ----------
    name : str
        Name of the class, one of those listed.

    Returns
    -------
    plotter : type
        Subclass of `~gammapy.visualization.plotter.BasePlotter`.

    Examples
    --------
    >>> from gammapy.utils.plotter import load_plotter
    >>> load_plotter("DatasetsPlotter").__name__
    'DatasetsPlotter'
    """
    return getattr(import_module(f"gammapy.visualization.{PLOTTERS[name]}"), name)


class LazyPlotter:
    """Attribute of a class: the plotter of its objects, loaded when it is needed.

    It can be replaced for a single object.

    Parameters
    ----------
    name : str
        Class of the plotter, one of those listed in this module.

    Raises
    ------
    ValueError
        If there is no such plotter.

    Examples
    --------
    >>> from gammapy.datasets import SpectrumDataset
    >>> from gammapy.visualization.residuals import SpectrumDatasetPlotter
    >>> dataset = SpectrumDataset(name="run")
    >>> dataset.plotter = SpectrumDatasetPlotter(rc_params={"font.size": 8})
    >>> dataset.plotter.rc_params["font.size"]
    8.0
    """

    def __init__(self, name):
        if name not in PLOTTERS:
            raise ValueError(f"No plotter {name!r}: choose from {', '.join(PLOTTERS)}.")
        self._name = name

    def __set_name__(self, owner, name):
        self._attribute = name

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        own = vars(instance).get(self._attribute)
        return load_plotter(self._name)() if own is None else own

    def __set__(self, instance, plotter):
        vars(instance)[self._attribute] = plotter
