# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Spectral energy distributions: flux points, model and residuals."""

from functools import reduce
from operator import add
import numpy as np
import astropy.units as u
import matplotlib.pyplot as plt
from matplotlib.ticker import LogFormatterSciNotation, LogLocator
from gammapy.datasets import FluxPointsDataset
from gammapy.estimators import FluxPoints
from gammapy.maps import energy_bins
from gammapy.modeling.models import SkyModel, SpectralModel
from gammapy.utils.arguments import check_choice, show
from .axes import check_plain_axes
from .energies import format_energy_axis
from .plotter import BasePlotter
from .sed import UNITS, SedCurve, SedPoints, model_flux

__all__ = ["FluxPointsPlotter", "plot_flux_points"]

#: Length of the arrow of an upper limit, as a fraction of the limit.
ARROW = 0.4
#: Residuals have lines at plus and minus this.
SIGMA_LINE = 3
#: Lower ends of errors and curves may leave the axes at these fractions of a point.
LOWEST_ERROR, LOWEST_CURVE = 0.3, 0.1
#: Free space in the axes, a factor at each end.
MARGIN_X, MARGIN_Y = 1.12, 1.6
MODEL_COLOR = "#0072B2"
POINT_STYLE = {"color": "black", "markersize": 4.5, "elinewidth": 1.1, "zorder": 4}
SIZE = (7, 6.2)
HEIGHTS = (2.6, 1)


class FluxPointsPlotter(BasePlotter):
    """Draws `~gammapy.estimators.FluxPoints` with their model.

    Parameters
    ----------
    rc_params : dict, optional
        Matplotlib settings used for drawing. Default is None.

    Examples
    --------
    >>> from gammapy.estimators import FluxPoints
    >>> path = "$GAMMAPY_DATA/estimators/crab_hess_fp/crab_hess_fp.fits"
    >>> flux_points = FluxPoints.read(path)
    >>> ax_flux, ax_residuals = flux_points.plotter.plot(flux_points)
    >>> ax_flux.get_xlabel()
    'Energy [TeV]'
    """

    def plot(
        self, flux_points, model=None, *, sed_type="e2dnde", energy_unit=None, axes=None
    ):
        """Draw flux points and model, with the residuals below.

        Parameters
        ----------
        flux_points, model, sed_type, energy_unit, axes : optional
            As in `~gammapy.visualization.plot_flux_points`.

        Returns
        -------
        ax_flux, ax_residuals : tuple of `~matplotlib.axes.Axes`
            The axes. Without a model ``ax_residuals`` is None.
        """
        check_choice("sed_type", sed_type, UNITS)
        _check_flux_points(flux_points)
        spectrum, name = _parse_model(model)
        unit = energy_bins.energy_unit(flux_points.energy_axis, energy_unit)
        points = SedPoints.of(flux_points, sed_type, unit)
        curve = residuals = None
        if spectrum is not None:
            curve = SedCurve.of(spectrum, points.energy_range, sed_type, unit)
            at_points = model_flux(spectrum, points.energy, sed_type, unit)
            residuals = points.residuals(at_points)
        n_panels = 1 if curve is None else 2
        axes = axes if axes is None else _check_axes(axes, n_panels)
        with self._rc_context():
            axes = _new_axes(n_panels) if axes is None else axes
            if curve is not None:
                _plot_model(curve, name, axes[0])
                _plot_residuals(points, residuals, axes[1])
            _plot_points(points, flux_points.n_sigma_ul, axes[0])
            _format_flux_axis(axes[0], points, curve, sed_type)
            low, high = points.energy_range
            for ax in axes:
                format_energy_axis(ax, low / MARGIN_X, high * MARGIN_X)
            axes[-1].set_xlabel(f"Energy [{unit}]")
            if axes[0].get_legend_handles_labels()[1]:
                axes[0].legend(fontsize="small")
            axes[0].figure.align_ylabels(list(axes))
        return axes[0], None if curve is None else axes[1]


