# Licensed under a 3-clause BSD style license - see LICENSE.rst
"""Draw residuals. What is drawn is computed in `gammapy.datasets.residuals`."""

import numpy as np
from scipy.stats import norm
import astropy.units as u
from regions import CompoundSkyRegion
import matplotlib.pyplot as plt
from matplotlib import patheffects
from matplotlib.ticker import FuncFormatter
from .models import plot_models, select_components, select_names
from .utils import add_colorbar

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
PANELS = ("counts", "npred", "excess", "distribution", *SYMBOLS)

# One step between the contours beyond the end of the colours, in sigma.
CONTOUR_STEP = 2
# Curves that stay below this fraction of the model are not drawn.
FAINTEST = 1e-3
MASK_STYLE = {"color": "0.88", "linewidth": 0, "zorder": 0}


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
    region : `~regions.SkyRegion` or str, optional
        Region to outline. Default is None.
    vmin, vmax : float, optional
        Colour limits of "counts" and "npred", which share them. Default is 0 and the
        highest value.
    vsig : float, optional
        Colours of the significance end at plus and minus this; beyond it contours
        every 2 sigma carry their value. Default is 5.
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
        If a panel or option is not valid, before anything is drawn.

    Examples
    --------
    >>> from gammapy.visualization import plot_spatial_residuals
    >>> axes = plot_spatial_residuals(datasets, energy_min="2 TeV")  # doctest: +SKIP
    """
    panels = _check_panels(panels)
    region = _parse_region(region)
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
                if panel == "significance":
                    _plot_contours(image, ax, vsig)
                _plot_region(region, ax)
                plot_models(components, ax)
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
    """
    if residuals.energy_axis.nbin != 1:
        raise ValueError(
            f"There are {residuals.energy_axis.nbin} energy groups; draw the "
            "distribution of one, or use plot_spatial_residuals."
        )
    return _plot_distribution(residuals, plt.gca() if ax is None else ax, 0, mask)


def plot_spectral_residuals(
    datasets, region=None, *, method="diff", models=True, axes=None, **options
):
    """Draw counts and model against energy, with the residuals below.

    Parameters
    ----------
    datasets : `~gammapy.datasets.Datasets` or `~gammapy.datasets.SpectralResiduals`
        Datasets, one dataset, or residuals that were computed before.
    region : `~regions.SkyRegion` or str, optional
        Region whose pixels are summed. Default is all pixels.
    method : {"diff", "diff/model", "diff/sqrt(model)", "significance"}
        Residual method. Default is "diff".
    models : bool, list of str or `~gammapy.modeling.models.Models`, optional
        Components to draw as curves: True all, False none, or names.
        Default is True.
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
        If the method or an option is not valid, before anything is drawn.

    Examples
    --------
    >>> from gammapy.visualization import plot_spectral_residuals
    >>> region = "galactic;circle(344.2, -0.15, 0.3)"
    >>> axes = plot_spectral_residuals(datasets, region)  # doctest: +SKIP
    """
    residuals = _spectral_residuals(datasets, region, options)
    table = residuals.to_table(method)
    names = select_names(residuals.components, models)
    if axes is None:
        figure = plt.figure(figsize=(7, 6))
        axes = figure.subplots(
            2, 1, sharex=True, height_ratios=(2.2, 1), gridspec_kw={"hspace": 0.06}
        )
        figure.subplots_adjust(top=0.97, right=0.97)
    ax_spectrum, ax_residuals = axes
    _plot_spectrum(residuals, ax_spectrum, names)
    _plot_residual_points(table, ax_residuals)
    for ax in axes:
        _plot_masked_ranges(residuals, ax)
    ax_spectrum.legend(fontsize="small")
    ax_residuals.set_ylabel(SYMBOLS[method], fontsize="small")
    ax_residuals.set_xlabel(f"Energy [{residuals.energy_axis.unit}]")
    ax_spectrum.figure.align_ylabels(list(axes))
    return ax_spectrum, ax_residuals


