# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Hot spots: positions where counts and model differ."""

import numpy as np
from scipy.stats import norm
import astropy.units as u
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion, Regions
from gammapy.modeling.models import (
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from gammapy.utils.arguments import check_list
from gammapy.utils.plotter import LazyPlotter
from .result import ENERGY, DiagnosticResult

__all__ = ["HotSpots"]


class HotSpots(DiagnosticResult):
    """Hot spots, positions where counts and model differ, sorted by significance.

    Created by `HotSpotEstimator`. Columns of the table:

    - ``number``: number on maps;
    - ``lon``, ``lat``: position in deg, in the frame of the maps (``meta["frame"]``);
    - ``pos_err``: standard deviation of each coordinate of the position in deg;
    - ``energy_min``, ``energy_max``: energy group with the highest significance;
    - ``kernel``, ``radius``: kernel with the highest significance, and its correlation
      radius in deg; for a kernel without a radius, that of a disc with the same number
      of pixels;
    - ``sqrt_ts``: significance, negative for a deficit;
    - ``p_local``: probability of this significance for noise at one position, from N(0,
      1);
    - ``p_global``: probability that noise has such a spot, of either sign, at any
      position in any of the maps;
    - ``excess``: counts of a source with the shape of the kernel, negative for a
      deficit;
    - ``amplitude``, ``index``, ``size``, ``ts``: source with the highest likelihood
      around the spot, a Gaussian with a power law: amplitude at 1 TeV in cm-2 s-1
      TeV-1, standard deviation in deg, without the PSF (0 for a point source), and its
      TS with the rest of the model fixed. NaN for a deficit, or without exposure;
    - ``nearest``, ``separation``: nearest component of the model, and its separation in
      deg; "" and NaN without any;
    - ``source``, ``source_separation``: nearest source of the catalogue, and its
      separation in deg, if there is a catalogue.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import HotSpotEstimator
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> estimator = HotSpotEstimator(threshold=3, n_toys=20, random_state=0)
    >>> spots = estimator.run(datasets)
    >>> spots.table.colnames[:4]
    ['number', 'lon', 'lat', 'pos_err']
    >>> len(spots.to_regions()) == len(spots.table)
    True
    """

    COLUMNS = {
        "number": "",
        "lon": ".3f",
        "lat": ".3f",
        "pos_err": ".3f",
        "energy_min": ENERGY,
        "energy_max": ENERGY,
        "radius": ".2f",
        "sqrt_ts": "+.1f",
        "p_local": ".1e",
        "p_global": ".1e",
        "excess": ".1f",
        "nearest": "",
        "separation": ".2f",
    }

    plotter = LazyPlotter("HotSpotsPlotter")

    @property
    def positions(self):
        """Positions of the spots, a `~astropy.coordinates.SkyCoord`."""
        table = self._table
        lon, lat = (u.Quantity(table[name], "deg") for name in ("lon", "lat"))
        return SkyCoord(lon, lat, frame=self._meta["frame"])

    @property
    def verdict(self):
        """One sentence: the highest spot, its significance and its neighbour."""
        if not len(self._table):
            return f"There is no spot of {self._meta['threshold']:.3g} sigma or more."
        row = self._table[0]
        lon, lat = row["lon"], row["lat"]
        where = f"at {lon:.2f}, {lat:+.2f} deg ({self._meta['frame']})"
        if row["nearest"]:
            where += f", {row['separation']:.2f} deg from {row['nearest']}"
        number = len(self._table)
        which = "The only spot" if number == 1 else f"The highest of {number} spots"
        return (
            f"{which} has {row['sqrt_ts']:+.1f} sigma "
            f"({show_after_trials(row['p_global'])}) {where}."
        )

    def to_regions(self):
        """Circles with the radius of each spot.

        Returns
        -------
        regions : `~regions.Regions`
            Circles on the sky, with the number as their text.
        """
        circles = []
        for row, position in zip(self._table, self.positions, strict=True):
            radius = u.Quantity(row["radius"], "deg")
            meta = {"text": str(row["number"])}
            circles.append(CircleSkyRegion(position, radius, meta=meta))
        return Regions(circles)

    def to_models(self, numbers=None):
        """Starting models, one for each spot with an excess.

        They are point sources or Gaussians with power laws, with the highest likelihood
        around the spot. The reference energy is in the middle of the energies.
        Positions may move by the radius of the spot.

        Parameters
        ----------
        numbers : list of int, optional
            Numbers of the spots. Default is all that have an amplitude.

        Returns
        -------
        models : `~gammapy.modeling.models.Models`
            Models named "spot-1", "spot-2", ... after their numbers.

        Raises
        ------
        ValueError
            If there is no such spot, or it has no amplitude.

        Examples
        --------
        >>> from gammapy.datasets import Datasets
        >>> from gammapy.diagnostics import HotSpotEstimator
        >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
        >>> datasets = Datasets.read(f"{path}_datasets.yaml")
        >>> spots = HotSpotEstimator(n_toys=0, random_state=0).run(datasets)
        >>> spots.to_models([1]).names
        ['spot-1']
        """
        amplitudes = np.asarray(self._table["amplitude"], dtype=float)
        has_source = amplitudes > 0
        known = np.asarray(self._table["number"])
        if numbers is None:
            numbers = known[has_source]
        else:
            numbers = check_list("numbers", numbers, "numbers of spots")
        models = Models()
        for number in numbers:
            (found,) = np.nonzero(known == number)
            if not found.size or not has_source[found[0]]:
                raise ValueError(
                    f"numbers: spot {number!r} has no amplitude; those that have one "
                    f"are {known[has_source].tolist()}."
                )
            models.append(self._model(int(found[0])))
        return models

    def _model(self, idx):
        row, position = self._table[idx], self.positions[idx]
        energies = u.Quantity(
            [
                u.Quantity(row[name], self._table[name].unit)
                for name in ("energy_min", "energy_max")
            ]
        )
        reference = np.sqrt(energies[0] * energies[1]).to("TeV")
        unit = self._table["amplitude"].unit
        amplitude = (
            u.Quantity(row["amplitude"], unit) * reference.value ** -row["index"]
        )
        spectral = PowerLawSpectralModel(
            index=row["index"], amplitude=amplitude, reference=reference
        )
        spectral.amplitude.min = 0
        if row["size"] > 0:
            spatial = GaussianSpatialModel(sigma=u.Quantity(row["size"], "deg"))
            spatial.sigma.min = 0
        else:
            spatial = PointSpatialModel()
        spatial.frame = self._meta["frame"]
        spatial.position = position
        reach = row["radius"]
        for parameter in (spatial.lon_0, spatial.lat_0):
            stretch = 1.0
            if parameter is spatial.lon_0:
                stretch = max(np.cos(np.deg2rad(row["lat"])), 1e-3)
            width = reach / stretch
            parameter.min, parameter.max = (
                parameter.value - width,
                parameter.value + width,
            )
            parameter.error = row["pos_err"] / stretch
        return SkyModel(spectral, spatial, name=f"spot-{row['number']}")


def show_after_trials(p_global):
    """What is left of a significance after trials, in words."""
    if np.isnan(p_global):
        return "trials not known"
    if p_global > 0.5:
        return f"p = {p_global:.2g} after trials"
    return f"{norm.isf(p_global):.1f} after trials"
