# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Joint residuals against energy."""

from gammapy.datasets.residuals.grids import parse_region
from gammapy.visualization.energies import format_energy_axis
from .binned import BinnedResidualsPlotter
from .compute import spectral_residuals
from .points import shown_edges
from .titles import spectrum_title

__all__ = ["SpectralResidualsPlotter", "plot_spectral_residuals"]


class SpectralResidualsPlotter(BinnedResidualsPlotter):
    """Draws `~gammapy.datasets.SpectralResiduals`.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpectralResiduals
    >>> from gammapy.visualization.residuals import SpectralResidualsPlotter
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> residuals = SpectralResiduals.from_datasets(datasets)
    >>> residuals.plotter = SpectralResidualsPlotter({"font.size": 8})
    >>> axes = residuals.plotter.plot(residuals, method="significance")
    """

    def _table(self, residuals, method):
        return residuals.to_table(method)

    def _format_axis(self, ax, edges, mask):
        format_energy_axis(ax, *shown_edges(edges, mask))

    def _x_label(self, residuals, table):
        return f"Energy [{table['e_ref'].unit}]"

    def _title(self, residuals):
        return spectrum_title(residuals)


def plot_spectral_residuals(
    datasets, region=None, *, method="diff", models=True, axes=None, **options
):
    """Draw counts and model against energy, with the residuals below.

    The title has the region, the statistic, and the sum of the squares of the
    significance over the bins with its p-value, see `SpectralResiduals.p_value`. At
    most half a decade of masked energies is shown on each side.

    Residuals in sigma have dotted lines at -3 and 3. For bins without counts, the upper
    end of the error bar is shown. Bins with counts and no predicted counts have an
    infinite residual, drawn as a triangle at the border of the lower panel.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.SpectralResiduals`
        Datasets, one dataset, or computed residuals.
    region : `~regions.SkyRegion` or str, optional
        Region whose pixels are summed. Default is all pixels.
    method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
        Residual method. Default is "diff".
    models : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Components to draw as curves: True for all that reach a thousandth of the
        highest bin, False for none, or names. Default is True.
    axes : tuple of `~matplotlib.axes.Axes`, optional
        Axes of the spectrum and of the residuals. Default is a new figure.
    **options
        Options of `SpectralResiduals.from_datasets`: ``energy_min``, ``energy_max``,
        ``exclude``, ``apply_mask``, ``energy_unit``, and ``band``, which shades the
        error band of the model. ``band`` is False by default, because it takes time.

    Returns
    -------
    ax_spectrum, ax_residuals : tuple of `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If the method or an option is not valid, or there are not two axes.
    TypeError
        If axes have the wrong type. Nothing is drawn if there is an error.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.visualization import plot_spectral_residuals
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> region = "galactic;circle(184.6, -5.8, 0.5)"
    >>> ax_spectrum, ax_residuals = plot_spectral_residuals(datasets, region)
    """
    parse_region(region)
    residuals = spectral_residuals(datasets, region, options)
    return residuals.plotter.plot(residuals, method=method, models=models, axes=axes)
