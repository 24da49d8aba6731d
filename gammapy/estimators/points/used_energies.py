# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Energies of the bins that the masks of datasets leave to a flux point."""

import logging
import numpy as np
import astropy.units as u
from gammapy.maps.energy_bins import format_energy_range

__all__ = []

log = logging.getLogger(__name__)

# Relative difference by which an edge may miss another and still be the same.
RTOL = 1e-6


class UsedEnergies:
    """Energy bins that at least one pixel of a dataset is used in.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets`
        Datasets.

    Examples
    --------
    >>> import astropy.units as u
    >>> from gammapy.datasets import Datasets, SpectrumDatasetOnOff
    >>> from gammapy.estimators.points.used_energies import UsedEnergies
    >>> path = "$GAMMAPY_DATA/joint-crab/spectra/hess/pha_obs23523.fits"
    >>> dataset = SpectrumDatasetOnOff.read(path)
    >>> used = UsedEnergies(Datasets([dataset]))
    >>> print(used.within(0.1 * u.TeV, 1 * u.TeV).round(2))
    [0.88 0.98] TeV
    """

    def __init__(self, datasets):
        lows, highs = [], []
        for dataset in datasets:
            axis = dataset._geom.axes["energy"]
            used = np.ones(axis.nbin, dtype=bool)
            if dataset.mask is not None:
                used = np.any(dataset.mask.data != 0, axis=(1, 2))
            lows.append(axis.edges_min.to_value("TeV")[used])
            highs.append(axis.edges_max.to_value("TeV")[used])
        self._lows, self._highs = np.concatenate(lows), np.concatenate(highs)

    def within(self, energy_min, energy_max):
        """Lowest and highest energy of the used bins within a range.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity`
            Range.

        Returns
        -------
        energies : `~astropy.units.Quantity`
            Shape (2,), in the unit of ``energy_min``; NaN when no bin is used.
        """
        low, high = (energy.to_value("TeV") for energy in (energy_min, energy_max))
        inside = self._lows >= low * (1 - RTOL)
        inside &= self._highs <= high * (1 + RTOL)
        ends = [np.nan, np.nan]
        if inside.any():
            ends = [self._lows[inside].min(), self._highs[inside].max()]
        return (ends * u.TeV).to(energy_min.unit)


def warn_of_partial_ranges(used, axis, where=""):
    """Warn of flux points whose energy range is used in part only.

    Parameters
    ----------
    used : `UsedEnergies`
        Used energies.
    axis : `~gammapy.maps.MapAxis`
        Energy axis of the flux points.
    where : str, optional
        Begin of the message. Default is "".
    """
    parts = []
    for low, high in zip(axis.edges_min, axis.edges_max, strict=True):
        first, last = used.within(low, high)
        if first > low * (1 + RTOL) or last < high * (1 - RTOL):
            parts.append(f"{_show(low, high)} has data only in {_show(first, last)}")
    if parts:
        log.warning(
            f"{where}The masks cut the range of flux points: {'; '.join(parts)}. Their "
            "fluxes are those of the whole range, for the shape of the spectrum."
        )


def _show(low, high):
    return format_energy_range(low, high, low.unit)