def plot_flux_points(
    flux_points, model=None, *, sed_type="e2dnde", energy_unit=None, axes=None
):
    r"""Draw flux points and model, with the residuals below.

    Flux points with ``sqrt_ts`` below
    `~gammapy.estimators.FluxPoints.sqrt_ts_threshold_ul` (2 by default) are drawn as
    upper limits: a line with an arrow of fixed length. If no upper limit was computed,
    they are drawn as open markers; use ``selection_optional=["ul"]`` of the estimator.
    Without ``sqrt_ts``, the flux divided by its error is used instead.

    The residuals are (flux - model) / error at the reference energy of each flux point,
    with the error on the side of the model. Residuals of upper limits have open
    markers. The band of the model is its 68 percent error band from the covariance.
    Without a covariance there is no band.

    Parameters
    ----------
    flux_points : `~gammapy.estimators.FluxPoints`
        Flux points of one region, with an energy axis and no other axis, or a
        `~gammapy.datasets.FluxPointsDataset`.
    model : `~gammapy.modeling.models.SkyModel`, optional
        Model, or a `~gammapy.modeling.models.SpectralModel`, with the covariance of the
        fit. Default is None: the model of a dataset, and no model for flux points.
    sed_type : {"e2dnde", "dnde"}, optional
        Type of the flux, in erg s-1 cm-2 or TeV-1 s-1 cm-2. Default is "e2dnde".
    energy_unit : str or `~astropy.units.Unit`, optional
        Unit of the energies. Default is the unit of the energy axis, or TeV or GeV if
        the numbers would be too large.
    axes : tuple of `~matplotlib.axes.Axes`, optional
        Axes of fluxes and residuals, or only of fluxes without a model. Default is a
        new figure.

    Returns
    -------
    ax_flux, ax_residuals : tuple of `~matplotlib.axes.Axes`
        The axes. Without a model ``ax_residuals`` is None.

    Raises
    ------
    TypeError
        If ``flux_points`` or ``model`` has the wrong type.
    ValueError
        If there are axes other than energy, or an argument is not valid. Nothing is
        drawn if there is an error.

    Examples
    --------
    >>> from gammapy.estimators import FluxPoints
    >>> from gammapy.modeling.models import PowerLawSpectralModel
    >>> from gammapy.visualization import plot_flux_points
    >>> path = "$GAMMAPY_DATA/estimators/crab_hess_fp/crab_hess_fp.fits"
    >>> model = PowerLawSpectralModel(index=2.6, amplitude="4e-11 TeV-1 s-1 cm-2")
    >>> ax_flux, ax_residuals = plot_flux_points(FluxPoints.read(path), model)
    """
    if isinstance(flux_points, FluxPointsDataset):
        if model is None and flux_points.models:
            model = _sum_of(flux_points.models)
        flux_points = flux_points.data
    if not isinstance(flux_points, FluxPoints):
        raise TypeError(f"flux_points: expected flux points, got {show(flux_points)}.")
    return flux_points.plotter.plot(
        flux_points, model, sed_type=sed_type, energy_unit=energy_unit, axes=axes
    )


def _sum_of(models):
    """The model of a dataset, the sum of the spectra where there are several."""
    if len(models) == 1:
        return models[0]
    return reduce(add, [model.spectral_model for model in models])


def _check_flux_points(flux_points):
    """Raise a ValueError when there is more than energy."""
    names = flux_points.geom.axes.names
    if names != ["energy"] or not flux_points.geom.is_region:
        raise ValueError(
            "flux_points: expected one region and only an energy axis, got "
            f"a {flux_points.geom.__class__.__name__} with the axes {names}."
        )


def _parse_model(model):
    """Spectrum and name of a model, None for none."""
    if model is None:
        return None, None
    if isinstance(model, SpectralModel):
        return model, "Model"
    if isinstance(model, SkyModel):
        return model.spectral_model, model.name
    raise TypeError(
        f"model: expected a SkyModel or a SpectralModel, got {show(model)}."
    )


def _check_axes(axes, n_panels):
    """Axes as a tuple; an error when they are not those that are needed."""
    axes = tuple(np.ravel(axes))
    if len(axes) != n_panels:
        needed = "two axes, of fluxes and residuals" if n_panels == 2 else "one axes"
        raise ValueError(f"axes: expected {needed}, got {len(axes)}.")
    for ax in axes:
        check_plain_axes(ax)
    return axes


def _new_axes(n_panels):
    """Figure with the fluxes, and the residuals below them."""
    size = SIZE if n_panels == 2 else (SIZE[0], SIZE[1] * HEIGHTS[0] / sum(HEIGHTS))
    _, axes = plt.subplots(
        n_panels,
        1,
        sharex=True,
        squeeze=False,
        figsize=size,
        height_ratios=HEIGHTS[:n_panels],
        layout="constrained",
    )
    return tuple(axes[:, 0])