def _check_panels(panels):
    panels = [panels] if isinstance(panels, str) else list(panels)
    for panel in panels:
        if panel not in PANELS:
            raise ValueError(
                f"Invalid panel: {panel!r}. Choose of {', '.join(map(repr, PANELS))}."
            )
    return panels


def format_energy_range(energy_min, energy_max):
    """Energy range as text, in the unit in which its lower end reads best."""
    units = [u.Unit(_) for _ in ("TeV", "GeV", "MeV", "keV")]
    unit = next((_ for _ in units if energy_min >= 0.1 * _), units[-1])
    low, high = energy_min.to_value(unit), energy_max.to_value(unit)
    return f"{low:.3g} - {high:.3g} {unit}"


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
    if not isinstance(axes, dict):
        axes = dict(zip(panels, np.atleast_1d(axes), strict=True))
    missing = [_ for _ in panels if _ not in axes]
    if missing:
        raise ValueError(f"There are no axes for the panels {missing}.")
    grid = {_: list(np.atleast_1d(axes[_])) for _ in panels}
    for panel, row in grid.items():
        if len(row) != n_groups:
            raise ValueError(
                f"Panel {panel!r} has {len(row)} axes for {n_groups} energy groups."
            )
    return grid


def _new_axes(residuals, panels):
    """A column of panels per energy group; for one group two panels side by side."""
    n_groups = residuals.energy_axis.nbin
    if n_groups == 1:
        n_columns = min(2, len(panels))
        n_rows = -(-len(panels) // n_columns)
        cells = [[(i // n_columns, i % n_columns)] for i in range(len(panels))]
    else:
        n_rows, n_columns = len(panels), n_groups
        cells = [[(i, j) for j in range(n_groups)] for i in range(n_rows)]

    geom = residuals.counts.geom.to_image()
    height, width = geom.data_shape
    # Inches: maps are 4 wide, with room for colour bars, labels and titles.
    panel_height = np.clip(4.0 * height / width, 2.4, 6.0)
    figure_width, figure_height = 5.8 * n_columns, (panel_height + 0.9) * n_rows
    figure = plt.figure(figsize=(figure_width, figure_height))
    spec = figure.add_gridspec(
        n_rows,
        n_columns,
        left=0.8 / figure_width,
        right=1 - 0.9 / figure_width,
        bottom=0.6 / figure_height,
        top=1 - 0.35 / figure_height,
        wspace=1.7 / 4,
        hspace=0.8 / panel_height,
    )
    return {
        panel: [
            figure.add_subplot(
                spec[cell],
                **({} if panel == "distribution" else {"projection": geom.wcs}),
            )
            for cell in row
        ]
        for panel, row in zip(panels, cells, strict=True)
    }


def _panel_title(residuals, panel, idx):
    titles = {"npred": "Model", "distribution": "Distribution of significance"}
    name = titles.get(panel, panel.capitalize() if panel[:4] != "diff" else panel)
    return f"{name}, {format_energy_range(*residuals.energy_axis.edges[idx : idx + 2])}"


def _panel_image(residuals, panel, idx, vmin, vmax, vsig):
    """Image of a panel, its colour map, limits and label."""
    images = {"counts": residuals.counts, "npred": residuals.npred}
    summed = _kernel_label(residuals)
    if panel in images:
        highest = np.nanmax([_.data[idx] for _ in images.values()])
        style = {"vmin": vmin or 0, "vmax": highest if vmax is None else vmax}
        label = {"counts": "Counts", "npred": "Predicted counts"}[panel] + summed
        return _slice(images[panel], idx), style | {"cmap": "viridis", "label": label}

    if panel == "excess":
        image, label = _slice(residuals.excess, idx), "Excess counts" + summed
    else:
        image, label = _slice(residuals.residual(panel), idx), SYMBOLS[panel]
        label += " per pixel" if panel == "diff" else ""
    limit = vsig if panel == "significance" else _symmetric_limit(image.data)
    style = {"vmin": -limit, "vmax": limit, "cmap": "coolwarm", "label": label}
    return image, style


def _kernel_label(residuals):
    """What a value of the maps is the sum of."""
    kernel, radius = residuals.kernel, residuals.correlation_radius
    return {
        None: " per pixel",
        "tophat": f" within {radius}",
        "gauss": f" per pixel, Gaussian of {radius}",
        "map": " weighted with the kernel",
    }[kernel]


def _slice(map_, idx):
    return map_.slice_by_idx({"energy": idx})


def _symmetric_limit(data):
    """Limit that holds all but the last percent of the finite values."""
    finite = np.abs(data[np.isfinite(data)])
    limit = np.percentile(finite, 99.5) if finite.size else 0
    return limit if limit > 0 else 1.0


def _plot_image(image, ax, *, cmap, vmin, vmax, label):
    cmap = plt.get_cmap(cmap).with_extremes(bad="0.85")
    image.plot(ax=ax, cmap=cmap, vmin=vmin, vmax=max(vmax, vmin + 1e-9))
    bar = add_colorbar(ax.images[-1], ax=ax, extend=_extend(image.data, vmin, vmax))
    bar.set_label(label)


def _extend(data, vmin, vmax):
    """Pointed ends of the colour bar where values lie beyond them."""
    with np.errstate(invalid="ignore"):
        low, high = np.any(data < vmin), np.any(data > vmax)
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[low, high]


def _plot_contours(image, ax, vsig):
    """Labelled contours of the significance where the colours have ended."""
    data = image.data
    finite = data[np.isfinite(data)]
    if finite.size == 0:
        return
    highest = np.abs(finite).max()
    levels = np.arange(vsig + CONTOUR_STEP, highest, CONTOUR_STEP)
    levels = np.concatenate([-levels[::-1], levels])
    levels = levels[(levels > finite.min()) & (levels < finite.max())]
    if levels.size == 0:
        return
    lines = ax.contour(
        np.where(np.isfinite(data), data, 0),
        levels=levels,
        # They run where the colours are at their darkest.
        colors="white",
        linewidths=0.7,
        negative_linestyles="dashed",
    )
    ax.clabel(lines, fmt="%g", fontsize=7)


def _parse_region(region):
    """Sky region as one; errors come here, before anything is drawn."""
    if region is None:
        return None
    from gammapy.maps import RegionGeom

    try:
        return RegionGeom.create(region)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"Invalid region: {region!r}") from error


def _plot_region(region, ax):
    """Outline of a region with a white rim, and nothing else."""
    if region is None:
        return
    outlines = region.region
    for outline in getattr(outlines, "regions", None) or _leaves(outlines):
        artist = outline.to_pixel(ax.wcs).as_artist()
        artist.set_color("tab:green")
        artist.set_path_effects(
            [patheffects.withStroke(linewidth=3, foreground="white", alpha=0.8)]
        )
        if hasattr(artist, "set_fill"):
            artist.set_fill(False)
        artist.set_gid("region")
        ax.add_artist(artist)


def _leaves(region):
    """Simple regions of a compound of regions."""
    if not isinstance(region, CompoundSkyRegion):
        return [region]
    return [*_leaves(region.region1), *_leaves(region.region2)]


def _plot_distribution(residuals, ax, idx, mask=None):
    """Histogram of the significance, the Gaussian of its moments and N(0, 1)."""
    row = residuals.distribution(mask)[idx]
    values = residuals.sqrt_ts.data[idx]
    select = np.isfinite(values)
    if mask is not None:
        select &= np.squeeze(mask.data).astype(bool)
    values = values[select]
    limit = max(5.0, np.abs(values).max() * 1.05) if values.size else 5.0
    bins = np.linspace(-limit, limit, int(np.clip(8 * limit, 40, 120)))
    style = {"color": "tab:blue", "alpha": 0.45, "label": "Pixels"}
    density = np.zeros(1)
    if values.size:
        density, *_ = ax.hist(values, bins=bins, density=True, **style)
    x = np.linspace(-limit, limit, 501)
    ax.plot(x, norm.pdf(x), color="black", linestyle="--", label="N(0, 1)")
    if row["std"] > 0:
        label = (
            f"$\\mu$ = {row['mean']:.2f} $\\pm$ {row['mean_err']:.2f}\n"
            f"$\\sigma$ = {row['std']:.2f} $\\pm$ {row['std_err']:.2f}"
        )
        fit = norm.pdf(x, row["mean"], row["std"])
        ax.plot(x, fit, color="tab:red", label=label)
    ax.set_yscale("log")
    smallest = density[density > 0].min() if np.any(density > 0) else 1e-3
    ax.set_ylim(min(smallest, 1e-3) / 2, 2 * max(density.max(initial=0), 0.5))
    ax.set_xlim(-limit, limit)
    ax.set_xlabel(SYMBOLS["significance"])
    ax.set_ylabel("Probability density")
    ax.legend(fontsize="small", loc="upper left")
    return ax


def _plot_spectrum(residuals, ax, names):
    """Counts as points, model and components as steps."""
    table = residuals.to_table("diff")
    edges = residuals.energy_axis.edges.value
    curves = [("npred", "Model", {"color": "black", "linewidth": 1.6, "zorder": 3})]
    style = {"color": "0.5", "linestyle": "--"}
    curves.append(("npred_background", "Background", style))
    curves += [(f"npred_{name}", name, {}) for name in names]
    highest = np.nanmax([table["counts"], table["npred"]])
    tops = {column: np.nanmax(table[column]) for column, *_ in curves}
    for column, label, style in curves:
        # Of a component outside the region there is a tail too faint to be seen.
        if tops[column] > FAINTEST * highest:
            ax.stairs(table[column], edges, label=label, baseline=None, **style)
    ax.errorbar(
        table["e_ref"],
        table["counts"],
        yerr=(table["residual_errn"], table["residual_errp"]),
        fmt="o",
        markersize=3.5,
        color="black",
        label="Counts",
        zorder=4,
    )
    if highest > 0:
        ax.set_yscale("log")
        lowest = _lowest_shown(table["counts"], table["npred"], list(tops.values()))
        ax.set_ylim(lowest, 3 * highest)
    format_energy_axis(ax, edges[0], edges[-1])
    ax.set_ylabel("Counts per bin")


def _lowest_shown(counts, npred, tops):
    """Lower end of a logarithmic axis, below all points and the top of each curve."""
    values = np.concatenate([counts, npred, tops])
    values = values[np.isfinite(values)]
    return 0.3 * values[values > FAINTEST * values.max()].min()


def format_energy_axis(ax, energy_min, energy_max):
    """Logarithmic energy axis with plain numbers, also at 2 and 5 when it is short."""
    ax.set_xscale("log")
    ax.set_xlim(energy_min, energy_max)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    is_short = energy_max / energy_min < 1e3

    def label_minor(x, _):
        digit = round(x / 10 ** np.floor(np.log10(x) + 1e-9))
        return f"{x:g}" if is_short and digit in (2, 5) else ""

    ax.xaxis.set_minor_formatter(FuncFormatter(label_minor))


def _plot_residual_points(table, ax):
    """Residuals with their error bars, and the line of agreement."""
    x, y = table["e_ref"], np.asarray(table["residual"])
    errors = np.array([table["residual_errn"], table["residual_errp"]])
    widths = (x - table["e_min"], table["e_max"] - x)
    finite = np.isfinite(y)
    ax.errorbar(
        x, y, xerr=widths, yerr=errors, fmt="o", markersize=3.5, color="black", lw=1.1
    )
    ax.axhline(0, color="black", linewidth=0.7)
    format_energy_axis(ax, table["e_min"][0], table["e_max"][-1])
    if finite.any():
        errn, errp = np.nan_to_num(errors[:, finite])
        low, high = np.min(y[finite] - errn), np.max(y[finite] + errp)
        margin = 0.08 * max(high - low, 1e-9)
        ax.set_ylim(min(low, 0) - margin, max(high, 0) + margin)


def _plot_masked_ranges(residuals, ax):
    """Shade the energies at which all is masked."""
    edges = residuals.energy_axis.edges.value
    label = "Masked"
    for low, high, used in zip(edges[:-1], edges[1:], residuals.mask, strict=True):
        if not used:
            ax.axvspan(low, high, label=label, **MASK_STYLE)
            label = None
