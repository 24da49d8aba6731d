# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""What `gammapy.makers.ExclusionMaskMaker` finds, and its file."""

from dataclasses import dataclass
import numpy as np
from astropy.io import fits
from astropy.table import Table
from gammapy.datasets.residuals.image_hdus import describe_image, image_hdus
from gammapy.datasets.residuals.io import write_hdulist
from gammapy.maps import WcsNDMap

__all__ = ["ExclusionMaskResult"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ExclusionMaskResult:
    """Exclusion mask and how it was found, from `ExclusionMaskMaker.run`.

    Parameters
    ----------
    mask : `~gammapy.maps.WcsNDMap`
        Exclusion mask, an image, False in the excluded regions.
    sqrt_ts : `~gammapy.maps.WcsNDMap`
        Significance of the excess in the last round, NaN where there is no ring.
    rounds : `~astropy.table.Table`
        One row per round: round, n_pixels (excluded after it), n_new, n_regions, area,
        and mean, std and max of the significance outside them.
    is_stable : bool
        Whether the last round found no new pixels.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.makers import ExclusionMaskMaker
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> result = ExclusionMaskMaker(energy_max="0.1 TeV").run(datasets)
    >>> result.is_stable, int(result.rounds["n_new"][-1])
    (True, 0)
    >>> result.write("exclusion_mask.fits", overwrite=True)
    """

    mask: WcsNDMap
    sqrt_ts: WcsNDMap
    rounds: Table
    is_stable: bool

    def write(self, filename, *, overwrite=False):
        """Write to a FITS file.

        The first image is the mask, which `~gammapy.maps.Map.read` reads. FITS has no
        boolean images, so its values are 0 and 1: use ``mask.data.astype(bool)``. The
        extensions SQRT_TS and ROUNDS have significance and rounds.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            File name.
        overwrite : bool, optional
            Whether to replace an existing file. Default is False.

        Raises
        ------
        OSError
            If the file exists and is not to be replaced.
        """
        hdulist = self.mask.to_hdulist()
        hdulist[0].data = self.mask.data.astype(np.uint8)
        describe_image(hdulist[0].header, self.mask)
        hdulist += image_hdus("sqrt_ts", self.sqrt_ts)
        hdulist.append(fits.BinTableHDU(self.rounds, name="ROUNDS"))
        write_hdulist(hdulist, filename, overwrite)

    def __str__(self):
        last = self.rounds[-1]
        state = "stable" if self.is_stable else "not stable"
        return (
            f"{self.__class__.__name__}\n\n"
            f"  rounds       : {len(self.rounds)}, {state}\n"
            f"  excluded     : {last['n_pixels']} pixels, {last['n_regions']} "
            f"region(s), {last['area']:.3g} deg2\n"
            f"  significance : {last['mean']:.3f} (mean), {last['std']:.3f} (width), "
            f"{last['max']:.2f} (highest) outside\n"
        )


def rounds_table(rows):
    """Table of the rounds, with formats."""
    table = Table(rows)
    for name in ("area", "mean", "std", "max"):
        table[name].info.format = ".4g"
    return table