def _plot_points(points, n_sigma_ul, ax):
    """Points, upper limits, and points that should have one."""
    is_open = points.is_low & ~points.is_limit
    for select, label, style in (
        (~points.is_low, "Flux points", {}),
        (is_open, "Not significant, without limit", {"mfc": "white"}),
    ):
        # Points without a flux have no entry in the legend.
        select = select & np.isfinite(points.flux)
        if select.any():
            ax.errorbar(
                points.energy[select],
                points.flux[select],
                xerr=points.energy_err[:, select],
                yerr=np.nan_to_num(points.flux_err[:, select]),
                fmt="o",
                label=label,
                **POINT_STYLE | style,
            )
    limit = points.is_limit
    if limit.any():
        ax.errorbar(
            points.energy[limit],
            points.flux_ul[limit],
            xerr=points.energy_err[:, limit],
            yerr=ARROW * points.flux_ul[limit],
            uplims=True,
            fmt="none",
            capsize=3,
            label=_limit_label(n_sigma_ul),
            **{key: POINT_STYLE[key] for key in ("color", "elinewidth", "zorder")},
        )


def _limit_label(n_sigma_ul):
    """Name of upper limits, with their confidence where it is known."""
    confidence = "" if n_sigma_ul is None else rf" (${n_sigma_ul:g}\sigma$)"
    return f"Upper limits{confidence}"


def _plot_model(curve, name, ax):
    """Curve of the model with its band."""
    ax.plot(curve.energy, curve.flux, color=MODEL_COLOR, label=name, zorder=3)
    if curve.band is not None:
        style = {"color": MODEL_COLOR, "alpha": 0.25, "linewidth": 0, "zorder": 2}
        label = rf"{name} $\pm 1\sigma$"
        ax.fill_between(curve.energy, *curve.band, label=label, **style)


def _plot_residuals(points, residuals, ax):
    """Residuals in units of the error, those of points that are limits open."""
    ax.axhline(0, color=MODEL_COLOR, linewidth=1, zorder=1)
    for level in (-SIGMA_LINE, SIGMA_LINE):
        ax.axhline(level, color="0.6", linestyle=":", linewidth=0.9, zorder=1)
    known = np.isfinite(residuals)
    for select, style in ((~points.is_low, {}), (points.is_low, {"mfc": "white"})):
        select = select & known
        if select.any():
            ax.errorbar(
                points.energy[select],
                residuals[select],
                xerr=points.energy_err[:, select],
                yerr=1,
                fmt="o",
                **POINT_STYLE | style,
            )
    reach = 1.08 * np.max(np.abs(residuals[known]) + 1, initial=0)
    limit = max(reach, 1.2 * SIGMA_LINE)
    ax.set_ylim(-limit, limit)
    ax.set_ylabel("(flux - model) / error")


def _format_flux_axis(ax, points, curve, sed_type):
    """Logarithmic fluxes with a tick at each decade, and one decade at least."""
    unit = u.Unit(UNITS[sed_type]).to_string("latex_inline")
    ax.set_ylabel(f"{sed_type} [{unit}]")
    ax.set_yscale("log", nonpositive="clip")
    limits = _flux_limits(points, curve)
    if limits is None:
        return
    ax.set_ylim(*limits)
    ax.yaxis.set_major_locator(LogLocator(numticks=30))
    ax.yaxis.set_minor_locator(LogLocator(subs="auto", numticks=30))
    # Digits between the decades where there is hardly more than one of these.
    ax.yaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(1.5, 0.7)))


def _flux_limits(points, curve):
    """Range of the fluxes; None where nothing is above 0."""
    is_shown = ~points.is_limit
    flux = points.flux[is_shown]
    low, high = flux + np.array([[-1], [1]]) * np.nan_to_num(
        points.flux_err[:, is_shown]
    )
    limits = points.flux_ul[points.is_limit]
    lows = [np.maximum(low, LOWEST_ERROR * flux), (1 - ARROW) * limits]
    highs = [high, limits]
    values = np.concatenate(lows)
    lowest = np.min(values[values > 0], initial=np.inf)
    if curve is not None:
        is_visible = curve.flux > LOWEST_CURVE * min(lowest, np.nanmax(curve.flux))
        lows.append(curve.flux[is_visible])
        highs.append(curve.flux)
    values, highs = np.concatenate(lows), np.concatenate(highs)
    if not (np.any(values > 0) and np.any(highs > 0)):
        return None
    low, high = np.min(values[values > 0]) / MARGIN_Y, np.nanmax(highs) * MARGIN_Y
    decade = np.floor(np.log10(high))
    if 10**decade < low:
        # No decade inside: the nearer one.
        is_nearer = low / 10**decade < 10 ** (decade + 1) / high
        low, high = (10**decade, high) if is_nearer else (low, 10 ** (decade + 1))
    return low, high
