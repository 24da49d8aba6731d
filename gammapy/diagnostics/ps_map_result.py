# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Result of the map of deviation probabilities."""

import json
import numpy as np
import astropy.units as u
from astropy.io import fits
from astropy.table import Table
from gammapy.datasets.residuals.image_hdus import image_hdus
from gammapy.datasets.residuals.io import (
    models_from_yaml,
    models_to_yaml,
    read_map,
    write_hdulist,
)
from gammapy.maps.energy_bins import show_energy
from gammapy.utils.arguments import show
from gammapy.utils.atomic import as_path
from gammapy.utils.plotter import LazyPlotter
from .result import ENERGY, KIND, DiagnosticResult

__all__ = ["PSMap"]

#: Extensions of a file beside the maps: the table, and all that is plain data.
TABLE, META = "EXTREMES", "PSMAP"


class PSMap(DiagnosticResult):
    """Deviation of the spectrum at each position, from `PSMapEstimator`.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Two rows for the highest and the lowest value of the map, with the columns name,
        lon, lat (deg, in the frame of the map), ps, sigma, worst_energy, and counts and
        npred of all energies together.
    meta : dict
        Options, names of the datasets, edges of the energy bins and their unit,
        radii (deg).
    notes : list of str
        Limitations, one sentence each.
    maps : dict of `~gammapy.maps.WcsNDMap`
        Maps with one energy bin, shape (1, n_lat, n_lon), NaN where all is masked:
        "ps", "sigma", "worst_energy", "counts" and "npred".
    models : `~gammapy.modeling.models.DatasetModels`, optional
        Models, to be drawn on the maps. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.diagnostics import PSMap, PSMapEstimator
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> PSMapEstimator().run(datasets).write("ps.fits")
    >>> PSMap.read("ps.fits").table["name"].tolist()
    ['highest', 'lowest']
    """

    COLUMNS = {
        "name": "",
        "lon": ".3f",
        "lat": ".3f",
        "ps": ".2f",
        "sigma": ".2f",
        "worst_energy": ENERGY,
        "counts": ".6g",
        "npred": ".2f",
    }

    plotter = LazyPlotter("PSMapPlotter")

    def __init__(self, table, meta=None, notes=(), *, maps, models=None):
        super().__init__(table, meta, notes)
        self._maps = dict(maps)
        self._models = models

    @property
    def ps(self):
        """-log10 of the probability, with the sign of the deviation."""
        return self._maps["ps"]

    @property
    def sigma(self):
        """The same in standard deviations, before trials."""
        return self._maps["sigma"]

    @property
    def worst_energy(self):
        """Centre of the energy bin that deviates most, in the unit of the datasets."""
        return self._maps["worst_energy"]

    @property
    def counts(self):
        """Counts within the radii, all energies together."""
        return self._maps["counts"]

    @property
    def npred(self):
        """Predicted counts within the radii, all energies together."""
        return self._maps["npred"]

    @property
    def models(self):
        """Models of the datasets at the time when the map was made."""
        return self._models

    @property
    def energy_axis(self):
        """Energy range, a `~gammapy.maps.MapAxis` of one bin."""
        return self.ps.geom.axes["energy"]

    @property
    def is_bad(self):
        """Whether a place deviates by more than the threshold."""
        return bool(np.max(np.abs(self._table["sigma"])) > self._threshold)

    @property
    def _threshold(self):
        return self._meta.get("sigma_threshold", 5)

    @property
    def verdict(self):
        """One sentence: whether the spectrum fits everywhere, and where it is worst."""
        row = self._table[np.argmax(np.abs(self._table["sigma"]))]
        energy = u.Quantity(row["worst_energy"], self._table["worst_energy"].unit)
        place = (
            f"PS = {row['ps']:.1f} ({abs(row['sigma']):.1f} sigma before trials) at "
            f"{row['lon']:.3f}, {row['lat']:.3f} deg, most at "
            f"{show_energy(energy, energy.unit)}"
        )
        limit = f"{self._threshold:g} sigma"
        if self.is_bad:
            kind = "too many" if row["ps"] > 0 else "too few"
            return f"The spectrum does not fit everywhere: {place}, {kind} counts."
        return f"No position deviates by more than {limit}: the worst is {place}."

    def plot(self, **kwargs):
        """Draw the maps.

        Parameters
        ----------
        **kwargs
            Arguments of `~gammapy.visualization.diagnostics.PSMapPlotter.plot`.

        Returns
        -------
        axes : dict of `~matplotlib.axes.Axes`
            Axes by the name of the panel.
        """
        return self.plotter.plot(self, **kwargs)

    def write(self, filename, *, overwrite=False):
        """Write to a FITS file, with the maps, the table and the models.

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
        hdulist = fits.HDUList([fits.PrimaryHDU()])
        for name, map_ in self._maps.items():
            hdulist.extend(image_hdus(name, map_))
        table = self.table
        for name in table.colnames:
            table[name].info.format = None
        hdulist.append(fits.BinTableHDU(table, name=TABLE))
        data = {
            KIND: type(self).__name__,
            "format": self.FORMAT,
            "meta": self.meta,
            "notes": self.notes,
            "maps": list(self._maps),
            "models": models_to_yaml(self._models),
        }
        # A header has no room for a text of any length, and a column has.
        text = Table({"META": [json.dumps(data).encode()]})
        hdulist.append(fits.BinTableHDU(text, name=META))
        write_hdulist(hdulist, filename, overwrite)

    @classmethod
    def read(cls, filename):
        """Read from a FITS file that `PSMap.write` made.

        Parameters
        ----------
        filename : `pathlib.Path` or str
            File name.

        Returns
        -------
        ps_map : `PSMap`
            Result. Models are read except for templates, which a file does not hold.

        Raises
        ------
        OSError
            If there is no such file, or it is no FITS file.
        ValueError
            If the file holds something else.
        """
        path = as_path(filename)
        with fits.open(path, memmap=False) as hdulist:
            if META not in hdulist:
                raise ValueError(f"File {str(path)!r} has no {cls.__name__}.")
            try:
                data = json.loads(hdulist[META].data["meta"][0])
                maps = {name: read_map(hdulist, name) for name in data["maps"]}
                table = Table.read(hdulist[TABLE])
                models = models_from_yaml(data["models"])
                return cls(table, data["meta"], data["notes"], maps=maps, models=models)
            # Which error it is depends on what is damaged.
            except Exception as error:
                raise ValueError(
                    f"File {str(path)!r} has no {cls.__name__}: it is damaged "
                    f"({show(str(error))})."
                ) from error
