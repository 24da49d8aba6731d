# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from .nuisance import join_nuisance, split_nuisance


class FluxPoints:
    _nuisance = None

    @property
    def nuisance(self):
        """Values of the other parameters in each energy bin.

        An `~astropy.table.Table` with one row per flux point, None when they were made
        without ``debug=True``. Columns: e_min, e_max, e_ref, stat, success, message,
        nfev, at_limit, value and error of each fitted parameter, counts and npred of
        each dataset, and with "_null" behind their names those of the fit of the null
        hypothesis.
        """
        return self._nuisance

    @classmethod
    def from_table(
        cls, table, sed_type=None, format=None, reference_model=None, gti=None
    ):
        table, nuisance = split_nuisance(table)
        flux_points = cls._upstream_FluxPoints_from_table(
            table, sed_type, format, reference_model, gti
        )
        flux_points._nuisance = nuisance
        return flux_points

    def to_table(self, sed_type=None, format=None, formatted=False):
        table = self._upstream_FluxPoints_to_table(sed_type, format, formatted)
        # The other formats have one row for all energies of a time or position.
        if self._nuisance is not None and len(table) == len(self._nuisance):
            join_nuisance(table, self._nuisance)
        return table

    def slice_by_idx(self, slices):
        """Slice by index; the nuisance table goes along.

        Parameters
        ----------
        slices : dict
            Index or `slice` by name of the axis. An index drops the axis.

        Returns
        -------
        flux_points : `FluxPoints`
            Sliced flux points.
        """
        sliced = super().slice_by_idx(slices)
        if self._nuisance is not None:
            rows = np.arange(len(self._nuisance))[slices.get("energy", slice(None))]
            sliced._nuisance = self._nuisance[np.atleast_1d(rows)]
        return sliced
