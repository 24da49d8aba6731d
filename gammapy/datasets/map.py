# Licensed under a 3-clause BSD style license - see LICENSE.rst
from .residual_maps import residual_map


class MapDataset:
    def residuals(self, method="diff", *, energy_min=None, energy_max=None, **kwargs):
        """Residual map, one image per energy bin.

        The masks apply before the smoothing, and what the smoothing loses at their
        borders is made up for: a uniform difference stays uniform. Bins in which the
        model is not a number count as masked.

        Smoothed "diff/sqrt(model)" is the smoothed difference divided by its standard
        deviation under the model, and smoothed "significance" is scaled by it, so that
        noise has the width 1. On-off datasets are compared with the signal of the
        model and the scaled off counts; only "significance" knows that these
        fluctuate too. With the statistic "cash_weighted" the masks are weights of
        counts and model.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
            Residual method, see `gammapy.stats.residuals`. Default is "diff".
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Energy range. A bin counts when it lies inside. Default is all energies.
        **kwargs : dict, optional
            Arguments of `~gammapy.maps.WcsNDMap.smooth`. When any is given, the
            others are ``width="0.1 deg"``, ``kernel="gauss"`` and
            ``mode="constant"``. Default is no smoothing.

        Returns
        -------
        residuals : `~gammapy.maps.Map`
            Residuals, NaN outside the mask and the energy range.

        Raises
        ------
        ValueError
            If the method is not known, no bin is in the energy range, a spectrum is to
            be smoothed, or if the smoothed significance of an on-off dataset is wanted
            with a kernel of unequal weights (it needs "box" or "disk").

        Examples
        --------
        >>> from gammapy.datasets import MapDataset
        >>> filename = "$GAMMAPY_DATA/cta-1dc-gc/cta-1dc-gc.fits.gz"
        >>> dataset = MapDataset.read(filename)
        >>> residuals = dataset.residuals(
        ...     "significance", energy_min="1 TeV", width="0.1 deg"
        ... )
        """
        return residual_map(
            self, method, energy_min=energy_min, energy_max=energy_max, smooth=kwargs
        )
