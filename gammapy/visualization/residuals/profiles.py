# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Joint residuals in rings and along a line."""

from .binned import BinnedResidualsPlotter

__all__ = ["ProfileResidualsPlotter"]

#: Columns that are drawn per solid angle.
COUNTS = ("counts", "npred", "residual_errn", "residual_errp", "npred_err")


class ProfileResidualsPlotter(BinnedResidualsPlotter):
    """Draws `~gammapy.datasets.RadialResiduals` and `~gammapy.datasets.SliceResiduals`.

    Counts and model are per square degree, because the bins differ in size. The
    residuals are those of the counts in each bin.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, RadialResiduals
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> residuals = RadialResiduals.from_datasets(
    ...     datasets, "Crab Nebula", radius_max="0.6 deg", width="0.2 deg"
    ... )
    >>> ax_counts, ax_residuals = residuals.plot("diff/sqrt(model)")
    """

    counts_label = r"Counts per deg$^2$"

    def _table(self, residuals, method):
        return residuals.to_table(method)

    def _counts_table(self, residuals):
        table = residuals.to_table("diff")
        area = table["solid_angle"].quantity.to_value("deg2")
        is_known = area > 0
        for name in table.colnames:
            if name in COUNTS or name.startswith("npred_"):
                table[name][is_known] /= area[is_known]
        return table

    def _format_axis(self, ax, edges, mask):
        ax.set_xlim(edges[0], edges[-1])

    def _x_label(self, residuals, table):
        return f"{residuals.x_label} [{table['x_ref'].unit}]"
