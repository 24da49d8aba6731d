# Licensed under a 3-clause BSD style license - see LICENSE.rst
import numpy as np
from gammapy.maps.energy_bins import energy_format
from gammapy.utils.plotter import LazyPlotter
from ..notes import take_notes
from .nuisance import (
    IDENTIFY,
    join_best_fit,
    join_nuisance,
    split_nuisance,
    stack_nuisance,
)

SED_TYPES = ["dnde", "e2dnde", "flux", "eflux", "likelihood"]

# Columns of the axes, of the reference model and of older files.
OTHER_COLUMNS = [
    *("e_ref", "e_min", "e_max"),
    *("time_min", "time_max", "x_ref", "x_min", "x_max"),
    *("ref_dnde", "ref_e2dnde", "ref_flux", "ref_eflux"),
    *("norm_scan", "datasets", "loglike", "loglike_null", "dloglike_scan"),
]


class FluxPoints:
    plotter = LazyPlotter("FluxPointsPlotter")
    _nuisance = None
    # What the estimator warns of, with the energy bins.
    _notes = ()

    @property
    def nuisance(self):
        """Nuisance parameters in each energy bin.

        An `~astropy.table.Table` with one row per flux point, None without
        ``debug=True``. Columns: e_min, e_max, e_ref, stat, success, message, nfev,
        at_limit, undetermined, value and error of each fitted parameter, e_min_used and
        e_max_used (range of the unmasked bins), counts and npred of each dataset, and
        the same for the fit of the null hypothesis with "_null" after the names. Light
        curves have a row per time interval and energy bin, with time_min and time_max
        (MJD) after e_ref, and profiles have x_min and x_max. ``meta["best_fit"]`` has
        value and error of the global fit, by name of the parameter, to which the pulls
        refer.
        """
        return self._nuisance

    @classmethod
    def from_table(
        cls, table, sed_type=None, format=None, reference_model=None, gti=None
    ):
        table, notes = take_notes(table)
        table, nuisance = split_nuisance(table)
        if unknown := cls._unknown_columns(table):
            log.warning(
                f"Unknown columns of the flux points table are ignored: "
                f"{', '.join(unknown)}. Rename columns that are a quantity of "
                "`FluxPoints`."
            )
        flux_points = cls._upstream_FluxPoints_from_table(
            table, sed_type, format, reference_model, gti
        )
        flux_points._nuisance = nuisance
        flux_points._notes = notes
        return flux_points

    @classmethod
    def _unknown_columns(cls, table):
        """Names of columns that no SED type and no format has."""
        known = {
            quantity
            for sed_type in SED_TYPES
            for quantity in cls.all_quantities(sed_type)
        }
        return [
            column
            for column in table.colnames
            if column not in known | set(OTHER_COLUMNS)
        ]

    @classmethod
    def from_stack(cls, maps, axis, meta=None):
        """Stack flux points, and their nuisance tables, along a new axis.

        Parameters
        ----------
        maps : list of `FluxPoints`
            Flux points, one per bin of the axis.
        axis : `~gammapy.maps.MapAxis` or `~gammapy.maps.TimeMapAxis`
            New axis.
        meta : dict, optional
            Metadata of the result. Default is None, those of the first flux points.

        Returns
        -------
        flux_points : `FluxPoints`
            Stacked flux points.
        """
        stacked = super().from_stack(maps, axis=axis, meta=meta)
        tables = [getattr(image, "_nuisance", None) for image in maps]
        stacked._nuisance = stack_nuisance(tables, axis)
        stacked._notes = [note for part in maps for note in getattr(part, "_notes", ())]
        return stacked

    def to_table(self, sed_type=None, format=None, formatted=False):
        table = self._upstream_FluxPoints_to_table(sed_type, format, formatted)
        shown = set() if formatted else set(IDENTIFY) & set(table.colnames)
        for name in shown:
            # Rounded where they are shown; numbers and files have all digits.
            table[name].info.format = energy_format(table[name])
        # Tables with a time or position are made of those of its bins.
        if self.geom.axes.names == ["energy"]:
            return join_nuisance(table, self._nuisance)
        return join_best_fit(table, self._nuisance)

    def slice_by_idx(self, slices):
        """Slice by index, including the nuisance table.

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
        sliced._nuisance = self._slice_nuisance(slices)
        return sliced

    def iter_by_axis(self, axis_name):
        """Iterate over the bins of an axis, including the nuisance table.

        Parameters
        ----------
        axis_name : str
            Name of the axis, which the flux points of a bin do not have.

        Yields
        ------
        flux_points : `FluxPoints`
            Flux points of a bin.
        """
        for idx, flux_points in enumerate(super().iter_by_axis(axis_name)):
            flux_points._nuisance = self._slice_nuisance({axis_name: idx})
            yield flux_points

    def _slice_nuisance(self, slices):
        """Rows of the nuisance table for slices of the axes."""
        if self._nuisance is None:
            return None
        axes = list(self.geom.axes)[::-1]
        rows = np.arange(len(self._nuisance)).reshape([axis.nbin for axis in axes])
        rows = rows[tuple(slices.get(axis.name, slice(None)) for axis in axes)]
        return self._nuisance[np.ravel(rows)]
