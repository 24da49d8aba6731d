# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw residuals. What is drawn is computed in `gammapy.datasets.residuals`."""

import textwrap
from collections.abc import Mapping
import numpy as np
import astropy.units as u
from astropy.visualization.wcsaxes import WCSAxes
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from mpl_toolkits.axes_grid1.axes_divider import AxesDivider
from mpl_toolkits.axes_grid1.axes_size import AxesX, AxesY
from gammapy.utils.arguments import (
    check_list,
    check_number,
    check_type,
    did_you_mean,
    listed,
    show,
)
from .contours import plot_contours
from .coordinates import format_sky_axes
from .distribution import plot_histogram
from .labels import settle_axes
from .models import check_wcs_axes, plot_models, select_components, select_names
from .outlines import add_line, curve_vertices, halo, simple_regions, sky_outlines
from .spectrum import (
    energy_edges,
    format_energy_axis,
    plot_counts,
    plot_legend,
    plot_masked_ranges,
    plot_points,
    shown_edges,
)

__all__ = [
    "plot_residuals_distribution",
    "plot_spatial_residuals",
    "plot_spectral_residuals",
]

SYMBOLS = {
    "diff": "Counts - model",
    "diff/model": "(Counts - model) / model",
    "diff/sqrt(model)": r"(Counts - model) / $\sqrt{\mathrm{model}}$",
    "significance": r"Significance [$\sigma$]",
}
# Unit of counts of a matched filter, which sums them to amplitudes of its source.
MATCHED = {
    "point-source": "amplitude of a point source",
    "model": "amplitude of the source",
}
PANELS = ("counts", "npred", "excess", "distribution", *SYMBOLS)

# Maps that are wider or taller than this are stretched to be legible.
MAX_RATIO = 6
# Inches: of the panels, and of what is around them.
PANEL_SIZE = 4.0
LONG_SIDE = 7.5
LEFT, RIGHT, BOTTOM, TOP = 0.85, 0.95, 0.6, 0.4
BAR_WIDTH, BAR_PAD = 0.16, 0.07
REGION_COLOR = "magenta"


def plot_spatial_residuals(
    datasets,
    *,
    panels=("counts", "npred", "significance", "distribution"),
    models=True,
    region=None,
    vmin=None,
    vmax=None,
    vsig=5,
    axes=None,
    **options,
):
    """Draw maps of counts, model and residuals of joint datasets.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.SpatialResiduals`
        Datasets, one dataset, or residuals that were computed before.
    panels : list of str, optional
        What to draw: "counts", "npred", "excess", "distribution" (of the
        significance) and any residual method: "diff", "diff/model",
        "diff/sqrt(model)", "significance".
    models : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Components to draw on the maps: True all, False none, or names.
        Default is True.
    region : `~regions.SkyRegion`, list of them, or str, optional
        Region to outline, as far as it lies on the map. Default is None.
    vmin, vmax : float, optional
        Colour limits of "counts" and "npred", which share them. Default is 0 and the
        highest value.
    vsig : float, optional
        Colours of the significance end at plus and minus this; beyond it contours
        every 2 sigma (wider where there would be too many) carry their value. An area
        too small for that has its extreme value beside it. Default is 5.
    axes : dict of `~matplotlib.axes.Axes`, optional
        Axes by panel name, `~astropy.visualization.wcsaxes.WCSAxes` for maps. With
        several energy groups a list of axes by panel name. Default is a new figure.
    **options
        Options of `SpatialResiduals.from_datasets`: ``energy_min``, ``energy_max``,
        ``energy_edges``, ``kernel``, ``correlation_radius``, ``exclude``, ``geom``,
        ``apply_mask``.

    Returns
    -------
    axes : dict of `~matplotlib.axes.Axes`
        Axes by panel name; lists of axes, one per energy group, when there are
        several.

    Raises
    ------
    ValueError
        If a panel or option is not valid, or axes are missing.
    TypeError
        If axes are of the wrong kind. Nothing is drawn when there is an error.

    Examples
    --------
    >>> from gammapy.datasets import Datasets
    >>> from gammapy.visualization import plot_spatial_residuals
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> axes = plot_spatial_residuals(datasets, energy_max="0.1 TeV")
    >>> list(axes)
    ['counts', 'npred', 'significance', 'distribution']
    """
    panels = _check_panels(panels)
    _check_limits(vmin, vmax, vsig)
    # The subpackage maps loads this one, so datasets can only be loaded here.
    from gammapy.datasets.grids import parse_region

    region = parse_region(region)
    residuals = _spatial_residuals(datasets, options)
    components = select_components(residuals.models, models)
    n_groups = residuals.energy_axis.nbin
    grid = _axes_grid(residuals, panels, axes)

    for panel in panels:
        for idx, ax in enumerate(grid[panel]):
            if panel == "distribution":
                _plot_distribution(residuals, ax, idx)
            else:
                image, style = _panel_image(residuals, panel, idx, vmin, vmax, vsig)
                _plot_image(image, ax, **style)
                _plot_region(region, ax)
                # Colours of counts are dark but for the brightest spots.
                is_dark = panel in ("counts", "npred")
                plot_models(components, ax, color="white" if is_dark else "black")
                if panel == "significance":
                    # Last, so that its labels keep clear of all else.
                    plot_contours(image.data, ax, vsig)
            ax.set_title(_panel_title(residuals, panel, idx), fontsize="medium")
    return {_: axes if n_groups > 1 else axes[0] for _, axes in grid.items()}


