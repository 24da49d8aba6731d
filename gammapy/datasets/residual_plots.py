# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Residual plots of datasets.

Each ``prepare_...`` function computes and checks everything and returns a function that
draws it on axes: so nothing is drawn when something is wrong.
"""

from contextlib import contextmanager
from functools import partial
import numpy as np
from astropy.visualization import quantity_support
import matplotlib.pyplot as plt
from gammapy.maps import Map, RegionGeom
from gammapy.stats.residuals import check_residual_method
from gammapy.utils.arguments import check_mapping, check_options, option_names
from .grids import parse_region
from .residual_maps import residual_image
from .sky_regions import region_mask
from .smoothing import parse_width
from .utils import get_axes

__all__ = []

# Residuals in standard deviations are drawn from -5 to 5.
IN_SIGMA = ("diff/sqrt(model)", "significance")
LIMIT_IN_SIGMA = 5
MASK_STYLES = {
    "mask_fit": {"label": "Mask fit", "color": "tab:green"},
    "mask_safe": {"label": "Mask safe", "color": "black"},
}
# What goes to the drawing of joint maps, not to their computation.
MAP_STYLE = ("models", "region", "vmin", "vmax", "vsig")
COMMON_OPTIONS = ("exclude", "apply_mask")


@contextmanager
def closing_new_figures():
    """Close the figures that were opened inside when an error is raised."""
    before = set(plt.get_fignums())
    try:
        yield
    except BaseException:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
        raise


def prepare_residuals_spatial(
    dataset,
    method="diff",
    smooth_kernel="gauss",
    smooth_radius="0.1 deg",
    *,
    energy_min=None,
    energy_max=None,
    models=False,
    **kwargs,
):
    """Compute what `MapDataset.plot_residuals_spatial` draws.

    Returns
    -------
    draw : callable
        Function of the axes, or None for new ones, that returns the axes.
    """
    from gammapy.visualization.models import select_components
    from gammapy.visualization.residuals import check_limits

    if dataset._geom.is_region:
        raise ValueError(
            f"Dataset {dataset.name!r} is a spectrum of a region: there is no map of "
            "its residuals. Use plot_residuals_spectral."
        )
    if dataset._geom.is_hpx:
        raise ValueError(
            f"Dataset {dataset.name!r} is on a HpxGeom: its residuals cannot be drawn "
            "as a map. Make the dataset on a WcsGeom, or use residuals(...).plot()."
        )
    components = select_components(dataset.models, models)
    check_limits(**{name: kwargs.get(name) for name in ("vmin", "vmax")})
    width = parse_width("smooth_radius", smooth_radius, dataset._geom)
    image = residual_image(
        dataset,
        method,
        energy_min=energy_min,
        energy_max=energy_max,
        smooth={"width": width, "kernel": smooth_kernel},
    )
    return partial(_draw_image, image, method, components, kwargs)


def prepare_residuals_spectral(
    dataset,
    method="diff",
    region=None,
    kwargs_fit=None,
    kwargs_safe=None,
    *,
    energy_min=None,
    energy_max=None,
    **kwargs,
):
    """Compute what `MapDataset.plot_residuals_spectral` draws.

    Returns
    -------
    draw : callable
        Function of the axes, or None for the current ones, that returns the axes.
    """
    from gammapy.visualization.residuals import check_plain_axes
    from .residuals import SpectralResiduals

    check_residual_method(method)
    styles = {
        "mask_fit": check_mapping("kwargs_fit", kwargs_fit),
        "mask_safe": check_mapping("kwargs_safe", kwargs_safe),
    }
    residuals = SpectralResiduals._from_datasets(
        dataset, region, energy_min=energy_min, energy_max=energy_max
    )
    table = residuals.to_table(method)
    label = f"Residuals ({dataset._residuals_labels[method]})"
    masks = masks_in_region(dataset, region)

    def draw(ax=None):
        if ax is not None:
            check_plain_axes(ax)
        ax = _draw_points(table, residuals.energy_axis, ax, **kwargs)
        ax.set_ylabel(label)
        return draw_masks(masks, ax, styles)

    return draw


def plot_residual_panels(
    dataset, ax_spatial, ax_spectral, kwargs_spatial, kwargs_spectral, **shared
):
    """Draw `MapDataset.plot_residuals`; ``shared`` are arguments of both panels.

    Of these, "models" is for the map alone.
    """
    from gammapy.visualization.residuals import _plot_region, check_plain_axes

    shared = {name: value for name, value in shared.items() if value is not None}
    kwargs_spatial = shared | check_mapping("kwargs_spatial", kwargs_spatial)
    shared.pop("models", None)
    kwargs_spectral = shared | check_mapping("kwargs_spectral", kwargs_spectral)

    if ax_spectral is not None:
        check_plain_axes(ax_spectral)
    region = parse_region(kwargs_spectral.get("region"))
    draw_spatial = prepare_residuals_spatial(dataset, **kwargs_spatial)
    draw_spectral = prepare_residuals_spectral(dataset, **kwargs_spectral)
    with closing_new_figures():
        axes = _two_panels(ax_spatial, ax_spectral, dataset.counts.geom)
        draw_spatial(axes[0])
        draw_spectral(axes[1])
        _plot_region(region, axes[0])
    return axes


def plot_joint_residuals(
    datasets,
    ax_spatial,
    ax_spectral,
    kwargs_spatial,
    kwargs_spectral,
    *,
    region,
    method,
    models,
    energy_min,
    energy_max,
    **options,
):
    """Draw `Datasets.plot_residuals`."""
    from gammapy.visualization.models import check_wcs_axes
    from gammapy.visualization.residuals import _table, check_plain_axes
    from .residuals import SpatialResiduals, SpectralResiduals

    if ax_spectral is not None:
        check_plain_axes(ax_spectral)
    kwargs_spatial = check_mapping("kwargs_spatial", kwargs_spatial)
    kwargs_spectral = check_mapping("kwargs_spectral", kwargs_spectral)
    known = ["method", *option_names(SpatialResiduals.from_datasets), *MAP_STYLE]
    known.remove("datasets")
    check_options("plot_residuals", options, known)
    check_options("kwargs_spatial", kwargs_spatial, known)
    known = ["method", *option_names(SpectralResiduals.from_datasets)]
    known.remove("datasets")
    check_options("kwargs_spectral", kwargs_spectral, known)
    common = {"method": method, "energy_min": energy_min, "energy_max": energy_max}
    both = {name: options[name] for name in COMMON_OPTIONS if name in options}
    spectral = common | {"region": region} | both | kwargs_spectral
    spectral_method = spectral.pop("method")
    check_residual_method(spectral_method)
    parse_region(spectral["region"])
    residuals = SpectralResiduals.from_datasets(datasets, **spectral)
    table = _table(residuals, spectral_method)
    draw_spectral = partial(_draw_joint_points, residuals, table)

    if all(_.counts.geom.is_region for _ in datasets):
        of_map = [_ for _ in options if _ not in COMMON_OPTIONS]
        of_map += ["ax_spatial"] * (ax_spatial is not None)
        of_map += ["kwargs_spatial"] * bool(kwargs_spatial)
        if of_map:
            raise ValueError(
                f"The datasets are spectra, there is no map to use {of_map} for."
            )
        with closing_new_figures():
            return None, draw_spectral(ax_spectral)

    if ax_spatial is not None:
        check_wcs_axes(ax_spatial)
    spatial = common | {"models": models, "region": spectral["region"]} | options
    spatial |= kwargs_spatial
    draw_spatial, geom = _prepare_joint_map(datasets, **spatial)
    with closing_new_figures():
        axes = _two_panels(ax_spatial, ax_spectral, geom)
        draw_spatial(axes[0])
        draw_spectral(axes[1])
    return axes


def masks_in_region(dataset, region=None):
    """Energy bins in which any pixel inside a region is not masked.

    Parameters
    ----------
    dataset : `~gammapy.datasets.MapDataset`
        Dataset.
    region : `~regions.SkyRegion` or str, optional
        Region, for map datasets. Default is all pixels.

    Returns
    -------
    masks : dict of `~gammapy.maps.RegionNDMap`
        Boolean maps with the names "mask_fit" and "mask_safe", as far as there are any.
    """
    masks = {}
    for name in MASK_STYLES:
        mask = getattr(dataset, name)
        if mask is None:
            continue
        used = mask.data != 0
        if region is not None:
            image = mask.geom.to_image()
            used = used & region_mask(image, parse_region(region))
        axis = mask.geom.axes["energy"]
        used = used.reshape(axis.nbin, -1).any(axis=1)
        geom = RegionGeom.create(None, axes=[axis])
        masks[name] = Map.from_geom(geom, data=used.reshape(geom.data_shape))
    return masks


def draw_masks(masks, ax, styles):
    """Shade the energies that the masks let pass, and name them in the legend.

    Parameters
    ----------
    masks : dict of `~gammapy.maps.RegionNDMap`
        Masks from `masks_in_region`.
    ax : `~matplotlib.axes.Axes` or None
        Axes, None for the current ones.
    styles : dict of dict
        Arguments of `~gammapy.maps.RegionNDMap.plot_mask` by name, or None.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        The axes.
    """
    ax = plt.gca() if ax is None else ax
    for name, mask in masks.items():
        mask.plot_mask(ax=ax, **MASK_STYLES[name] | (styles.get(name) or {}))
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        # A mask of several ranges is one entry.
        entries = dict(zip(labels, handles, strict=True))
        ax.legend(entries.values(), entries.keys())
    return ax


def _draw_image(image, method, components, kwargs, ax=None):
    """Draw a map of residuals with the components of the model."""
    from gammapy.visualization.models import check_wcs_axes, plot_models
    from gammapy.visualization.residuals import SYMBOLS

    kwargs = {"add_cbar": True, "cmap": "coolwarm"} | kwargs
    kwargs |= _color_limits(image.data, method, kwargs)
    bar = {"label": SYMBOLS[method]} | (kwargs.get("kwargs_colorbar") or {})
    kwargs["kwargs_colorbar"] = bar
    # Map.plot adds entries to it.
    kwargs["axes_loc"] = dict(kwargs.get("axes_loc") or {})
    if ax is not None:
        kwargs.setdefault("fig", ax.figure)
    if ax is not None and components:
        check_wcs_axes(ax)
    with closing_new_figures():
        ax = image.plot(ax, **kwargs)
        # Plain axes will do for the map alone, as they did in 2.1.
        return plot_models(components, ax) if components else ax


def _color_limits(data, method, kwargs):
    """Both colour limits: as given, else symmetric, of 5 sigma or of the data."""
    from gammapy.visualization.residuals import _symmetric_limit

    vmin, vmax = kwargs.get("vmin"), kwargs.get("vmax")
    if method in IN_SIGMA:
        limit = LIMIT_IN_SIGMA
    elif vmin is not None and vmin < 0:
        limit = -vmin
    elif vmax is not None and vmax > 0:
        limit = vmax
    else:
        limit = _symmetric_limit(data)
    # A limit that was given may lie beyond the other one.
    if vmin is None:
        vmin = -limit if vmax is None else min(-limit, 2 * vmax)
    if vmax is None:
        vmax = max(limit, 2 * vmin)
    return {"vmin": vmin, "vmax": vmax}


def _draw_points(table, axis, ax=None, **kwargs):
    """Draw residuals against energy, with their errors, and the line of agreement."""
    residual, errn, errp = (
        np.asarray(table[_]) for _ in ("residual", "residual_errn", "residual_errp")
    )
    finite = np.isfinite(residual)
    residual = np.where(finite, residual, np.nan)
    style = {"marker": "o", "markersize": 4, "ls": "None", "yerr": (errn, errp)}
    kwargs.setdefault("color", kwargs.pop("c", "black"))
    with closing_new_figures(), quantity_support():
        ax = plt.gca() if ax is None else ax
        style["xerr"] = axis.as_plot_xerr
        ax.errorbar(axis.as_plot_center, residual, **style | kwargs)
        axis.format_plot_xaxis(ax)
        ax.axhline(0, color=kwargs["color"], lw=0.5)
    if finite.any():
        low = min(np.min((residual - np.nan_to_num(errn))[finite]), 0)
        high = max(np.max((residual + np.nan_to_num(errp))[finite]), 0)
        margin = 0.05 * (high - low) or 1.0
        ax.set_ylim(low - margin, high + margin)
    return ax


def _two_panels(ax_spatial, ax_spectral, geom):
    """Axes of a map and a spectrum, new ones when there are none."""
    projection = {"projection": geom.to_image().wcs}
    places = [1, 2, 1], [1, 2, 2]
    axes = get_axes(ax_spatial, ax_spectral, 13, 4.5, *places, kwargs1=projection)
    if ax_spatial is None:
        # The colour bar and its label are between them.
        axes[0].figure.subplots_adjust(wspace=0.35)
    return axes


def _prepare_joint_map(datasets, method, **options):
    """Function that draws the joint residuals on axes, and their geometry."""
    from gammapy.visualization import plot_spatial_residuals
    from gammapy.visualization.models import select_components
    from .residuals import SpatialResiduals

    check_residual_method(method)
    style = {_: options.pop(_) for _ in MAP_STYLE if _ in options}
    parse_region(style["region"])
    residuals = SpatialResiduals.from_datasets(datasets, **options)
    if residuals.energy_axis.nbin > 1:
        raise ValueError(
            f"The energy edges make {residuals.energy_axis.nbin} maps, and there is "
            "room for one: use gammapy.visualization.plot_spatial_residuals."
        )
    style["models"] = select_components(residuals.models, style["models"])

    def draw(ax):
        plot_spatial_residuals(residuals, panels=[method], axes={method: ax}, **style)

    return draw, residuals.counts.geom


def _draw_joint_points(residuals, table, ax=None):
    """Draw joint residuals against energy, as `plot_spectral_residuals` does."""
    from gammapy.visualization.residuals import SYMBOLS
    from gammapy.visualization.spectrum import (
        energy_edges,
        format_energy_axis,
        plot_masked_ranges,
        plot_points,
        shown_edges,
    )

    ax = plt.gca() if ax is None else ax
    edges = energy_edges(table)
    plot_points(table, ax)
    plot_masked_ranges(edges, residuals.mask, ax)
    format_energy_axis(ax, *shown_edges(edges, residuals.mask))
    ax.set_ylabel(SYMBOLS[table.meta["method"]])
    ax.set_xlabel(f"Energy [{table['e_ref'].unit}]")
    return ax