def plot_residuals_distribution(residuals, ax=None, mask=None):
    """Draw the distribution of the significance.

    The histogram is compared with the normal distribution that its mean and standard
    deviation give, and with the one expected from noise, N(0, 1).

    Parameters
    ----------
    residuals : `~gammapy.datasets.SpatialResiduals`
        Residuals with one energy group.
    ax : `~matplotlib.axes.Axes`, optional
        Axes. Default is the current ones.
    mask : `~gammapy.maps.WcsNDMap`, optional
        Where to look. Default is all.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If there are several energy groups, or the mask leaves nothing to draw.
    TypeError
        If these are no residuals, or the axes those of a map.

    Examples
    --------
    >>> from gammapy.datasets import Datasets, SpatialResiduals
    >>> from gammapy.visualization import plot_residuals_distribution
    >>> path = "$GAMMAPY_DATA/fermi-3fhl-crab/Fermi-LAT-3FHL"
    >>> datasets = Datasets.read(
    ...     f"{path}_datasets.yaml", filename_models=f"{path}_models.yaml"
    ... )
    >>> residuals = SpatialResiduals.from_datasets(datasets)
    >>> ax = plot_residuals_distribution(residuals)
    """
    # The subpackage maps loads this one, so datasets can only be loaded here.
    from gammapy.datasets import SpatialResiduals

    check_type("residuals", residuals, SpatialResiduals, "SpatialResiduals")
    if residuals.energy_axis.nbin != 1:
        raise ValueError(
            f"There are {residuals.energy_axis.nbin} energy groups; draw the "
            "distribution of one, or use plot_spatial_residuals."
        )
    if not residuals.distribution(mask)["n_trials"][0] > 0:
        where = "" if mask is None else " in the mask"
        raise ValueError(f"No pixel{where} has a finite significance.")
    if ax is not None:
        check_plain_axes(ax)
    return _plot_distribution(residuals, plt.gca() if ax is None else ax, 0, mask)


def plot_spectral_residuals(
    datasets, region=None, *, method="diff", models=True, axes=None, **options
):
    """Draw counts and model against energy, with the residuals below.

    Residuals in sigma have dotted lines at plus and minus 3. Bins without counts show
    the upper end of their error bar; those with counts but no model, whose residual is
    infinite, a triangle at the border of the lower panel.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.SpectralResiduals`
        Datasets, one dataset, or residuals that were computed before.
    region : `~regions.SkyRegion` or str, optional
        Region whose pixels are summed. Default is all pixels.
    method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
        Residual method. Default is "diff".
    models : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Components to draw as curves: True all that reach a thousandth of the highest
        bin, False none, or names. Default is True.
    axes : tuple of `~matplotlib.axes.Axes`, optional
        Axes of the spectrum and of the residuals. Default is a new figure.
    **options
        Options of `SpectralResiduals.from_datasets`: ``energy_min``, ``energy_max``,
        ``exclude``, ``apply_mask``.

    Returns
    -------
    ax_spectrum, ax_residuals : tuple of `~matplotlib.axes.Axes`
        The axes.

    Raises
    ------
    ValueError
        If the method or an option is not valid, or there are not two axes.
    TypeError
        If axes are of the wrong kind. Nothing is drawn when there is an error.

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
    from gammapy.datasets.grids import parse_region

    parse_region(region)
    residuals = _spectral_residuals(datasets, region, options)
    table, counts_table = (_table(residuals, _) for _ in (method, "diff"))
    # Components that were left out of the model are known, but have no curve.
    exclude = np.atleast_1d(options.get("exclude") or []).tolist()
    names = select_names([*residuals.components, *exclude], models)
    names = [_ for _ in residuals.components if _ in names]
    axes = _new_spectral_axes() if axes is None else _check_spectral_axes(axes)

    ax_spectrum, ax_residuals = axes
    background_label = _background_label(residuals)
    plot_counts(
        counts_table,
        ax_spectrum,
        names,
        background_label=background_label,
        with_faint=models is not True,
    )
    plot_points(table, ax_residuals)
    edges = energy_edges(table)
    for ax in axes:
        plot_masked_ranges(edges, residuals.mask, ax)
        format_energy_axis(ax, *shown_edges(edges, residuals.mask))
    plot_legend(ax_spectrum)
    ax_residuals.set_ylabel(SYMBOLS[method])
    ax_residuals.set_xlabel(f"Energy [{table['e_ref'].unit}]")
    ax_spectrum.figure.align_ylabels(list(axes))
    return ax_spectrum, ax_residuals


def _check_panels(panels):
    expected = f"names of {listed(PANELS)}"
    panels = [panels] if isinstance(panels, str) else panels
    panels = check_list("panels", panels, expected)
    for panel in panels:
        if panel not in PANELS:
            hint = did_you_mean(panel, PANELS)
            raise ValueError(
                f"panels: got {show(panel)}{hint}; choose from {listed(PANELS)}."
            )
    return panels


def check_limits(vmin, vmax):
    """Raise an error that names the limit of colours that is no number."""
    for name, value in (("vmin", vmin), ("vmax", vmax)):
        if value is not None:
            check_number(name, value)


def _check_limits(vmin, vmax, vsig):
    """Raise an error that names the limit of colours that is not one."""
    check_limits(vmin, vmax)
    check_number("vsig", vsig, above=0)
    low = 0 if vmin is None else vmin
    if vmax is not None and vmax <= low:
        raise ValueError(f"vmax {vmax!r} is not above vmin {low!r}.")


def _legible_unit(energy):
    """Unit in which an energy reads best."""
    units = [u.Unit(_) for _ in ("TeV", "GeV", "MeV", "keV")]
    return next((_ for _ in units if energy >= 0.1 * _), units[-1])


def format_energy_range(energy_min, energy_max):
    """Energy range as text, in the unit in which its lower end reads best."""
    unit = _legible_unit(energy_min)
    low, high = energy_min.to_value(unit), energy_max.to_value(unit)
    # Three digits, but no exponent: 2000, not 2e+03.
    low, high = (f"{float(f'{_:.3g}'):.10g}" for _ in (low, high))
    return f"{low} - {high} {unit}"


def _table(residuals, method):
    """Table of residuals; energies of many digits get another unit."""
    table = residuals.to_table(method)
    if table["e_max"][-1] > 1e6:
        unit = _legible_unit(table["e_min"].quantity[residuals.mask][0])
        for name in ("e_min", "e_max", "e_ref"):
            table[name] = table[name].quantity.to(unit)
    return table


def _spatial_residuals(datasets, options):
    # The subpackage maps loads this one, so datasets can only be loaded here.
    from gammapy.datasets import SpatialResiduals

    return _as_residuals(SpatialResiduals, datasets, (), options)


def _spectral_residuals(datasets, region, options):
    from gammapy.datasets import SpectralResiduals

    args = () if region is None else (region,)
    return _as_residuals(SpectralResiduals, datasets, args, options)


def _as_residuals(cls, datasets, args, options):
    """Residuals as they are, or those of datasets."""
    if not isinstance(datasets, cls):
        return cls.from_datasets(datasets, *args, **options)
    if args or options:
        given = ", ".join([*(["region"] if args else []), *options])
        raise ValueError(
            f"These residuals are computed already: {given} comes too late."
        )
    return datasets


def _axes_grid(residuals, panels, axes):
    """Lists of axes by panel, one per energy group; new ones when none are given."""
    n_groups = residuals.energy_axis.nbin
    if axes is None:
        return _new_axes(residuals, panels)
    if not isinstance(axes, Mapping):
        axes = np.atleast_1d(axes)
        if len(axes) != len(panels):
            raise ValueError(f"There are {len(axes)} axes for {len(panels)} panels.")
        axes = dict(zip(panels, axes, strict=True))
    missing = [_ for _ in panels if _ not in axes]
    if missing:
        raise ValueError(f"There are no axes for the panels {missing}.")
    grid = {_: list(np.ravel(axes[_])) for _ in panels}
    for panel, row in grid.items():
        if len(row) != n_groups:
            raise ValueError(
                f"Panel {panel!r} has {len(row)} axes for {n_groups} energy groups."
            )
        for ax in row:
            check = check_plain_axes if panel == "distribution" else check_wcs_axes
            check(ax)
    return grid


def check_plain_axes(ax):
    """Raise a TypeError when axes are not plain ones."""
    if not isinstance(ax, Axes) or isinstance(ax, WCSAxes):
        what = ax.__class__.__name__ if isinstance(ax, Axes) else show(ax)
        raise TypeError(f"axes: expected plain Axes, got {what}.")


def _check_spectral_axes(axes):
    axes = tuple(np.ravel(axes))
    if len(axes) != 2:
        raise ValueError(
            "Needed are two axes, of the spectrum and of the residuals; there are "
            f"{len(axes)}."
        )
    for ax in axes:
        check_plain_axes(ax)
    return axes


def _new_spectral_axes():
    figure = plt.figure(figsize=(7, 6.6))
    axes = figure.subplots(
        2, 1, sharex=True, height_ratios=(1.9, 1), gridspec_kw={"hspace": 0.06}
    )
    figure.subplots_adjust(left=0.125, top=0.98, right=0.97, bottom=0.085)
    return axes


def _sky_ratio(geom):
    """Width of an image divided by its height, in degrees."""
    height, width = geom.data_shape
    lon, lat = geom.pixel_scales.to_value("deg")
    return width * lon / (height * lat)


def _sky_aspect(geom):
    """Aspect that shows the sky as it is, but maps that are too long stretched."""
    if not 1 / MAX_RATIO <= _sky_ratio(geom) <= MAX_RATIO:
        return "auto"
    lon, lat = geom.pixel_scales.to_value("deg")
    return lat / lon


def _map_size(geom):
    """Width and height of a map in inches."""
    ratio = np.clip(_sky_ratio(geom), 1 / MAX_RATIO, MAX_RATIO)
    if 0.5 <= ratio <= 2:
        return PANEL_SIZE * min(1, 1.3 * ratio), PANEL_SIZE * min(1 / ratio, 1.3)
    return (
        (LONG_SIDE, LONG_SIDE / ratio) if ratio > 1 else (LONG_SIDE * ratio, LONG_SIDE)
    )


def _cells(panels, n_groups, ratio):
    """Row and column of each panel and energy group.

    There is a column per energy group. A single group has two panels side by side,
    or, of long maps, all in a column or in a row.
    """
    if n_groups > 1:
        return [[(i, j) for j in range(n_groups)] for i in range(len(panels))]
    n_columns = 1 if ratio > 2 else len(panels) if ratio < 0.5 else min(2, len(panels))
    return [[divmod(i, n_columns)] for i in range(len(panels))]


def _new_axes(residuals, panels):
    """Figure in which maps have their size in inches, and room for all labels."""
    geom = residuals.counts.geom.to_image()
    cells = _cells(panels, residuals.energy_axis.nbin, _sky_ratio(geom))
    width, height = _map_size(geom)
    sizes = dict.fromkeys(panels, (width + BAR_PAD + BAR_WIDTH, height))
    if "distribution" in panels:
        sizes["distribution"] = max(width, 3.2), np.clip(height, 2.6, PANEL_SIZE)
    widths, heights = _row_and_column_sizes(panels, cells, sizes)

    gap_x, gap_y = LEFT + RIGHT, BOTTOM + TOP
    size = np.array(
        [sum(widths) + gap_x * len(widths), sum(heights) + gap_y * len(heights)]
    )
    figure = plt.figure(figsize=size)
    grid = {}
    for panel, row in zip(panels, cells, strict=True):
        is_map = panel != "distribution"
        grid[panel] = []
        for i, j in row:
            left = LEFT + sum(widths[:j]) + gap_x * j
            top = size[1] - TOP - sum(heights[:i]) - gap_y * i
            axes_width, axes_height = sizes[panel]
            corner = np.array([left, top - (heights[i] + axes_height) / 2])
            rectangle = [*(corner / size), *(np.array(sizes[panel]) / size)]
            options = {"projection": geom.wcs} if is_map else {}
            grid[panel].append(figure.add_axes(rectangle, **options))
    return grid


def _row_and_column_sizes(panels, cells, sizes):
    """Widths of the columns and heights of the rows in inches."""
    indices = np.max([_ for row in cells for _ in row], axis=0) + 1
    heights, widths = (np.zeros(_) for _ in indices)
    for panel, row in zip(panels, cells, strict=True):
        for i, j in row:
            widths[j] = max(widths[j], sizes[panel][0])
            heights[i] = max(heights[i], sizes[panel][1])
    return widths, heights


def _panel_title(residuals, panel, idx):
    titles = {
        "counts": "Counts",
        "npred": "Model",
        "excess": "Excess",
        "distribution": "Distribution of significance",
        "significance": "Significance",
    }
    energies = format_energy_range(*residuals.energy_axis.edges[idx : idx + 2])
    return f"{titles.get(panel, SYMBOLS.get(panel))}, {energies}"


def _panel_image(residuals, panel, idx, vmin, vmax, vsig):
    """Image of a panel, its colour map, limits and label."""
    images = {"counts": residuals.counts, "npred": residuals.npred}
    summed = _kernel_label(residuals)
    if panel in images:
        values = [_.data[idx] for _ in images.values()]
        limits = _counts_limits(values, vmin, vmax)
        label = {"counts": "Counts", "npred": "Predicted counts"}[panel] + summed
        style = {"limits": limits, "cmap": "viridis", "label": label}
        return _slice(images[panel], idx), style

    if panel == "excess":
        image, label = _slice(residuals.excess, idx), "Excess counts" + summed
    else:
        image, label = _slice(residuals.residual(panel), idx), SYMBOLS[panel]
        if panel == "diff":
            is_matched = residuals.kernel in MATCHED
            label += summed if is_matched else " per pixel"
    limit = vsig if panel == "significance" else _symmetric_limit(image.data)
    return image, {"limits": (-limit, limit), "cmap": "RdBu_r", "label": label}


def _kernel_label(residuals):
    """What a value of the maps is the sum of, or for a matched filter its unit."""
    kernel, radius = residuals.kernel, residuals.correlation_radius
    labels = {
        None: " per pixel",
        "tophat": f" within {radius}",
        "gauss": f" per pixel, Gaussian of {radius}",
        "map": " weighted with the kernel",
    }
    return labels[kernel] if kernel not in MATCHED else f" [{MATCHED[kernel]}]"


def _slice(map_, idx):
    return map_.slice_by_idx({"energy": idx})


def _counts_limits(values, vmin, vmax):
    """Colour limits as given; else from 0 to the highest finite value."""
    low = 0.0 if vmin is None else vmin
    if vmax is not None:
        return low, vmax
    highest = max(np.max(_[np.isfinite(_)], initial=low) for _ in values)
    return low, highest if highest > low else low + 1


def _symmetric_limit(data):
    """Limit of all finite values but the half percent that are farthest from 0."""
    finite = np.abs(data[np.isfinite(data)])
    limit = np.percentile(finite, 99.5) if finite.size else 0
    limit = limit if limit > 0 else np.max(finite, initial=0)
    return limit if limit > 0 else 1.0


def _plot_image(image, ax, *, cmap, limits, label):
    vmin, vmax = limits
    # An image leaves infinite values out like masked ones.
    data = np.where(np.isposinf(image.data), 2 * abs(vmax) + 1, image.data)
    cmap = plt.get_cmap(cmap).with_extremes(bad="0.8")
    image.copy(data=data).plot(ax=ax, cmap=cmap, vmin=vmin, vmax=vmax)
    ax.set_aspect(_sky_aspect(image.geom))
    _plot_colorbar(ax, label, _extend(image.data, vmin, vmax))
    if not image.geom.is_allsky:
        format_sky_axes(ax)


def _plot_colorbar(ax, label, extend):
    """Colour bar of the height of the map, whatever its aspect is."""
    aspect = ax.get_aspect()
    divider = AxesDivider(
        ax, xref=AxesX(ax), yref=AxesY(ax, aspect=1 if aspect == "auto" else aspect)
    )
    ax.set_axes_locator(divider.new_locator(nx=0, ny=0))
    # Plain axes: append_axes would take the class of the map.
    side = divider.append_axes("right", BAR_WIDTH, BAR_PAD, axes_class=Axes)
    bar = ax.figure.colorbar(ax.images[-1], cax=side, extend=extend)
    bar.set_label(label)
    settle_axes(ax)
    length = bar.ax.yaxis.label.get_window_extent().height
    if length > ax.get_window_extent().height:
        middle = len(label) // 2 + 1
        bar.set_label(textwrap.fill(label, middle, break_long_words=False))


def _extend(data, vmin, vmax):
    """Pointed ends of the colour bar where values lie beyond them."""
    with np.errstate(invalid="ignore"):
        low, high = np.any(data < vmin), np.any(data > vmax)
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[low, high]


def _plot_region(region, ax):
    """Outline of a region with a white rim, and nothing else."""
    if region is None:
        return
    style = {"color": REGION_COLOR, "path_effects": halo(width=3)}
    for simple in simple_regions(region):
        curves = sky_outlines(simple)
        for curve in curves:
            add_line(*curve_vertices(curve, ax).T, ax, "region", lw=1.2, **style)
        if not curves:
            artist = simple.to_pixel(ax.wcs).as_artist()
            artist.set(gid="region", **style)
            ax.add_artist(artist)


def _plot_distribution(residuals, ax, idx, mask=None):
    values = residuals.sqrt_ts.data[idx]
    if mask is not None:
        values = values[np.squeeze(mask.data).astype(bool)]
    plot_histogram(values, residuals.distribution(mask)[idx], ax)
    ax.set_xlabel(SYMBOLS["significance"])
    ax.set_ylabel("Probability density")
    return ax


def _background_label(residuals):
    if residuals.is_on_off:
        return r"Background ($\alpha$ $\times$ off counts)"
    return "Background"
